"""Write a finished accompaniment: loudness matched, alone and mixed with the voice."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banso.audio import Recording, Samples
from banso.files import AudioWriter
from banso.mixing import Balance, mix_blocks, safe_gain
from banso.scratch import Scratch
from banso.survey import Survey
from banso.truepeak import true_peak

OUTPUT_SAMPLE_RATE = 44_100


@dataclass(frozen=True, slots=True)
class Labels:
    """How files are to be encoded, and what their metadata say.

    Attributes:
        format: A key of `banso.files.FORMATS`.
        comment: Provenance in ASCII.
    """

    format: str
    comment: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A voice, its raw accompaniment and the gains that bring them together.

    Attributes:
        vocals: The recording.
        survey: What is on its channels.
        raw: The accompaniment as decoded, at 44.1 kHz, as long as the voice at that rate.
        num_samples: That length.
        gains: How loud each is to be.
    """

    vocals: Recording
    survey: Survey
    raw: Scratch
    num_samples: int
    gains: Balance

    def write_accompaniment(self, path: Path, labels: Labels) -> None:
        """Write the accompaniment alone, 44.1 kHz stereo, true peak at most -1 dBTP."""
        with self._writer(path, labels) as writer:
            for block in self.accompaniment_blocks():
                writer.write(block)

    def write_mix(self, path: Path, labels: Labels) -> None:
        """Write voice + accompaniment, scaled as a whole only if it exceeds -1 dBTP."""
        peak = true_peak(self._mix_blocks(), OUTPUT_SAMPLE_RATE, self.num_samples)
        scale = np.float32(min(1.0, safe_gain(peak)))
        with self._writer(path, labels) as writer:
            for block in self._mix_blocks():
                writer.write(scale * block)

    def accompaniment_blocks(self) -> Iterator[Samples]:
        """Yield the accompaniment as it is delivered, [2, samples] each."""
        self.raw.rewind()
        while (block := self.raw.read(OUTPUT_SAMPLE_RATE)).size:
            yield np.float32(self.gains.alone) * block

    def _mix_blocks(self) -> Iterator[Samples]:
        self.raw.rewind()
        for block in self.vocals.blocks(OUTPUT_SAMPLE_RATE):
            vocals = self.survey.stereo(block)
            yield mix_blocks(vocals, self.raw.read(block.shape[1]), self.gains)

    def _writer(self, path: Path, labels: Labels) -> AudioWriter:
        return AudioWriter(
            path, OUTPUT_SAMPLE_RATE, 2, labels.format, self.num_samples, labels.comment
        )
