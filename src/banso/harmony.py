"""Chords and key that fit a sung melody: a Viterbi search over chord states.

States are eight kinds of chord on twelve roots, seen from the key's tonic. What speaks for a state:
the notes of its half bar and of those around it, and how chords follow each other, both learned
from the scores of the training songs (`scripts/learn_harmony.py`); and what `banso.chord_network`
hears. Half bars with like melodies lend each other their evidence. A chord that has lasted two bars
is left as readily as in those songs, so that the band moves on where hardly anything is sung.

References:
    Simon, Morris and Basu 2008, "MySong: automatic accompaniment generation for vocal melodies",
    CHI (Viterbi over chords given melody and chord transitions). Krumhansl 1990, "Cognitive
    foundations of musical pitch", and Albrecht and Shanahan 2013, Music Perception 31(1) (key
    profiles). Berger et al. 1996, "A maximum entropy approach to
    natural language processing" (log-linear model of a state given what is seen).
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.chord_path import Moves, best_path, state_beliefs
from banso.chords import PITCH_CLASS_NAMES, Chord, parse_chord
from banso.leadsheet import SungNote
from banso.measures import Measures
from banso.table_files import read_table
from banso.tonic import DEGREE_SHARES, drifting_key_scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KINDS = ("maj", "min", "7", "min7", "maj7", "sus4", "sus2", "dim")
NUM_STATES = 12 * len(KINDS)
# Pitch classes of: this half bar, the last, the next, two before, two after, its first note; song.
NUM_VIEWS = 7
# Pitch classes of a song's notes by length, of phrase ends, of long notes, by count; its last note.
NUM_KEY_VIEWS = 5
_MINOR = np.isin(np.arange(NUM_STATES) // 12, [KINDS.index(k) for k in ("min", "min7", "dim")])
_FREE = np.isin(np.arange(NUM_STATES) // 12, [KINDS.index(k) for k in ("sus4", "sus2")])
# Log-frequency below which a state counts as no rarer.
_RAREST = np.log(0.003)
# Cosine of the melodies of five half bars above which they count as alike.
_ALIKE = 0.85
# Nats that a half bar's chord counts in the choice of a key: given, or heard by the network.
_FIXED_KEY_WEIGHT, _HEARD_KEY_WEIGHT = 0.4, 0.2
# How much three looks at the melody count in the choice of a key: statistics of the training songs,
# a profile from many kinds of music (real sight-singing is less pentatonic than those songs), and
# the path of a drifting tonic. Round numbers: a coarse grid over 74 held-out songs and the takes of
# ssvd hardly tells them apart. A song of minutes has more half bars but no more keys, so that
# beyond forty their chords count no further.
_LEARNED_WEIGHT, _PROFILE_WEIGHT, _DRIFT_WEIGHT = 0.5, 5.0, 1.0
_MOST_UNITS = 40
_PROFILES = np.log(DEGREE_SHARES)
_TRIAD = np.arange(NUM_STATES) % 12 + 12 * _MINOR


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HarmonyTable:
    """What was learned from scores; the first axis is major or minor, states are from the tonic.

    Attributes:
        melody: Weights of views of the melody, and of a constant [2, 7 * 12 + 1, 96].
        prior: Log-probability of a state [2, 96].
        transition: Log-probability of the next other state [2, 96, 96].
        change: Log-probability of staying and of changing, at bar lines and between [2, 2, 2].
        change_late: The same of roots that have lasted two bars or longer [2, 2].
        key: Weights of views of the song's notes [2, 5 * 12].
        key_bias: Of either mode [2].
    """

    melody: Floats
    prior: Floats
    transition: Floats
    change: Floats
    change_late: Floats
    key: Floats
    key_bias: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class HarmonyWeights:
    """How much each kind of evidence counts; tuned on the validation songs.

    Attributes:
        melody: Of the notes.
        prior: How much of a chord's frequency is taken out of what the notes say.
        progression: Of what usually follows what.
        duration: Of how long roots usually last, once they have lasted two bars.
        repetition: Of half bars with a like melody.
        network: Of the chord network's log-probabilities, per second.
    """

    melody: float = 0.5
    prior: float = 0.5
    progression: float = 0.3
    duration: float = 1.3
    repetition: float = 0.3
    network: float = 1.2


@dataclass(frozen=True, slots=True)
class Choice:
    """A chord and how likely it is, all evidence considered."""

    label: str
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Harmony:
    """Chords of all units.

    Attributes:
        labels: MIREX label of each unit, by the best path.
        choices: Likeliest chords of each unit, best first.
    """

    labels: tuple[str, ...]
    choices: tuple[tuple[Choice, ...], ...]


@functools.cache
def load_table() -> HarmonyTable:
    """Read the table inside the package."""
    arrays = read_table("harmony.npz")
    return HarmonyTable(**{name: value.astype(np.float64) for name, value in arrays.items()})


def key_views(notes: Sequence[SungNote], beat_seconds: float) -> Floats:
    """Return views of a song's notes [5, 12], each summing to 1 (0 if there are none)."""
    views = np.zeros((NUM_KEY_VIEWS, 12))
    for index, note in enumerate(notes):
        pitch = round(note.midi) % 12
        beats = (note.end_seconds - note.start_seconds) / beat_seconds
        views[0, pitch] += beats
        views[3, pitch] += 1
        is_last = index + 1 == len(notes)
        if is_last or notes[index + 1].start_seconds - note.end_seconds > 0.75 * beat_seconds:
            views[1, pitch] += 1
        if beats > 1.5:
            views[2, pitch] += beats
        views[4, pitch] = is_last
    return np.asarray(views / np.maximum(views.sum(axis=1, keepdims=True), 1e-9))


def key_scores(notes: Sequence[SungNote], beat_seconds: float, table: HarmonyTable) -> Floats:
    """Return the log-probability of every key [24]: C to B major, then C to B minor."""
    views = key_views(notes, beat_seconds)
    turned = np.stack([np.roll(views, -tonic, axis=1).ravel() for tonic in range(12)])
    scores = _LEARNED_WEIGHT * (turned @ table.key.T + table.key_bias).T.ravel()
    scores += _PROFILE_WEIGHT * (turned[:, :12] @ _PROFILES.T).T.ravel()
    scores += _DRIFT_WEIGHT * drifting_key_scores(notes)
    return np.asarray(scores - np.logaddexp.reduce(scores))


def chord_key_scores(
    opinion: Floats | None, fixed: Sequence[Chord | None], measures: Measures, table: HarmonyTable
) -> Floats:
    """Return how well chords go with every key [24], in nats.

    Args:
        opinion: Of the chord network on triads [units, 24], or None.
        fixed: Chords that are given, or None, for each unit; they count in place of opinions.
        measures: The units.
        table: What was learned.
    """
    triads = np.zeros(24)
    heard_weight = _HEARD_KEY_WEIGHT * min(1.0, _MOST_UNITS / max(1, len(fixed)))
    for unit, chord in enumerate(fixed):
        if chord is not None and chord.root is not None:
            triads[chord.root + 12 * chord.is_minor] += _FIXED_KEY_WEIGHT
        elif opinion is not None:
            seconds = measures.ends[unit] - measures.starts[unit]
            mean = opinion[unit] / max(seconds, 1e-3)
            triads += heard_weight * np.exp(mean - np.logaddexp.reduce(mean))
    by_triad = np.zeros((2, 24))
    np.add.at(by_triad.T, _TRIAD, np.exp(table.prior).T)
    log = np.log(by_triad)
    profiles, heard = log.reshape(2, 2, 12), triads.reshape(2, 12)
    scores = [
        float((np.roll(profiles[mode], tonic, axis=1) * heard).sum())
        for mode in (0, 1)
        for tonic in range(12)
    ]
    return np.array(scores)


def key_name(key: int) -> str:
    """Return the MIREX label of a key's number, 0 to 23."""
    return f"{PITCH_CLASS_NAMES[key % 12]}:{'min' if key >= 12 else 'maj'}"


def melody_views(notes: Sequence[SungNote], measures: Measures) -> Floats:
    """Return views of the melody around every unit [units, 7, 12]."""
    own = pitch_lengths(notes, measures)
    shares = _root_share(own)
    first = np.zeros_like(own)
    starts = np.array([note.start_seconds for note in notes])
    beat = measures.beat_seconds
    for unit, time in enumerate(measures.starts):
        place = int(np.searchsorted(starts, time + 0.12 * beat, side="right")) - 1
        if place >= 0 and notes[place].end_seconds > time + 0.1 * beat:
            first[unit, round(notes[place].midi) % 12] = 1
    song = np.broadcast_to(_root_share(own.sum(axis=0, keepdims=True)), own.shape)
    around = [_shifted(shares, by) for by in (-1, 1, -2, 2)]
    return np.stack([shares, *around, first, song], axis=1)


def pitch_lengths(notes: Sequence[SungNote], measures: Measures) -> Floats:
    """Return how many beats each pitch class is sung in every unit [units, 12]."""
    lengths = np.zeros((len(measures.starts), 12))
    for note in notes:
        unit = max(0, int(np.searchsorted(measures.starts, note.start_seconds, side="right")) - 1)
        while unit < len(lengths) and measures.starts[unit] < note.end_seconds:
            overlap = min(note.end_seconds, measures.ends[unit])
            overlap -= max(note.start_seconds, measures.starts[unit])
            lengths[unit, round(note.midi) % 12] += max(0.0, overlap) / measures.beat_seconds
            unit += 1
    return lengths


def harmonise(
    notes: Sequence[SungNote],
    measures: Measures,
    key: int,
    *,
    table: HarmonyTable | None = None,
    weights: HarmonyWeights | None = None,
    opinion: Floats | None = None,
    fixed: Sequence[Chord | None] = (),
    num_choices: int = 3,
) -> Harmony:
    """Find the chords that fit a melody best.

    Args:
        notes: The melody; may be empty.
        measures: Where chords may change.
        key: Number of the key, 0 to 23.
        table: What was learned; None takes the one inside the package.
        weights: How much each kind of evidence counts.
        opinion: Log-probability of C to B major, then minor, summed over each unit's seconds
            [units, 24]; None without a network.
        fixed: For each unit the chord that it must have, or None; empty if all are free.
        num_choices: How many alternatives to tell for each unit.

    Returns:
        The chords.
    """
    table, weights = table or load_table(), weights or HarmonyWeights()
    mode, tonic = divmod(key, 12)
    absolute = np.arange(NUM_STATES) // 12 * 12 + (np.arange(NUM_STATES) % 12 + tonic) % 12
    views = np.roll(melody_views(notes, measures), -tonic, axis=2)
    evidence = _melody_evidence(views.reshape(len(views), -1), table, mode, weights)
    if opinion is not None:
        evidence += weights.network * _of_states(opinion)[:, absolute]
    evidence = _shared(evidence, pitch_lengths(notes, measures), measures.inside, weights)
    for unit, chord in enumerate(fixed):
        if chord is not None:
            evidence[unit] = _pinned(chord)[absolute]
    moves = [_moves(table, mode, place, weights) for place in (0, 1)]
    start = weights.progression * table.prior[mode]
    path = best_path(evidence, start, moves, measures.inside)
    beliefs = state_beliefs(evidence, start, moves, measures.inside)
    labels = tuple(state_label(int(absolute[state])) for state in path)
    choices = []
    for belief in beliefs:
        best = np.argsort(-belief, kind="stable")[:num_choices]
        choices.append(tuple(Choice(state_label(int(absolute[s])), float(belief[s])) for s in best))
    return Harmony(labels=labels, choices=tuple(choices))


def state_label(state: int) -> str:
    """Return the MIREX label of a state counted from C."""
    return f"{PITCH_CLASS_NAMES[state % 12]}:{KINDS[state // 12]}"


def _melody_evidence(
    views: Floats, table: HarmonyTable, mode: int, weights: HarmonyWeights
) -> Floats:
    scores = views @ table.melody[mode, :-1] + table.melody[mode, -1]
    scores -= np.logaddexp.reduce(scores, axis=1, keepdims=True)
    # Otherwise the rarest states, of which little is known, would win wherever little is sung.
    usual = np.maximum(table.prior[mode], _RAREST)
    sung = views[:, : 5 * 12].any(axis=1, keepdims=True)
    return np.asarray(weights.melody * sung * (scores - weights.prior * usual))


def _of_states(opinion: Floats) -> Floats:
    """Spread opinions on triads [units, 24] over states [units, 96]; sus chords have no third."""
    both = np.logaddexp(opinion[:, :12], opinion[:, 12:]) - np.log(2)
    return np.where(_FREE, np.tile(both, len(KINDS)), opinion[:, _TRIAD])


def _shared(evidence: Floats, lengths: Floats, inside: Ints, weights: HarmonyWeights) -> Floats:
    """Add the mean evidence of the units around which the melody is alike."""
    views = np.concatenate([_shifted(lengths, by) for by in (-2, -1, 0, 1, 2)], axis=1)
    size = np.linalg.norm(views, axis=1, keepdims=True)
    views = views / np.maximum(size, 1e-9)
    alike = views @ views.T
    alike = np.where((alike > _ALIKE) & (inside[:, None] == inside), alike, 0.0)
    np.fill_diagonal(alike, 0.0)
    mean = alike @ evidence / np.maximum(alike.sum(axis=1, keepdims=True), 1e-9)
    return np.asarray(evidence + weights.repetition * mean)


def _pinned(chord: Chord) -> Floats:
    """Log-evidence [96] that leaves only the states that share the given chord's tones best."""
    tones = set(chord.pitch_classes)
    overlap = np.array([len(tones & s) - 0.5 * len(s - tones) for s in _state_tones()])
    overlap += 0.25 * (np.arange(NUM_STATES) % 12 == (-1 if chord.root is None else chord.root))
    return np.where(overlap >= overlap.max() - 1e-9, 0.0, -1e3) if tones else np.zeros(NUM_STATES)


@functools.cache
def _state_tones() -> tuple[frozenset[int], ...]:
    return tuple(
        frozenset(parse_chord(state_label(state)).pitch_classes) for state in range(NUM_STATES)
    )


def _moves(table: HarmonyTable, mode: int, place: int, weights: HarmonyWeights) -> Moves:
    return Moves.of(
        weights.progression * table.transition[mode],
        weights.progression * table.change[mode, place],
        weights.duration * table.change_late[place],
    )


def _root_share(lengths: Floats) -> Floats:
    total = lengths.sum(axis=1, keepdims=True)
    return np.asarray(np.sqrt(lengths / np.maximum(total, 1e-9)) * (total > 0))


def _shifted(rows: Floats, by: int) -> Floats:
    """Rows that come `by` later, zeros beyond the ends."""
    moved = np.zeros_like(rows)
    if by >= 0:
        moved[: len(rows) - by] = rows[by:]
    else:
        moved[-by:] = rows[:by]
    return moved
