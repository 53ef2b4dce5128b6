"""Write a finished accompaniment: loudness matched, alone and mixed with the voice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from banso.audio import Recording, Samples, summed
from banso.files import AudioWriter
from banso.mixing import Balance, mix_blocks, safe_gain
from banso.scratch import Scratch
from banso.survey import Survey
from banso.truepeak import true_peak

OUTPUT_SAMPLE_RATE = 44_100
_STEPS = 2**23


@dataclass(frozen=True, slots=True)
class Labels:
    """How files are to be encoded, and what their metadata say.

    Attributes:
        format: A key of `banso.fileformats.FORMATS`.
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
        stems: Parts that the accompaniment is the sum of, if they are to be had apart.
        others: Parts that are there already, as given; they are heard in the mix.
    """

    vocals: Recording
    survey: Survey
    raw: Scratch
    num_samples: int
    gains: Balance
    stems: Mapping[str, Scratch] = field(default_factory=dict)
    others: Scratch | None = None

    def write_accompaniment(self, path: Path, labels: Labels) -> None:
        """Write the accompaniment alone, 44.1 kHz stereo, true peak at most -1 dBTP."""
        with self._writer(path, labels) as writer:
            for block in self.accompaniment_blocks():
                writer.write(block)

    def write_mix(self, path: Path, labels: Labels) -> None:
        """Write voice + accompaniment, scaled as a whole only if it exceeds -1 dBTP."""
        peak = true_peak(self._mix_blocks())
        scale = np.float32(min(1.0, safe_gain(peak)))
        with self._writer(path, labels) as writer:
            for block in self._mix_blocks():
                writer.write(scale * block)

    def write_stem(self, part: str, path: Path, labels: Labels) -> None:
        """Write one part at the level that it has in the accompaniment."""
        with self._writer(path, labels) as writer:
            for block in self.stem_blocks(part):
                writer.write(block)

    def accompaniment_blocks(self) -> Iterator[Samples]:
        """Yield the accompaniment as it is delivered, [2, samples] each."""
        if self.stems:
            yield from summed(self.stem_blocks(part) for part in self.stems)
            return
        for block in self.raw.blocks():
            yield np.float32(self.gains.alone) * block

    def stem_blocks(self, part: str) -> Iterator[Samples]:
        """Yield a part as it is delivered, [2, samples] each.

        Its samples are whole multiples of a 24-bit step, so that parts add up exactly.
        """
        for block in self.stems[part].blocks():
            scaled = np.rint(np.float32(self.gains.alone * _STEPS) * block)
            yield scaled / np.float32(_STEPS)

    def _mix_blocks(self) -> Iterator[Samples]:
        self.raw.rewind()
        if self.others is not None:
            self.others.rewind()
        for block in self.vocals.blocks(OUTPUT_SAMPLE_RATE):
            vocals = self.survey.stereo(block)
            mixed = mix_blocks(vocals, self.raw.read(block.shape[1]), self.gains)
            if self.others is not None:
                mixed += self.others.read(block.shape[1])
            yield mixed

    def _writer(self, path: Path, labels: Labels) -> AudioWriter:
        return AudioWriter(
            path, OUTPUT_SAMPLE_RATE, 2, labels.format, self.num_samples, labels.comment
        )
