"""Small charts as SVG text: dots with intervals over the single items, nothing to download."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from banso.eval.statistics import Interval

_WIDTH, _LEFT, _RIGHT = 720, 150, 20
_LINE_HEIGHT, _TOP, _BOTTOM = 26, 8, 26
_TICKS = 5


def interval_chart(
    intervals: Mapping[str, Interval],
    items: Mapping[str, Sequence[float]] | None = None,
    *,
    limits: tuple[float, float] | None = None,
) -> str:
    """Draw one line for each row: single items as faint marks, mean and interval over them.

    Args:
        intervals: Mean and interval by row.
        items: Values of single items by row.
        limits: Ends of the axis; None for what the values need.

    Returns:
        One `<svg>` element; empty if nothing is known.
    """
    known = {row: value for row, value in intervals.items() if np.isfinite(value.estimate)}
    if not known:
        return ""
    low, high = limits or _limits(known, items or {})
    height = _TOP + _LINE_HEIGHT * len(known) + _BOTTOM

    def x(value: float) -> float:
        inner = _WIDTH - _LEFT - _RIGHT
        return _LEFT + inner * float(np.clip((value - low) / (high - low), 0, 1))

    parts = [_axis(low, high, height, x(low), x(high))]
    for index, (row, value) in enumerate(known.items()):
        y = _TOP + _LINE_HEIGHT * (index + 0.5)
        parts.append(f'<text class="row" x="{_LEFT - 10}" y="{y + 4:.0f}">{escape(row)}</text>')
        for item in (items or {}).get(row, ()):
            if np.isfinite(item):
                parts.append(f'<circle class="item" cx="{x(item):.1f}" cy="{y:.1f}" r="3"/>')
        ends = (value.low, value.high)
        if np.isfinite(ends).all():
            start, stop = (x(end) for end in ends)
            parts.append(
                f'<line class="interval" x1="{start:.1f}" x2="{stop:.1f}" '
                f'y1="{y:.1f}" y2="{y:.1f}"/>'
            )
        text = escape(f"{row}: {value.estimate:.3f} [{value.low:.3f}, {value.high:.3f}]")
        parts.append(
            f'<circle class="mean" cx="{x(value.estimate):.1f}" cy="{y:.1f}" r="5">'
            f"<title>{text}</title></circle>"
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        + "".join(parts)
        + "</svg>"
    )


def _limits(
    intervals: Mapping[str, Interval], items: Mapping[str, Sequence[float]]
) -> tuple[float, float]:
    values = [end for v in intervals.values() for end in (v.estimate, v.low, v.high)]
    values += [item for row in intervals for item in items.get(row, ())]
    finite = [value for value in values if np.isfinite(value)]
    low, high = min(0.0, *finite), max(finite)
    return (low, high) if high > low else (low, low + 1.0)


def _axis(low: float, high: float, height: int, left: float, right: float) -> str:
    parts = []
    for step in range(_TICKS + 1):
        value = low + (high - low) * step / _TICKS
        x = left + (right - left) * step / _TICKS
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - _BOTTOM + 4}"/>'
            f'<text class="tick" x="{x:.1f}" y="{height - 6}">{value:.3g}</text>'
        )
    return "".join(parts)
