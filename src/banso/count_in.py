"""Sticks that count a singer in: a bar of clicks before the bar in which the singing begins.

The accompaniment stays as long as the voice and locked to it, so the count needs room in the
recording: it takes the beats that lie before the first sung bar, one bar at most, and the band is
silent until that bar begins. Where there is no room there is no count, and the band plays on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.errors import ConfigError
from banso.leadsheet import LeadSheet
from banso.measures import covering

Samples = NDArray[np.float32]

# Two dry wooden tones with a burst of noise; levels as those of a stick in rendered bands.
_TONES_HZ, _DECAY_SECONDS, _CLICK_SECONDS = (2_150.0, 3_400.0), 0.012, 0.06
_LOUD, _SOFT = 0.35, 0.22
_FADE_SECONDS = 0.01
# A singer may be that early for a bar and still begin with it, in beats.
_EARLY_BEATS = 0.3


@dataclass(frozen=True, slots=True)
class CountIn:
    """When to click, and when the band comes in.

    Attributes:
        clicks: Seconds, in order; the first is the loudest.
        band_seconds: When the band begins; 0 without clicks.
    """

    clicks: tuple[float, ...]
    band_seconds: float


def plan_count_in(sheet: LeadSheet | None, first_sung_seconds: float | None) -> CountIn:
    """Find the beats to click on.

    Args:
        sheet: Beats and bars that the band plays on.
        first_sung_seconds: When the first note begins; None if nothing is sung.

    Returns:
        The count-in, without clicks if there is no room for any.

    Raises:
        ConfigError: If the bars are not known.
    """
    if sheet is None or len(sheet.beats) < 2 or not sheet.downbeats:
        raise ConfigError("a count-in needs to know where bars are; give the tempo (bpm) or a plan")
    if first_sung_seconds is None:
        return CountIn((), 0.0)
    grid = covering(sheet, first_sung_seconds)
    step = grid.beats[1] - grid.beats[0]
    begun = [d for d in grid.downbeats if d <= first_sung_seconds + _EARLY_BEATS * step]
    if not begun:
        return CountIn((), 0.0)
    before = [beat for beat in grid.beats if 0 <= beat < begun[-1]][-sheet.beats_per_bar :]
    return CountIn(tuple(before), begun[-1] if before else 0.0)


def counted_in(
    blocks: Iterable[Samples], count_in: CountIn, sample_rate: int, *, clicks: bool = True
) -> Iterator[Samples]:
    """Yield a band's sound with its count-in.

    Args:
        blocks: The band, [2, samples] each.
        count_in: When to click and when to begin.
        sample_rate: In Hz.
        clicks: Whether to click too; only one of several parts should.

    Yields:
        Blocks of the same sizes.
    """
    first = round(count_in.band_seconds * sample_rate)
    fade = max(1, round(_FADE_SECONDS * sample_rate))
    done = 0
    for block in blocks:
        places = np.arange(done, done + block.shape[1])
        gain = np.clip((places - first + fade) / fade, 0, 1) if first else np.ones(len(places))
        mixed = (block * gain).astype(np.float32)
        if clicks:
            for number, seconds in enumerate(count_in.clicks):
                level = _SOFT if number else _LOUD
                _add(mixed, level * click(sample_rate), round(seconds * sample_rate) - done)
        done += block.shape[1]
        yield mixed


def click(sample_rate: int) -> Samples:
    """Return the sound of two sticks, [samples], peak 1."""
    time = np.arange(round(_CLICK_SECONDS * sample_rate)) / sample_rate
    noise = np.random.default_rng(0).standard_normal(len(time))
    tones = sum(np.sin(2 * np.pi * hz * time) for hz in _TONES_HZ)
    sound = (tones + noise * np.exp(-time / 0.003)) * np.exp(-time / _DECAY_SECONDS)
    return np.asarray(sound / np.abs(sound).max(), dtype=np.float32)


def _add(block: Samples, sound: Samples, place: int) -> None:
    """Add what of a mono sound falls into a block [2, samples], in place."""
    start, stop = max(0, place), min(block.shape[1], place + len(sound))
    if stop > start:
        block[:, start:stop] += sound[start - place : stop - place]
