"""Released songs as folders of stems: decode them and add them up to voice and band.

The role is in the file name: a stem whose name holds `VOX` (`VOX LEAD`, `BGVOX 2`, `VOX ECHO`) is
voice, every other stem is band. The faders of the released mix are unknown, so stems are added at
unit gain and each sum is scaled to a peak of -3 dBFS.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banso.errors import AudioError, DataError
from banso.eval.hearing import Array

STEM_RATE = 44100
_PEAK = 10 ** (-3 / 20)
_SUFFIXES = (".m4a", ".wav", ".flac", ".mp3", ".ogg")


@dataclass(frozen=True, slots=True, eq=False)
class StemSong:
    """A song as voice and band on one time line.

    Attributes:
        name: The folder's name.
        vocals: Sum of the voice stems [2, samples] at 44.1 kHz; silent if there are none.
        accompaniment: Sum of all other stems [2, samples].
    """

    name: str
    vocals: Array
    accompaniment: Array


def load_stem_song(
    folder: Path, *, ffmpeg: str = "ffmpeg", voice_words: Sequence[str] = ("VOX",)
) -> StemSong:
    """Decode a folder of stems and add them up by role.

    Args:
        folder: Holds one audio file per stem, all starting at the same sample.
        ffmpeg: Program that decodes them.
        voice_words: A stem is voice if its name holds one of these words, in either case.

    Returns:
        Voice and band of equal length, 44.1 kHz stereo.

    Raises:
        DataError: If there is no stem of the band in the folder.
        AudioError: If ffmpeg is missing or cannot decode a stem.
    """
    files = [p for p in sorted(folder.glob("*")) if p.suffix.lower() in _SUFFIXES]
    voices = [p for p in files if any(word.lower() in p.name.lower() for word in voice_words)]
    band = [p for p in files if p not in voices]
    if not band:
        raise DataError(f"{folder} holds no stems of a band; expected one audio file per stem")
    sums = [_add(voices, ffmpeg), _add(band, ffmpeg)]
    num_samples = max(total.shape[1] for total in sums)
    vocals, accompaniment = (
        np.pad(total, ((0, 0), (0, num_samples - total.shape[1]))) for total in sums
    )
    return StemSong(folder.name, vocals, accompaniment)


def decode_with_ffmpeg(source: Path, *, ffmpeg: str = "ffmpeg") -> Array:
    """Decode any audio file to stereo at 44.1 kHz.

    Args:
        source: The file.
        ffmpeg: The program.

    Returns:
        Waveform [2, samples].

    Raises:
        AudioError: If ffmpeg is missing or fails.
    """
    output = ["-f", "f32le", "-ar", str(STEM_RATE), "-ac", "2", "-"]
    return interleaved(run_ffmpeg(["-i", str(source), *output], ffmpeg=ffmpeg))


def interleaved(data: bytes) -> Array:
    """Read raw 32-bit float stereo into [2, samples]."""
    return np.ascontiguousarray(np.frombuffer(data, dtype="<f4").reshape(-1, 2).T, np.float32)


def run_ffmpeg(arguments: Sequence[str], *, ffmpeg: str = "ffmpeg", data: bytes = b"") -> bytes:
    """Run ffmpeg and return what it writes to its standard output.

    Args:
        arguments: Everything after the program's name.
        ffmpeg: The program.
        data: Fed to its standard input.

    Returns:
        Its standard output.

    Raises:
        AudioError: If ffmpeg is missing or fails.
    """
    command = [ffmpeg, "-nostdin", "-hide_banner", "-v", "error", *arguments]
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise AudioError(
            f"the program '{ffmpeg}' is not there; install ffmpeg (with libopus) to go on"
        ) from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise AudioError(f"ffmpeg failed: {reason[-1]}")
    return done.stdout


def _add(files: Sequence[Path], ffmpeg: str) -> Array:
    """Add stems up, one in memory at a time, and scale the sum's peak to -3 dBFS."""
    total = np.zeros((2, 0), dtype=np.float32)
    for path in files:
        stem = decode_with_ffmpeg(path, ffmpeg=ffmpeg)
        longer = max(total.shape[1], stem.shape[1])
        total = np.pad(total, ((0, 0), (0, longer - total.shape[1])))
        total[:, : stem.shape[1]] += stem
    peak = float(np.abs(total).max(initial=0.0))
    return total * np.float32(_PEAK / peak) if peak > 0 else total
