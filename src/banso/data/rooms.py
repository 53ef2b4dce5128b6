"""Measured impulse responses of rooms and small loudspeakers, made ready to sing into."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.errors import DataError
from banso.eval.stems import run_ffmpeg
from banso.filetree import files_below

_SAMPLE_RATE = 44_100
_LONGEST_SECONDS = 1.5
_FADE_SECONDS = 0.2
_SUFFIXES = (".wav", ".flac")

Array = NDArray[np.float32]


@lru_cache(maxsize=2)
def load_rooms(folder: Path) -> tuple[Array, ...]:
    """Read all impulse responses below a folder.

    Args:
        folder: Of audio files, at any depth; of several channels the first is taken, which in
            Ambisonics is the one without direction.

    Returns:
        Responses [samples] at 44.1 kHz that begin with their direct sound at a peak of 1, at most
        1.5 s long. Silent files are left out.

    Raises:
        DataError: If there is none.
        AudioError: If ffmpeg is missing or cannot read one.
    """
    responses = []
    for path in files_below(folder, _SUFFIXES):
        response = _from_direct_sound(_first_channel(path))
        if response is not None:
            responses.append(response)
    if not responses:
        raise DataError(f"no impulse responses below {folder}; expected .wav or .flac files there")
    return tuple(responses)


def _first_channel(path: Path) -> Array:
    """Decode by ffmpeg: responses of loudspeakers are shorter than recordings may be."""
    form = ["-af", "pan=mono|c0=c0", "-ar", str(_SAMPLE_RATE), "-f", "f32le", "pipe:1"]
    return np.frombuffer(run_ffmpeg(["-i", str(path), *form]), "<f4").astype(np.float32)


def _from_direct_sound(response: Array) -> Array | None:
    direct = int(np.argmax(np.abs(response))) if len(response) else 0
    peak = float(response[direct]) if len(response) else 0.0
    if abs(peak) < 1e-4:
        return None
    longest = round(_LONGEST_SECONDS * _SAMPLE_RATE)
    cut = response[direct : direct + longest] / peak
    if len(response) - direct > longest:
        fade = round(_FADE_SECONDS * _SAMPLE_RATE)
        cut[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.asarray(cut, np.float32)
