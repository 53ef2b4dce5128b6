"""Everything the model may know about a song, as one array on the latents' frame grid.

Each group carries a presence flag, so that "not given" differs from "zero"; training drops the
groups one by one, and at inference any but the voice may be absent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso import features
from banso.chords import parse_chord
from banso.errors import ConfigError
from banso.leadsheet import LeadSheet

Array = NDArray[np.float32]

NUM_STYLE_SLOTS = 16
NUM_CHANNELS = 64
PART_NAMES = ("drums", "bass", "harmony", "extra")

# Groups: the flag comes first. Chords hold 12 sounding pitch classes, then 12 for the bass; beats
# sine and cosine of the phase within the beat and within the bar; parts one number for each part
# that is to be written; others the latents of parts that are there already.
VOCAL = slice(0, 1 + features.NUM_FEATURES)
BEATS = slice(VOCAL.stop, VOCAL.stop + 5)
CHORDS = slice(BEATS.stop, BEATS.stop + 25)
STYLE = slice(CHORDS.stop, CHORDS.stop + NUM_STYLE_SLOTS)
KNOWN = slice(STYLE.stop, STYLE.stop + 1 + NUM_CHANNELS)
PARTS = slice(KNOWN.stop, KNOWN.stop + 1 + len(PART_NAMES))
OTHERS = slice(PARTS.stop, PARTS.stop + 1 + NUM_CHANNELS)
NUM_CONDITIONS = OTHERS.stop


@dataclass(frozen=True, slots=True)
class Known:
    """Latents that are already fixed.

    Attributes:
        latents: [frames, channels]; what stands where `mask` is False is ignored.
        mask: [frames], True where the latents are fixed.
    """

    latents: Array
    mask: NDArray[np.bool_]


def assemble(
    vocal_features: Array,
    frame_rate: float,
    *,
    lead_sheet: LeadSheet | None = None,
    style: str | None = None,
    styles: tuple[str, ...] = (),
    parts: Sequence[str] = (),
    others: Array | None = None,
) -> Array:
    """Lay out the conditioning of a song without known latents.

    Args:
        vocal_features: [frames, features] of `banso.features`.
        frame_rate: Latent frames per second.
        lead_sheet: Beats and chords, as far as known.
        style: One of `styles`, or None for any.
        styles: Names the model was trained with, in its order.
        parts: Which of `PART_NAMES` to write; none for the whole band.
        others: Latents [frames, channels] of parts that are there already, to play along with.

    Returns:
        [frames, NUM_CONDITIONS], float32.

    Raises:
        ConfigError: If the style or a part is unknown.
    """
    num_frames = len(vocal_features)
    array = np.zeros((num_frames, NUM_CONDITIONS), dtype=np.float32)
    array[:, VOCAL.start] = 1
    array[:, VOCAL.start + 1 : VOCAL.stop] = vocal_features
    if lead_sheet is not None and len(lead_sheet.beats) > 1:
        array[:, BEATS] = _beat_phases(lead_sheet, num_frames, frame_rate)
    if lead_sheet is not None and lead_sheet.chords:
        array[:, CHORDS] = _chord_tones(lead_sheet, num_frames, frame_rate)
    if style is not None:
        if style not in styles:
            raise ConfigError(f"style '{style}' is unknown; choose one of {', '.join(styles)}")
        array[:, STYLE.start + styles.index(style)] = 1
    if parts:
        array[:, PARTS] = part_row(parts)
    if others is not None:
        array[:, OTHERS.start] = 1
        array[:, OTHERS.start + 1 : OTHERS.stop] = others
    return array


def part_row(parts: Sequence[str]) -> Array:
    """Return the parts group of one frame [5]: presence, then 1 for each part to be written.

    Raises:
        ConfigError: If a part is unknown.
    """
    check_parts(parts)
    return np.array([1, *(part in parts for part in PART_NAMES)], dtype=np.float32)


def check_parts(parts: Sequence[str]) -> None:
    """Raise a ConfigError if a part is unknown."""
    unknown = [part for part in parts if part not in PART_NAMES]
    if unknown:
        raise ConfigError(f"part '{unknown[0]}' is unknown; choose of {', '.join(PART_NAMES)}")


def with_known(conditioning: Array, known: Known) -> Array:
    """Return conditioning [frames, NUM_CONDITIONS] that also holds fixed latents."""
    array = conditioning.copy()
    array[:, KNOWN.start] = known.mask
    array[:, KNOWN.start + 1 : KNOWN.stop] = known.latents * known.mask[:, None]
    return array


def null_conditioning(conditioning: Array) -> Array:
    """What guidance compares with: nothing known but the latents that are already fixed."""
    array = np.zeros_like(conditioning)
    array[..., KNOWN] = conditioning[..., KNOWN]
    return array


def _beat_phases(sheet: LeadSheet, num_frames: int, frame_rate: float) -> Array:
    seconds = (np.arange(num_frames, dtype=np.float64) + 0.5) / frame_rate
    beats = np.asarray(sheet.beats, dtype=np.float64)
    beat = _phase(seconds, beats)
    rows = np.zeros((num_frames, 5), dtype=np.float32)
    inside = (seconds >= beats[0] - (beats[1] - beats[0])) & (
        seconds <= beats[-1] + (beats[-1] - beats[-2])
    )
    rows[:, 0] = 1
    rows[:, 1], rows[:, 2] = np.sin(2 * np.pi * beat), np.cos(2 * np.pi * beat)
    if len(sheet.downbeats) > 1:
        bar = _phase(seconds, np.asarray(sheet.downbeats, dtype=np.float64))
        rows[:, 3], rows[:, 4] = np.sin(2 * np.pi * bar), np.cos(2 * np.pi * bar)
    return np.asarray(rows * inside[:, None])


def _phase(seconds: NDArray[np.float64], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position between marks in cycles, carried on at the outer intervals' pace."""
    first, last = marks[1] - marks[0], marks[-1] - marks[-2]
    before = marks[0] - first * np.arange(64, 0, -1)
    after = marks[-1] + last * np.arange(1, 65)
    grid = np.concatenate([before, marks, after])
    return np.asarray(np.interp(seconds, grid, np.arange(len(grid))) % 1.0)


def _chord_tones(sheet: LeadSheet, num_frames: int, frame_rate: float) -> Array:
    rows = np.zeros((num_frames, 25), dtype=np.float32)
    for span in sheet.chords:
        start, stop = (round(t * frame_rate) for t in (span.start_seconds, span.end_seconds))
        frames = slice(max(0, start), max(0, stop))
        rows[frames, 0] = 1
        chord = parse_chord(span.label)
        for pitch in chord.pitch_classes:
            rows[frames, 1 + pitch] = 1
        if chord.bass is not None:
            rows[frames, 13 + chord.bass] = 1
    return rows
