"""Sounds of an item as files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.audio import Audio
from banso.data.manifest import sha256_of
from banso.data.render import SAMPLE_RATE
from banso.files import write_audio

VOCALS_FILE = "vocals.flac"
ACCOMPANIMENT_FILE = "accompaniment.flac"
PARTS_FOLDER = "parts"

Array = NDArray[np.float32]


def write_sounds(
    folder: Path, vocals: Array, mix: Array, parts: Mapping[str, Array]
) -> dict[str, str]:
    """Write an item's voice, band and parts; files that exist are replaced.

    Args:
        folder: Of the item; made if it does not exist.
        vocals: [samples].
        mix: [2, samples].
        parts: Waveforms [2, samples] by name.

    Returns:
        Checksum by file name.
    """
    (folder / PARTS_FOLDER).mkdir(parents=True, exist_ok=True)
    sounds = {VOCALS_FILE: vocals[None], ACCOMPANIMENT_FILE: mix}
    sounds |= {f"{PARTS_FOLDER}/{name}.flac": part for name, part in parts.items()}
    return {name: _write(folder / name, sound) for name, sound in sounds.items()}


def _write(path: Path, waveform: Array) -> str:
    """Write 16-bit values, a third of the size of 24-bit ones in FLAC; return the checksum."""
    steps = np.round(waveform * 32768).clip(-32768, 32767) / np.float32(32768)
    write_audio(path, Audio(steps.astype(np.float32), SAMPLE_RATE), overwrite=True)
    return sha256_of(path)
