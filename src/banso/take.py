"""What a run has found out by the time the accompaniment is decoded."""

from dataclasses import dataclass

from banso.audio import Recording, Samples
from banso.delivery import Delivery
from banso.leadsheet import LeadSheet
from banso.mixing import Balance, balance
from banso.scratch import Scratch
from banso.survey import Survey


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """What was heard in a recording.

    Attributes:
        features: float32 [frames, features]; the frames cover the recording and are padded to a
            whole number of attention blocks.
        survey: Channels, peak and offset.
        vocals_lufs: Loudness of the voice as stereo; minus infinity if unmeasurable.
        duration_seconds: Length of the recording.
    """

    features: Samples
    survey: Survey
    vocals_lufs: float
    duration_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Take:
    """A generated accompaniment before its level is set.

    Attributes:
        listening: What it goes with.
        lead_sheet: Beats and chords that it obeys, or None.
        num_samples: Its length at 44.1 kHz.
        raw_lufs: Its loudness as decoded.
        raw_peak: Its largest sample as decoded, full scale 1.
        seed: Of its noise.
        num_evaluations: How often the denoiser ran.
    """

    listening: Listening
    lead_sheet: LeadSheet | None
    num_samples: int
    raw_lufs: float
    raw_peak: float
    seed: int
    num_evaluations: int

    def gains(self, vocal_gain_db: float = 0.0) -> Balance:
        """Return how loud voice and accompaniment are to be."""
        return balance(self.listening.vocals_lufs, self.raw_lufs, self.raw_peak, vocal_gain_db)

    def delivery(self, vocals: Recording, raw: Scratch, gains: Balance) -> Delivery:
        """Return the pair, ready to be written."""
        return Delivery(vocals, self.listening.survey, raw, self.num_samples, gains)
