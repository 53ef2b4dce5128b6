"""Hear a voice once through: its channels, its loudness and its features, frame by frame."""

from dataclasses import dataclass

from banso.alongside import alongside
from banso.audio import Recording, Samples, resampled_length
from banso.features import FeatureStream
from banso.loudness import LoudnessMeter
from banso.survey import Survey, survey

# The denoiser halves time twice and attends in blocks of 16 frames; all windows fit these blocks.
FRAME_MULTIPLE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Listening:
    """What was heard in a recording.

    Attributes:
        features: float32 [frames, features]; the frames cover the recording and are padded to a
            whole number of attention blocks.
        survey: Channels, peak and offset.
        vocals_lufs: Loudness of the voice as stereo; minus infinity if unmeasurable.
        duration_seconds: Length of the recording.
        tuning_cents: How far above A4 = 440 Hz the band is to be; unless something else is there
            to be in tune with, where the features take the semitones to be.
        frame_rate: Frames per second.
    """

    features: Samples
    survey: Survey
    vocals_lufs: float
    duration_seconds: float
    tuning_cents: float = 0.0
    frame_rate: float = 44_100 / 2_048


def listen(
    recording: Recording, sample_rate: int, hop_length: int, tuning_cents: float | None = None
) -> Listening:
    """Measure a voice.

    Args:
        recording: At least 0.5 s.
        sample_rate: Of the codec, Hz; features and loudness are measured at this rate.
        hop_length: Samples per latent frame at that rate.
        tuning_cents: Where the semitones are, relative to A4 = 440 Hz; None for where they are
            sung.

    Raises:
        AudioError: If the recording is too short, silent or damaged.
    """
    surveyed = survey(recording)
    num_samples = resampled_length(recording.num_samples, recording.sample_rate, sample_rate)
    num_frames = -(-num_samples // (hop_length * FRAME_MULTIPLE)) * FRAME_MULTIPLE
    features, meter = FeatureStream(), LoudnessMeter(sample_rate)
    with alongside(meter.add) as hand_over:
        for block in recording.blocks(sample_rate):
            hand_over(surveyed.stereo(block))
            features.add(surveyed.analysis_mono(block))
    seconds = recording.num_samples / recording.sample_rate
    tuning = features.tuning_cents() if tuning_cents is None else tuning_cents
    rows = features.finish(num_frames, tuning)
    frame_rate = sample_rate / hop_length
    return Listening(rows, surveyed, meter.integrated_lufs, seconds, tuning, frame_rate)
