"""Voice banks: recorded syllables, measured once by WORLD and kept as small arrays.

A bank is a UTAU folder: one recording per syllable or string of syllables, and `oto.ini`, which
says where in it each syllable lies. What is kept of a syllable is its spectral envelope and how
much of it is noise, on the bands of `banso.data.vocoder`, so that it can be sung at any pitch.

References:
    Morise, Yokomori and Ozawa 2016, "WORLD: a vocoder-based high-quality speech synthesis system
    for real-time applications", IEICE Transactions E99-D (7).
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
from numpy.typing import NDArray

from banso.data.vocoder import HOP_LENGTH, band_hz
from banso.errors import DataError
from banso.files import read_audio

SAMPLE_RATE = 44_100
FRAME_LENGTH = 2 * HOP_LENGTH
BANK_SUFFIX = ".bank.npz"

_FRAME_MS = 1000 * FRAME_LENGTH / SAMPLE_RATE
_LOWEST_HZ, _HIGHEST_HZ = 70.0, 700.0
_LONGEST_VOWEL_MS = 450.0
_FLOOR = 1e-7
_LICENCES = {"CC BY 4.0": "CC-BY-4.0", "CC0": "CC0-1.0", "どう使ってもかまいません": "any use"}
_SUFFIXES = (".wav", ".flac")

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OtoEntry:
    """Where a syllable lies in its recording, in milliseconds, as UTAU's `oto.ini` has it.

    Attributes:
        alias: Name of the syllable; in chained banks the vowel before it comes first.
        stem: Name of the recording without its ending.
        offset_ms: Start.
        consonant_ms: From the start to where the vowel may be stretched.
        cutoff_ms: Unused rest at the end, or if negative the length.
        preutterance_ms: From the start to what shall be on the beat.
        overlap_ms: From the start to where the syllable before it has faded.
    """

    alias: str
    stem: str
    offset_ms: float
    consonant_ms: float
    cutoff_ms: float
    preutterance_ms: float
    overlap_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Syllable:
    """One syllable, ready to be sung.

    Attributes:
        alias: Its name, such as `ka`.
        envelope: Amplitude spectrum [frames, bands]; the vowel's power is 1.
        noise: Share of noise in it [frames, bands], 0 to 1.
        onset: Frame that belongs on the beat.
        steady: Frame from which on the vowel may be stretched.
    """

    alias: str
    envelope: Array
    noise: Array
    onset: int
    steady: int


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """A singer's syllables.

    Attributes:
        name: Of the folder or voice.
        licence: As its readme states it.
        attribution: Whom to name.
        pitch: Median pitch of the recordings as a MIDI note.
        syllables: At least one.
    """

    name: str
    licence: str
    attribution: str
    pitch: float
    syllables: tuple[Syllable, ...]


def read_oto(folder: Path) -> list[OtoEntry]:
    """Read `oto.ini`, written in UTF-8 or Shift JIS; rows with missing numbers are skipped.

    Raises:
        DataError: If there is none or nothing in it can be used.
    """
    path = folder / "oto.ini"
    if not path.is_file():
        raise DataError(f"{folder} is no voice bank; it has no oto.ini")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp932", "replace")
    entries = []
    for line in text.splitlines():
        name, _, rest = line.partition("=")
        alias, *numbers = rest.split(",")
        stem = name.strip().rsplit(".", 1)[0]
        try:
            values = [float(number) for number in numbers[:5]]
        except ValueError:
            continue
        if len(values) == 5 and stem:
            entries.append(OtoEntry(alias.strip() or stem, stem, *values))
    if not entries:
        raise DataError(f"{path} names no syllables with five numbers each")
    return entries


def measure_bank(folder: Path, most: int = 120) -> Bank:
    """Measure the syllables of a voice bank; 0.05 s of work for each.

    Args:
        folder: With `oto.ini`, recordings and a readme that states a licence.
        most: Syllables to take, spread over the bank; those that begin a word come first.

    Raises:
        DataError: If there is no licence, or no syllable can be measured.
    """
    licence, about = _licence(folder)
    recordings = {
        path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES
    }
    syllables, pitches = [], []
    for entry in _chosen([e for e in read_oto(folder) if e.stem in recordings], most):
        wave = _mono(recordings[entry.stem])
        cut = _cut(wave, entry)
        if cut is not None:
            piece, onset_ms, steady_ms = cut
            syllable, pitch = measure(entry.alias, piece, onset_ms, steady_ms)
            if syllable is not None:
                syllables.append(syllable)
                pitches.append(pitch)
    if not syllables:
        raise DataError(f"no syllable of {folder} has a voice in it")
    return Bank(folder.name, licence, about, float(np.median(pitches)), tuple(syllables))


def measure(
    alias: str, wave: Array, onset_ms: float, steady_ms: float, sample_rate: int = SAMPLE_RATE
) -> tuple[Syllable | None, float]:
    """Measure one syllable by WORLD.

    Args:
        alias: Its name.
        wave: The syllable alone [samples].
        onset_ms: What belongs on the beat, from its start.
        steady_ms: From where on the vowel may be stretched.
        sample_rate: Hz.

    Returns:
        The syllable, None if its vowel is not voiced, and its pitch as a MIDI note.
    """
    world = _world()
    wide = wave.astype(np.float64)
    f0, times = world.dio(
        wide, sample_rate, f0_floor=_LOWEST_HZ, f0_ceil=_HIGHEST_HZ, frame_period=_FRAME_MS
    )
    f0 = world.stonemask(wide, f0, times, sample_rate)
    steady = round(steady_ms / _FRAME_MS)
    vowel = f0[steady:]
    if len(vowel) < 3 or np.mean(vowel > 0) < 0.5:
        return None, 0.0
    power = world.cheaptrick(wide, f0, times, sample_rate)
    noise = world.d4c(wide, f0, times, sample_rate, fft_size=2 * (power.shape[1] - 1))
    scale = np.sqrt(max(float(power[steady:].mean()), 1e-12))
    envelope = _on_bands(np.sqrt(power) / scale, sample_rate, _FLOOR)
    syllable = Syllable(
        alias, envelope, _on_bands(noise, sample_rate, 1.0), round(onset_ms / _FRAME_MS), steady
    )
    return syllable, float(69 + 12 * np.log2(np.median(vowel[vowel > 0]) / 440))


def save_bank(bank: Bank, path: Path) -> None:
    """Write a bank as arrays and JSON; the file appears complete or not at all."""
    header = {
        "name": bank.name, "licence": bank.licence, "attribution": bank.attribution,
        "pitch": bank.pitch,
        "syllables": [[s.alias, len(s.envelope), s.onset, s.steady] for s in bank.syllables],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            header=np.array(json.dumps(header)),
            envelope=np.log(np.concatenate([s.envelope for s in bank.syllables]) + _FLOOR).astype(
                np.float16
            ),
            noise=np.concatenate([s.noise for s in bank.syllables]).astype(np.float16),
        )
    part.replace(path)


def load_bank(path: Path) -> Bank:
    """Read what `save_bank` wrote.

    Raises:
        DataError: If the file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(str(arrays["header"]))
            envelope = np.exp(arrays["envelope"].astype(np.float32))
            noise = arrays["noise"].astype(np.float32)
        syllables, start = [], 0
        for alias, length, onset, steady in header.pop("syllables"):
            rows = slice(start, start + length)
            syllables.append(Syllable(alias, envelope[rows], noise[rows], onset, steady))
            start += length
        return Bank(**header, syllables=tuple(syllables))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no measured voice bank: {error}") from error


def _chosen(entries: Sequence[OtoEntry], most: int) -> list[OtoEntry]:
    """Different syllables, those that begin a word before those chained to a vowel."""
    by_name: dict[str, OtoEntry] = {}
    for entry in sorted(entries, key=lambda e: (" " in e.alias, not e.alias.startswith("- "))):
        name = entry.alias.rsplit(" ", 1)[-1]
        if name not in ("-", "R", "吸", "息"):
            by_name.setdefault(name, entry)
    chosen = list(by_name.values())
    if len(chosen) <= most:
        return chosen
    return [chosen[int(place)] for place in np.linspace(0, len(chosen) - 1, most)]


def _cut(wave: Array, entry: OtoEntry) -> tuple[Array, float, float] | None:
    """The syllable alone, and where its beat and its vowel lie; None if the numbers are wrong."""
    start = max(0.0, entry.offset_ms)
    skipped = 0.0
    if " " in entry.alias and not entry.alias.startswith("- "):
        # Chained to another vowel: that one ends where the overlap does.
        skipped = float(np.clip(entry.overlap_ms, 0.0, entry.preutterance_ms))
    total = 1000 * len(wave) / SAMPLE_RATE
    end = start - entry.cutoff_ms if entry.cutoff_ms < 0 else total - entry.cutoff_ms
    end = min(end, total, start + entry.consonant_ms + _LONGEST_VOWEL_MS)
    if end - start < entry.consonant_ms + 5 * _FRAME_MS:
        return None
    first, last = (round(ms * SAMPLE_RATE / 1000) for ms in (start + skipped, end))
    return (
        wave[first:last],
        max(0.0, entry.preutterance_ms - skipped),
        max(0.0, entry.consonant_ms - skipped),
    )


def _on_bands(rows: NDArray[np.float64], sample_rate: int, beyond: float) -> Array:
    """From bins to the vocoder's bands; `beyond` is the value above the recording's own range."""
    bins = np.linspace(0, sample_rate / 2, rows.shape[1])
    hz = band_hz(SAMPLE_RATE)
    return np.array([np.interp(hz, bins, row, right=beyond) for row in rows], np.float32)


def _mono(path: Path) -> Array:
    audio = read_audio(path).resampled(SAMPLE_RATE)
    return np.asarray(audio.samples.mean(axis=0), np.float32)


def _licence(folder: Path) -> tuple[str, str]:
    """Licence and whom to name, from the files that state them."""
    texts = []
    for path in sorted(folder.glob("*.txt")) + sorted(folder.glob("LICENSE*")):
        content = path.read_bytes()
        try:
            texts.append(content.decode("utf-8-sig"))
        except UnicodeDecodeError:
            texts.append(content.decode("cp932", "replace"))
    text = "\n".join(texts)
    licence = next((name for words, name in _LICENCES.items() if words in text), None)
    if licence is None:
        known = ", ".join(_LICENCES)
        raise DataError(f"voice bank {folder.name} states no licence that is known ({known})")
    lines = [line.partition("=")[2] for line in text.splitlines() if line.startswith("author=")]
    return licence, lines[0].strip() if lines else f"voice bank {folder.name}"


def _world() -> ModuleType:
    """The WORLD binding, which complains about its own way of finding its version."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyworld
    return cast(ModuleType, pyworld)
