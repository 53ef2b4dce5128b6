"""Lead sheets of every kind, for property tests."""

from itertools import pairwise

from hypothesis import strategies as st

from banso.chords import PITCH_CLASS_NAMES
from banso.leadsheet import ChordSpan, LeadSheet, Section

QUALITIES = (
    "maj", "min", "dim", "aug", "maj7", "min7", "7", "dim7", "hdim7", "minmaj7", "maj6", "min6",
    "9", "maj9", "min9", "11", "min11", "13", "maj13", "min13", "sus2", "sus4", "5", "1",
    "maj(9)", "min(*5)", "(1,5)",
)  # fmt: skip
BASSES = ("", "/3", "/b3", "/5", "/b7", "/7", "/#5", "/9", "/2")
roots = st.sampled_from((*PITCH_CLASS_NAMES, "Db", "D#", "Gb", "B#", "Cb"))
labels = st.one_of(
    st.sampled_from(("N", "X")),
    st.builds("{}:{}{}".format, roots, st.sampled_from(QUALITIES), st.sampled_from(BASSES)),
)
keys = st.none() | st.builds("{}:{}".format, roots, st.sampled_from(("maj", "min")))
names = st.text(st.characters(exclude_categories=("C", "Z")), max_size=12)


@st.composite
def grids(draw):
    """Beats: steady or tapped, with a pickup, with bars of changing length, or without bars."""
    start = draw(st.floats(0, 9, allow_subnormal=False))
    count = draw(st.integers(0, 40))
    if draw(st.booleans()):
        period = 60 / draw(st.floats(30, 300))
        beats = [start + index * period for index in range(count)]
    else:
        steps = draw(st.lists(st.floats(0.05, 3), min_size=count, max_size=count))
        beats = [start + sum(steps[:index]) for index in range(count)]
    downbeats, place = [], draw(st.integers(0, 6))
    while place < count:
        downbeats.append(beats[place])
        place += draw(st.sampled_from((4, 4, 4, 3, 2, 7)))
    return tuple(beats), tuple(downbeats)


@st.composite
def sheets(draw):
    beats, downbeats = draw(grids())
    times = set(draw(st.lists(st.floats(0, 60, allow_subnormal=False), max_size=10)))
    # Most chords change on beats or between them.
    times |= set(draw(st.lists(st.sampled_from(beats), max_size=20)) if beats else ())
    halves = [(a + b) / 2 for a, b in pairwise(beats)]
    times |= set(draw(st.lists(st.sampled_from(halves), max_size=5)) if halves else ())
    ordered = sorted(times)
    ordered = [t for i, t in enumerate(ordered) if i == 0 or t - ordered[i - 1] > 1e-3]
    spans = []
    for start, end in pairwise(ordered):
        if draw(st.integers(0, 5)):
            spans.append(ChordSpan(start, end, draw(labels)))
    sections = {
        draw(st.sampled_from(beats) if beats else st.floats(0, 60)): draw(names.filter(bool))
        for _ in range(draw(st.integers(0, 3)))
    }
    return LeadSheet(
        beats=beats,
        downbeats=downbeats,
        chords=tuple(spans),
        key=draw(keys),
        title=draw(names),
        beat_unit=draw(st.sampled_from((4, 8))),
        sections=tuple(Section(t, n) for t, n in sorted(sections.items())),
    )
