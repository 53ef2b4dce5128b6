"""Clips to train a renderer on: recordings beside the layers of their synthesis.

A folder of clips holds audio alone. What the codec makes of it is computed anew before each
training, in processes that never load torch: parameters, and after the codec's round trip the
layers that the synthesis adds up. Layers are kept as float16, 0.75 MB a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.codec.analysis import analyze
from banso.codec.gains import Layers
from banso.codec.parameters import HOP_LENGTH, SAMPLE_RATE, Parameters
from banso.codec.synthesis import Synthesizer
from banso.errors import DataError
from banso.files import read_audio

_HELD = "held-"  # begins the names of clips that are only measured on
CLIP_SUFFIXES = (".opus", ".flac", ".wav")
LAYER_NAMES = tuple(field.name for field in fields(Layers))
_COMPLEX = ("tones", "white", "own")

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipJob:
    """One clip on its way through the codec.

    Attributes:
        source: Audio file.
        folder: Takes what is made of it: `audio.npy` int16 [2, samples], `parameters.npy` and,
            once it is there, the codec's own version of them `decoded.npy`, and all layers.
        seed: Of the synthesis' noise.
    """

    source: Path
    folder: Path
    seed: int = 0

    @property
    def name(self) -> str:
        """Of the clip."""
        return self.source.stem

    @property
    def is_held(self) -> bool:
        """Whether it is only measured on."""
        return self.name.startswith(_HELD)


def find_clips(data: Path) -> list[Path]:
    """Return the audio files of a folder, by name.

    Raises:
        DataError: If there is none.
    """
    found = [path for path in sorted(data.glob("*")) if path.suffix in CLIP_SUFFIXES]
    if not found:
        raise DataError(f"{data} holds no clips; expected {', '.join(CLIP_SUFFIXES)} files")
    return found


def write_parameters(job: ClipJob) -> None:
    """Read a clip and measure its codec parameters."""
    samples = read_clip(job.source)
    job.folder.mkdir(parents=True, exist_ok=True)
    np.save(job.folder / "audio.npy", np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16))
    np.save(job.folder / "parameters.npy", analyze(samples).to_array())


def write_layers(job: ClipJob) -> None:
    """Compute the layers of a clip's decoded parameters."""
    decoded = np.load(job.folder / "decoded.npy")
    layers = Synthesizer(job.seed).layers(Parameters.from_array(decoded))
    for name in LAYER_NAMES:
        values = np.ascontiguousarray(getattr(layers, name))
        if name in _COMPLEX:
            values = values.astype(np.complex64).view(np.float32).reshape(*values.shape, 2)
        np.save(job.folder / f"{name}.npy", values.astype(np.float16))


def read_clip(source: Path) -> Array:
    """Read whole codec frames [2, samples] at 44.1 kHz of a clip.

    Raises:
        AudioError: If it cannot be read. DataError: If it is shorter than a codec frame.
    """
    samples = read_audio(source).to_stereo().resampled(SAMPLE_RATE).samples
    num_frames = samples.shape[1] // HOP_LENGTH
    if num_frames == 0:
        raise DataError(f"{source} is shorter than one codec frame")
    return np.ascontiguousarray(samples[:, : num_frames * HOP_LENGTH])


def load_arrays(jobs: Sequence[ClipJob], name: str) -> NDArray[np.generic]:
    """Join one kind of array of all clips along time."""
    axis = 1 if name == "audio" else 0
    return np.concatenate([np.load(job.folder / f"{name}.npy") for job in jobs], axis=axis)
