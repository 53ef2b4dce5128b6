"""Regions of a song to be made anew, and what of the song must be looked at for it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from banso.errors import ConfigError
from banso.listening import FRAME_MULTIPLE

# Shorter ones would be nothing but their own fades.
MIN_REGION_SECONDS = 0.25


@dataclass(frozen=True, order=True, slots=True)
class Region:
    """A stretch of time.

    Attributes:
        start_seconds: From when.
        end_seconds: Until when.

    Raises:
        ConfigError: If it is no stretch of at least a quarter of a second.
    """

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        start, end = self.start_seconds, self.end_seconds
        if not (isfinite(start) and isfinite(end) and start >= 0):
            raise ConfigError(f"region {start}-{end} is no stretch of time; give seconds from 0 on")
        if end - start < MIN_REGION_SECONDS:
            raise ConfigError(
                f"region {start}-{end} is too short; choose at least {MIN_REGION_SECONDS} s"
            )

    def __str__(self) -> str:
        return f"{self.start_seconds:g}-{self.end_seconds:g}"


@dataclass(frozen=True, slots=True)
class Span:
    """A region in samples.

    Attributes:
        start: First sample.
        stop: One past the last.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Frames that are generated in one go, and the spans in them that are to be replaced.

    Attributes:
        first: First frame.
        last: One past the last frame.
        known: Which of them stay as they are [last - first].
        spans: In order.
    """

    first: int
    last: int
    known: NDArray[np.bool_]
    spans: tuple[Span, ...]


def parse_regions(text: str) -> tuple[Region, ...]:
    """Read regions such as `12-18.5` or `3-5,40.25-44`, in seconds.

    Raises:
        ConfigError: If the text is none.
    """
    regions = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*-\s*(\d+(?:\.\d*)?)\s*", piece)
        if match is None:
            raise ConfigError(f"'{piece.strip()}' is no region; write seconds such as 12.0-18.5")
        regions.append(Region(float(match[1]), float(match[2])))
    return tuple(regions)


def spans_of(regions: Iterable[Region], sample_rate: int, num_samples: int) -> tuple[Span, ...]:
    """Return regions in samples, in order; those that touch are joined.

    Raises:
        ConfigError: If there is none, or one does not begin before the song's end.
    """
    spans: list[Span] = []
    for region in sorted(regions):
        start = round(region.start_seconds * sample_rate)
        stop = min(num_samples, round(region.end_seconds * sample_rate))
        if stop - start < MIN_REGION_SECONDS * sample_rate / 2:
            raise ConfigError(
                f"region {region} lies beyond the end, {num_samples / sample_rate:.2f} s; "
                "choose one inside the song"
            )
        if spans and start <= spans[-1].stop:
            spans[-1] = Span(spans[-1].start, max(stop, spans[-1].stop))
        else:
            spans.append(Span(start, stop))
    if not spans:
        raise ConfigError("no region is given; name what to make anew, such as 12.0-18.5")
    return tuple(spans)


def plan_stretches(
    spans: Sequence[Span], samples_per_frame: float, num_frames: int, context_frames: int
) -> tuple[Stretch, ...]:
    """Plan which frames to generate, with known ones on both sides.

    Args:
        spans: What to replace, in order and apart.
        samples_per_frame: Samples of the spans' rate to each frame.
        num_frames: Frames of the song, a multiple of 16.
        context_frames: Known frames on each side, where there are as many.

    Returns:
        Stretches in order and apart, each a multiple of 16 frames.
    """
    stretches: list[Stretch] = []
    for span in spans:
        touched = int(span.start / samples_per_frame), -int(-span.stop // samples_per_frame)
        first = max(0, touched[0] - context_frames) // FRAME_MULTIPLE * FRAME_MULTIPLE
        last = min(num_frames, touched[1] + context_frames)
        last = -(-last // FRAME_MULTIPLE) * FRAME_MULTIPLE
        known = np.ones(last - first, dtype=bool)
        known[touched[0] - first : touched[1] - first] = False
        stretches.append(Stretch(first, last, known, (span,)))
        while len(stretches) > 1 and stretches[-2].last >= stretches[-1].first:
            after = stretches.pop()
            stretches.append(_joined(stretches.pop(), after))
    return tuple(stretches)


def _joined(one: Stretch, other: Stretch) -> Stretch:
    first, last = one.first, max(one.last, other.last)
    known = np.ones(last - first, dtype=bool)
    for stretch in (one, other):
        known[stretch.first - first : stretch.last - first] &= stretch.known
    return Stretch(first, last, known, one.spans + other.spans)
