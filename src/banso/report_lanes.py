"""The lead sheet in the picture: a lane of chords, and a grid of beats through the other lanes."""

from typing import Any

from banso.chord_names import key_name_of, name_of
from banso.chords import parse_chord
from banso.leadsheet import LeadSheet

_BEAT_COLOUR, _BAR_COLOUR, _NO_CHORD_COLOUR = "#9ca3af", "#374151", "#e5e7eb"
# More lines than this would be a grey wall: then bars only, then nothing.
_MAX_LINES = 400
# A name needs about so much of the picture's width.
_LETTER_SHARE = 0.0065


def draw_chords(axes: Any, sheet: LeadSheet, seconds: float) -> None:  # noqa: ANN401
    """Draw chords as boxes: one hue for each root around the circle of fifths, minor darker.

    Args:
        axes: Of matplotlib; its time axis is shared with the other lanes.
        sheet: What the band obeyed.
        seconds: Length of the song.
    """
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    key = "" if sheet.key is None else f"\n{key_name_of(sheet.key)}"
    axes.set_ylabel(f"chords{key}", parse_math=False)
    for span in sheet.joined().chords:
        start, end = max(0.0, span.start_seconds), min(seconds, span.end_seconds)
        if end <= start:
            continue
        colour = colour_of(span.label)
        axes.axvspan(start, end, facecolor=colour, edgecolor="white", linewidth=0.8)
        name = name_of(span.label)
        if (end - start) / seconds > _LETTER_SHARE * len(name):
            axes.text(
                (start + end) / 2, 0.5, name, ha="center", va="center", fontsize=8, clip_on=True,
                parse_math=False,
            )  # fmt: skip


def draw_grid(lanes: Any, sheet: LeadSheet, seconds: float) -> None:  # noqa: ANN401
    """Draw beats as thin lines and first beats of bars as stronger ones, through all lanes.

    Args:
        lanes: Axes of matplotlib.
        sheet: What the band obeyed; without beats nothing is drawn.
        seconds: Length of the song.
    """
    downs = {beat for beat in sheet.downbeats if 0 <= beat <= seconds}
    others = [beat for beat in sheet.beats if 0 <= beat <= seconds and beat not in downs]
    for axes in lanes:
        if len(downs) + len(others) <= _MAX_LINES:
            axes.vlines(others, 0, 1, _BEAT_COLOUR, linewidth=0.3, transform=_upright(axes))
        if len(downs) <= _MAX_LINES:
            axes.vlines(sorted(downs), 0, 1, _BAR_COLOUR, linewidth=0.7, transform=_upright(axes))


def colour_of(label: str) -> tuple[float, float, float] | str:
    """Return a light colour for a chord: roots a fifth apart look alike."""
    chord = parse_chord(label)
    if chord.root is None:
        return _NO_CHORD_COLOUR
    hue = chord.root * 7 % 12 / 12
    value = 0.78 if chord.is_minor else 0.95
    return _rgb(hue, 0.35, value)


def _rgb(hue: float, saturation: float, value: float) -> tuple[float, float, float]:
    """HSV to RGB (Smith 1978), all in [0, 1]."""

    def channel(turn: float) -> float:
        place = (hue * 6 + turn) % 6
        return value * (1 - saturation * max(0.0, min(place, 4 - place, 1.0)))

    return channel(5), channel(3), channel(1)


def _upright(axes: Any) -> Any:  # noqa: ANN401
    """Time across, share of the lane's height up."""
    return axes.get_xaxis_transform()
