"""Inversions: where the bass of a short chord leads from one root to the next."""

from collections.abc import Collection, Sequence

from banso.chords import parse_chord
from banso.leadsheet import ChordSpan

# Degree in the bass of a passing chord, by whether it is minor, and by how far its root lies above
# the last chord's and the next one's above its own. Of all such passages in POP909's training
# songs (at least 20 each), these have that inversion more often than the root in the bass.
_PASSAGES = {
    (True, 4, 8): "b7",
    (True, 4, 6): "b7",
    (True, 11, 8): "b3",
    (True, 6, 8): "b3",
    (False, 3, 6): "5",
    (False, 10, 6): "3",
}
# Beats; longer chords stand by themselves.
_LONGEST_BEATS = 2.2


def with_inversions(
    spans: Sequence[ChordSpan], beat_seconds: float, fixed: Collection[ChordSpan] = ()
) -> tuple[ChordSpan, ...]:
    """Return chords with inversions where songs usually have them.

    Args:
        spans: Chords in order, neighbours of one name joined.
        beat_seconds: Usual length of a beat.
        fixed: Chords that must stay as they are.
    """
    chords = [parse_chord(span.label) for span in spans]
    changed = list(spans)
    for place in range(1, len(spans) - 1):
        span, (before, own, after) = spans[place], chords[place - 1 : place + 2]
        short = span.end_seconds - span.start_seconds <= _LONGEST_BEATS * beat_seconds
        if before.root is None or own.root is None or after.root is None:
            continue
        steps = ((own.root - before.root) % 12, (after.root - own.root) % 12)
        degree = _PASSAGES.get((own.is_minor, *steps))
        if short and degree is not None and "/" not in span.label and span not in fixed:
            label = f"{span.label}/{degree}"
            changed[place] = ChordSpan(span.start_seconds, span.end_seconds, label)
    return tuple(changed)
