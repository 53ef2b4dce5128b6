"""The plan of a song: what a user fixed, obeyed exactly, and the rest estimated around it.

In order: notes, beats (`banso.pulse`; chords help to choose among readings, `banso.readings`), key,
chords (`banso.harmony`). Each step takes what the user gave for it as it is; later steps see the
result of earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from banso.beat_grid import BeatGrid
from banso.chord_network import ChordNetwork, melody_grid
from banso.chords import Chord, parse_chord
from banso.errors import ConfigError
from banso.harmony import (
    Choice,
    Harmony,
    chord_key_scores,
    harmonise,
    key_name,
    key_scores,
    load_table,
)
from banso.inversions import with_inversions
from banso.keyed_network import KeyedNetwork
from banso.leadsheet import ChordSpan, LeadSheet, SungNote
from banso.measures import Measures, covering, measures_of
from banso.notes import sung_notes
from banso.onsets import SungEvents, find_events
from banso.progression import lay_out
from banso.pulse import FASTEST_BPM, SLOWEST_BPM, SURE_OF_BEATS, Pulse, find_pulses, pulse_at
from banso.readings import Reading, ranked, together
from banso.wishes import Wishes

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Where a user's chords leave less than this open, nothing is put in.
_LEAST_GAP_SECONDS = 0.25
# How much each kind of chord network counts; tuned on the validation songs.
_HEARD_SHARE, _KEYED_SHARE = 0.3, 1.0
# Readings of the beats whose chords are compared.
_NUM_READINGS = 4
# Beats that are nowhere further than this from a steady tempo are written as one.
_STEADY_SECONDS = 0.004


@dataclass(frozen=True, kw_only=True, slots=True)
class ChordChoices:
    """A chord of the plan and what else would fit.

    Attributes:
        start_seconds: Where it begins.
        end_seconds: Where it ends.
        choices: Likeliest chords there, best first.
    """

    start_seconds: float
    end_seconds: float
    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SongPlan:
    """All that is known of a song.

    Attributes:
        sheet: Beats, bars, chords, key and sung notes; beats even if they are uncertain.
        tempo_bpm: Median tempo; None if too little is sung to tell.
        tempo_confidence: Probability that the beats are right, 0 to 1; 1 if they were given.
        tempo_alternatives_bpm: Other tempi, most likely first; half and double among them.
        chord_choices: For every half bar, chords that fit.
        beats_are_fixed: Whether the user gave the beats, or chords that need them.
        voice_fits_beats: Whether a band on these beats is in time with the voice, though they may
            be its off-beats.
    """

    sheet: LeadSheet
    tempo_bpm: float | None
    tempo_confidence: float
    tempo_alternatives_bpm: tuple[float, ...]
    chord_choices: tuple[ChordChoices, ...]
    beats_are_fixed: bool
    voice_fits_beats: bool

    @property
    def beats_are_a_guess(self) -> bool:
        """Whether other beats are about as likely."""
        return not self.beats_are_fixed and self.tempo_confidence < SURE_OF_BEATS

    @property
    def sure_of_beats(self) -> bool:
        """Whether a band should play on these beats, rather than follow the sung onsets."""
        return self.voice_fits_beats or not self.beats_are_a_guess

    @property
    def obeyed(self) -> LeadSheet:
        """The sheet without beats to which neither confidence nor the voice speaks."""
        return self.sheet if self.sure_of_beats else replace(self.sheet, beats=(), downbeats=())

    def fixed_part(self, wishes: Wishes) -> LeadSheet | None:
        """Return only what the user fixed, and the beats that it needs; None for nothing."""
        if wishes.bpm is None and wishes.chords is None:
            return wishes.lead_sheet
        given = wishes.lead_sheet or LeadSheet()
        chords = self.sheet.chords if wishes.chords is not None else given.chords
        return replace(given, beats=self.sheet.beats, downbeats=self.sheet.downbeats, chords=chords)


def plan_song(
    vocal_features: Array,
    frame_rate: float,
    duration_seconds: float,
    *,
    wishes: Wishes | None = None,
) -> SongPlan:
    """Plan a song.

    Args:
        vocal_features: [frames, features] of `banso.features`.
        frame_rate: Frames per second.
        duration_seconds: Length of the recording; the plan covers it.
        wishes: What is fixed.

    Returns:
        The plan.

    Raises:
        ConfigError: If chords need bars, and nothing in the voice tells of any.
    """
    wishes = wishes or Wishes()
    given = wishes.lead_sheet or LeadSheet()
    notes = sung_notes(vocal_features, frame_rate)
    events = find_events(vocal_features, frame_rate)
    pulses = _pulses(events, duration_seconds, wishes)
    grids = [_grid(pulse, given, duration_seconds, wishes) for pulse in pulses]
    first = measures_of(grids[0], duration_seconds)
    if wishes.chords is not None and len(grids[0].beats) < 2:
        raise ConfigError("too little is sung to tell where bars are; give the tempo (bpm) as well")
    asked = given.chords
    if wishes.chords is not None:
        asked = lay_out(wishes.chords, grids[0], duration_seconds)
    heard = _heard(events, first)
    keys = _key_scores(notes, first, heard, asked, wishes)
    key = int(keys.argmax())
    readings = ranked(
        [
            _reading(notes, pulse, grid, duration_seconds, keys)
            for pulse, grid in zip(pulses, grids, strict=True)
        ]
    )
    pulse, grid, measures = readings[0].pulse, readings[0].grid, readings[0].measures
    if pulse is not pulses[0]:
        heard = _heard(events, measures)
    opinion = _opinion(heard, together(readings), measures)
    fixed = _fixed_chords(asked, measures)
    harmony = harmonise(notes, measures, key, opinion=opinion, fixed=fixed)
    sheet = replace(
        given,
        beats=grid.beats,
        downbeats=grid.downbeats,
        chords=_filled(asked, harmony, measures),
        key=wishes.fixed_key or key_name(key),
        notes=given.notes or notes,
    ).joined()
    chords = with_inversions(sheet.chords, measures.beat_seconds, fixed=frozenset(asked))
    return SongPlan(
        sheet=replace(sheet, chords=chords),
        tempo_bpm=None if pulse is None else pulse.tempo_bpm,
        tempo_confidence=0.0 if pulse is None else pulse.confidence,
        tempo_alternatives_bpm=() if pulse is None else _alternatives(pulse),
        chord_choices=_choices(harmony, measures),
        beats_are_fixed=bool(given.beats) or wishes.bpm is not None or wishes.chords is not None,
        voice_fits_beats=pulse is not None and pulse.fits_onsets,
    )


def _pulses(events: SungEvents, seconds: float, wishes: Wishes) -> Sequence[Pulse | None]:
    """Readings of the beats, the likeliest first; the user's if they are given."""
    sheet = wishes.lead_sheet
    if sheet is not None and len(sheet.beats) > 1:
        bpm = sheet.tempo_bpm or 0.0
        return [Pulse(np.array(sheet.beats), np.array(sheet.downbeats), 1.0, bpm, ())]
    if wishes.bpm is not None:
        # Where the beats are is estimated, how fast they are is not.
        return [replace(pulse_at(events, seconds, wishes.bpm), confidence=1.0)]
    # A progression repeats with the bars, so that there must be one reading of them.
    return find_pulses(events, seconds, 1 if wishes.chords else _NUM_READINGS) or [None]


def _reading(
    notes: Sequence[SungNote], pulse: Pulse | None, grid: LeadSheet, seconds: float, keys: Floats
) -> Reading:
    """What keyed networks make of the notes in the half bars of a grid.

    They read the notes, which are a cleaner melody than the bare events.
    """
    measures = measures_of(grid, seconds)
    rows = [(n.start_seconds, n.end_seconds, n.midi, 1.0) for n in notes]
    melody = SungEvents(*np.array(rows, dtype=np.float64).reshape(-1, 4).T)
    log = KeyedNetwork.shipped().log_probabilities(
        melody, _borders(measures), measures.inside, keys
    )
    return Reading(pulse, grid, measures, log)


def _grid(pulse: Pulse | None, given: LeadSheet, seconds: float, wishes: Wishes) -> LeadSheet:
    """Beats and downbeats for the whole recording."""
    if len(given.beats) > 1:
        return covering(given, seconds)
    if pulse is None:
        return LeadSheet()
    is_down = np.isin(pulse.beats, pulse.downbeats)
    beats = _tidy(pulse.beats, wishes.bpm)
    downs = tuple(beat for beat, down in zip(beats, is_down, strict=True) if down)
    return LeadSheet(beats=beats, downbeats=downs)


def _tidy(beats: Floats, bpm: float | None) -> tuple[float, ...]:
    """Beats that a person can write down: one tempo if they keep to one, else rounded."""
    # A ten-thousandth of a second is finer than anyone hears.
    rounded = tuple(round(float(beat), 4) for beat in beats)
    if len(beats) < 3:
        return rounded
    step, first = np.polyfit(np.arange(len(beats)), beats, 1)
    tempo = round(60 / float(step), 3) if bpm is None else bpm
    steady = BeatGrid(start_seconds=max(0.0, round(float(first), 4)), tempo_bpm=tempo)
    made = steady.beats(len(beats))
    return made if np.abs(np.subtract(made, beats)).max() < _STEADY_SECONDS else rounded


def _alternatives(pulse: Pulse) -> tuple[float, ...]:
    """Other tempi, with half and double the found one unless nobody counts so."""
    octaves = [pulse.tempo_bpm / 2, pulse.tempo_bpm * 2]
    usual = [bpm for bpm in octaves if SLOWEST_BPM / 1.5 <= bpm <= FASTEST_BPM * 1.5]
    new = [bpm for bpm in usual if all(abs(bpm / a - 1) > 0.04 for a in pulse.alternatives_bpm)]
    return (*pulse.alternatives_bpm, *new)


def _heard(events: SungEvents, measures: Measures) -> Floats:
    """What the chord network says of every unit [units, 24]: log-probabilities times seconds."""
    grid = melody_grid(events, _borders(measures))
    log = ChordNetwork.shipped().log_probabilities(grid)
    return np.asarray(log * (measures.ends - measures.starts)[:, None], dtype=np.float64)


def _opinion(heard: Floats, keyed: Floats, measures: Measures) -> Floats:
    """What both kinds of network say of every unit [units, 24], like `_heard`."""
    seconds = (measures.ends - measures.starts)[:, None]
    return np.asarray(_HEARD_SHARE * heard + _KEYED_SHARE * keyed * seconds)


def _borders(measures: Measures) -> Floats:
    """Where units begin and the last one ends [units + 1].

    The first unit is as long as others to a network, though it covers what comes before.
    """
    borders = np.append(measures.starts, measures.ends[-1])
    if len(borders) > 2:
        borders[0] = max(0.0, borders[1] - 2 * measures.beat_seconds)
    return borders


def _fixed_chords(asked: Sequence[ChordSpan], measures: Measures) -> list[Chord | None]:
    """The chord that a user put on most of each unit; None where units are free."""
    fixed: list[Chord | None] = []
    for start, end in zip(measures.starts, measures.ends, strict=True):
        overlaps = [
            (min(span.end_seconds, end) - max(span.start_seconds, start), span) for span in asked
        ]
        longest, span = max(overlaps, key=lambda pair: pair[0], default=(0.0, None))
        chosen = span is not None and longest > (end - start) / 2
        fixed.append(parse_chord(span.label) if chosen and span is not None else None)
    return fixed


def _key_scores(
    notes: Sequence[SungNote],
    measures: Measures,
    heard: Floats,
    asked: Sequence[ChordSpan],
    wishes: Wishes,
) -> Floats:
    """Log-probability of every key [24], up to a constant; of one alone if the user gave it."""
    if wishes.fixed_key is not None:
        chosen = np.arange(24) == _key_number(wishes.fixed_key)
        return np.where(chosen, 0.0, -1e3)
    table = load_table()
    fixed = _fixed_chords(asked, measures)
    scores = key_scores(notes, measures.beat_seconds, table)
    return np.asarray(scores + chord_key_scores(heard, fixed, measures, table))


def _key_number(label: str) -> int:
    chord = parse_chord(label)
    return (chord.root or 0) + 12 * chord.is_minor


def _filled(
    asked: Sequence[ChordSpan], harmony: Harmony, measures: Measures
) -> tuple[ChordSpan, ...]:
    """The user's chords as they are, and the found ones where there are none."""
    spans = list(asked)
    edges = [0.0, *(t for s in asked for t in (s.start_seconds, s.end_seconds))]
    edges.append(float(measures.ends[-1]))
    gaps = list(zip(edges[::2], edges[1::2], strict=True))
    for gap_start, gap_end in gaps:
        if asked and gap_end - gap_start < _LEAST_GAP_SECONDS:
            continue
        for start, end, label in zip(measures.starts, measures.ends, harmony.labels, strict=True):
            first, last = max(float(start), gap_start), min(float(end), gap_end)
            if last - first > 1e-9:
                spans.append(ChordSpan(first, last, label))
    return tuple(sorted(spans, key=lambda span: span.start_seconds))


def _choices(harmony: Harmony, measures: Measures) -> tuple[ChordChoices, ...]:
    return tuple(
        ChordChoices(start_seconds=float(start), end_seconds=float(end), choices=choices)
        for start, end, choices in zip(measures.starts, measures.ends, harmony.choices, strict=True)
    )
