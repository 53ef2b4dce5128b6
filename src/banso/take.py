"""What a run has found out by the time the accompaniment is decoded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from banso.alongside import alongside
from banso.audio import Recording, Samples
from banso.delivery import OUTPUT_SAMPLE_RATE, Delivery
from banso.leadsheet import LeadSheet
from banso.listening import Listening
from banso.loudness import LoudnessMeter
from banso.mixing import Balance, balance
from banso.results import BundleName, Provenance
from banso.scratch import Scratch
from banso.stopwatch import Timings
from banso.truepeak import TruePeakMeter


@dataclass(frozen=True, slots=True)
class Level:
    """How loud a generated accompaniment is, as decoded.

    Attributes:
        lufs: Its integrated loudness; minus infinity if unmeasurable.
        peak: Its true peak, full scale 1.
    """

    lufs: float
    peak: float


def record(sound: Iterable[Samples], raw: Scratch) -> Level:
    """Keep sound as it comes, [2, samples] each at 44.1 kHz, and measure it meanwhile."""
    loudness, peak = LoudnessMeter(OUTPUT_SAMPLE_RATE), TruePeakMeter()

    def measure(block: Samples) -> None:
        loudness.add(block)
        peak.add(block)

    with alongside(measure) as hand_over:
        for block in sound:
            raw.append(block)
            hand_over(block)
    return Level(loudness.integrated_lufs, peak.finish())


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Take:
    """A generated accompaniment before its level is set.

    Attributes:
        listening: What it goes with.
        lead_sheet: Beats and chords that it obeys, or None.
        num_samples: Its length at 44.1 kHz.
        level: How loud it is.
        seed: Of its noise.
        num_evaluations: How often the denoiser ran.
        parts: What was written, if not the whole band.
    """

    listening: Listening
    lead_sheet: LeadSheet | None
    num_samples: int
    level: Level
    seed: int
    num_evaluations: int
    parts: tuple[str, ...] = ()

    def gains(self, vocal_gain_db: float = 0.0) -> Balance:
        """Return how loud voice and accompaniment are to be."""
        level = self.level
        return balance(self.listening.vocals_lufs, level.lufs, level.peak, vocal_gain_db)

    def delivery(
        self,
        vocals: Recording,
        raw: Scratch,
        gains: Balance,
        stems: Mapping[str, Scratch] | None = None,
        others: Scratch | None = None,
    ) -> Delivery:
        """Return the pair, ready to be written; see `Delivery`."""
        survey = self.listening.survey
        return Delivery(vocals, survey, raw, self.num_samples, gains, stems or {}, others)

    def provenance(self, gains: Balance, bundle: BundleName, timings: Timings) -> Provenance:
        """Return how it came about, once its level is set."""
        return Provenance(
            seed=self.seed,
            num_evaluations=self.num_evaluations,
            timings=timings,
            bundle=bundle,
            lead_sheet=self.lead_sheet,
            lufs=self.level.lufs + float(20 * np.log10(gains.alone)),
            parts=self.parts,
            tuning_hz=440.0 * 2.0 ** (self.listening.tuning_cents / 1200),
        )
