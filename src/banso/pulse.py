"""Tempo, beats and bars of a voice, from where its notes begin.

Sung notes begin on the sixteenths of a steady pulse, more or less. A Fourier transform of their
onsets shows which pulses are possible; what it cannot tell is which sixteenth is the beat and which
beat begins the bar. That is told by what notes do at each place of a bar: long notes, leaps and
phrase starts have their places in songs. So every possible pulse folds the notes into one bar, of
four beats or of three, and a small network that knows songs says how likely each rotation of that
bar is.

References:
    Grosche and Müller 2011, "Extracting predominant local pulse information", IEEE TASLP 19(6)
    (Fourier tempogram). Temperley 2007, "Music and Probability", chapter 3 (metre from the
    probability of onsets at metrical positions).
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso.onsets import SungEvents, beside_grid
from banso.pulse_candidates import (
    BINS_PER_BEAT,
    FASTEST_BPM,
    METERS,
    SLOWEST_BPM,
    Candidates,
    candidates_at,
    find_candidates,
    salience,
)
from banso.pulse_table import PulseTable, near_sums
from banso.steady_pulse import steady_readings

__all__ = [
    "FASTEST_BPM",
    "SLOWEST_BPM",
    "SURE_OF_BEATS",
    "Pulse",
    "PulseTable",
    "beats_per_bar_of",
    "find_pulse",
    "find_pulses",
    "pulse_at",
]

Floats = NDArray[np.float64]

# Below this confidence a band should rather follow the sung onsets than play on the beats, if the
# voice does not keep to them.
SURE_OF_BEATS = 0.25
# Pieces in which the tempo may change a little, and how far they overlap.
_PIECE_SECONDS, _HOP_SECONDS = 72.0, 36.0
_LEAST_EVENTS = 12
# Where no piece has as many, these are enough for a guess.
_FEWEST_EVENTS = 4
# Onsets a second below which a voice is too sparse for a band to clash with it.
_SPARSE = 1.25
_TOP_HYPOTHESES = 24
# Readings of one piece that are followed through the song, for each that is wanted.
_TRIED = 3
# Nats that it costs two neighbouring pieces to differ by a tenth of a beat, or by 2 % of tempo.
_PHASE_COST, _TEMPO_COST = 1.0, 1.0
# Nats by which a tempo that never changes is likelier than others; of 160 songs of POP909 whose
# whole tunes keep to one pulse.
_STEADY_BONUS = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """The pulse of a voice.

    Attributes:
        beats: Seconds, increasing [beats].
        downbeats: Those of them that begin a bar [bars].
        confidence: Probability that the beats are where they are said to be, 0 to 1.
        tempo_bpm: Median tempo.
        alternatives_bpm: Other tempi that were considered likely, most likely first.
        log_probability: Of this reading, next to the others that are found with it, in nats.
        fits_onsets: Whether what is sung keeps to its eighths or sixteenths, whichever of them are
            the beats, or is too little to keep to anything: a band on them is in time with it.
    """

    beats: Floats
    downbeats: Floats
    confidence: float
    tempo_bpm: float
    alternatives_bpm: tuple[float, ...]
    log_probability: float = 0.0
    fits_onsets: bool = True

    @property
    def beats_per_bar(self) -> int:
        """Beats from a downbeat to the next; 4 if there are too few to tell."""
        return beats_per_bar_of(np.isin(self.beats, self.downbeats))


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """One reading of a piece.

    Period and the time of some downbeat in seconds, beats in a bar, log-probability.
    """

    period: float
    downbeat: float
    beats_per_bar: int
    log_probability: float

    @property
    def bar_seconds(self) -> float:
        return self.beats_per_bar * self.period


def beats_per_bar_of(is_down: NDArray[np.bool_]) -> int:
    """Most common number of beats between downbeats, given which beats are; 4 if too few are."""
    steps = np.diff(np.flatnonzero(is_down))
    return int(np.bincount(steps).argmax()) if len(steps) else METERS[0]


def find_pulse(
    events: SungEvents, duration_seconds: float, table: PulseTable | None = None
) -> Pulse | None:
    """Find tempo, beats and bars of a voice: the likeliest of `find_pulses`, None if none is."""
    return next(iter(find_pulses(events, duration_seconds, 1, table)), None)


def find_pulses(
    events: SungEvents, duration_seconds: float, count: int, table: PulseTable | None = None
) -> tuple[Pulse, ...]:
    """Find the likeliest readings of tempo, beats and bars of a voice.

    Args:
        events: Where its notes begin.
        duration_seconds: Length of the recording; beats go on to its end.
        count: How many readings at most.
        table: What is known of songs; None for the one inside the package.

    Returns:
        Readings, the likeliest first; none if too little is sung to tell.
    """
    table = table or PulseTable.shipped()
    pieces, sung = [], []
    for start, stop in _pieces(duration_seconds):
        inside = (events.seconds >= start) & (events.seconds < stop)
        if inside.sum() >= _LEAST_EVENTS:
            hypotheses = _hypotheses(_selected(events, inside, start), table, start)
            pieces.append(((start + stop) / 2, hypotheses))
            sung.append(_selected(events, inside, 0.0))
    if not pieces and len(events) >= _FEWEST_EVENTS:
        pieces.append((duration_seconds / 2, _hypotheses(events, table, 0.0)))
    if not pieces:
        return ()
    # Whatever the surest piece is taken for, the others follow.
    anchor = int(np.argmax([options[0].log_probability for _, options in pieces]))
    paths = [_best_path(pieces, anchor, own) for own in pieces[anchor][1][: _TRIED * count]]
    if len(pieces) > 1:
        paths += _steady_paths(events, sung, [path[0] for path in paths], table)[:count]
    paths.sort(key=lambda path: -path[1])
    return tuple(_pulse_of(events, pieces, *path, duration_seconds) for path in paths[:count])


def _steady_paths(
    events: SungEvents, pieces: list[SungEvents], drifting: list[list[_Hypothesis]],
    table: PulseTable,
) -> list[tuple[list[_Hypothesis], float]]:  # fmt: skip
    """Readings of all pieces, like those of `_best_path`, that keep one tempo and one bar."""
    periods = {float(np.median([own.period for own in path])) for path in drifting}
    return [
        (
            [
                _Hypothesis(reading.period, reading.downbeat, reading.beats_per_bar, log)
                for log in reading.log_probabilities
            ],
            reading.log_probability + _STEADY_BONUS,
        )
        for reading in steady_readings(events, pieces, sorted(periods), table)
    ]


def _pulse_of(
    events: SungEvents, pieces: list[tuple[float, list[_Hypothesis]]],
    chosen: list[_Hypothesis], score: float, duration_seconds: float,
) -> Pulse:  # fmt: skip
    centres = [centre for centre, _ in pieces]
    confidence = np.mean(
        [_agreement(options, own) for (_, options), own in zip(pieces, chosen, strict=True)]
    )
    # The table tells where beats are to a part of a sixteenth only, and less where it doubts.
    keeps, off = beside_grid(events, _grid(centres, chosen, duration_seconds)[0])
    chosen = [replace(own, downbeat=own.downbeat + off) for own in chosen]
    beats, places = _grid(centres, chosen, duration_seconds)
    return Pulse(
        beats=beats,
        downbeats=beats[places % chosen[0].beats_per_bar == 0],
        # The table knows of no song with so few notes.
        confidence=float(confidence) * min(1.0, len(events) / _LEAST_EVENTS) ** 2,
        tempo_bpm=float(60 / np.median([own.period for own in chosen])),
        alternatives_bpm=_alternatives(pieces, chosen),
        log_probability=score,
        fits_onsets=keeps or len(events) < max(_LEAST_EVENTS, _SPARSE * duration_seconds),
    )


def pulse_at(
    events: SungEvents, duration_seconds: float, tempo_bpm: float, table: PulseTable | None = None
) -> Pulse:
    """Find beats and bars of a voice at a tempo that is known.

    Args:
        events: Where its notes begin; without any, the first beat is at 0.
        duration_seconds: Length of the recording; beats go on to its end.
        tempo_bpm: Beats a minute, kept exactly.
        table: As for `find_pulse`.

    Returns:
        The most likely reading, equally spaced; its confidence is the probability that the beats
        are neither early nor late, whichever of them begins the bar.
    """
    period = 60 / tempo_bpm
    place, confidence, beats_per_bar = 0.0, 0.0, METERS[0]
    if len(events) > 1:
        readings = (table or PulseTable.shipped()).log_probabilities(_at(events, period))
        sums = [near_sums(np.exp(log[0])) for log in readings]
        meter = int(np.argmax([near.max() for near in sums]))
        beats_per_bar, near = METERS[meter], sums[meter]
        best = int(near.argmax())
        share = np.exp(readings[meter][0])
        sides = share[(best + np.array([-1, 1])) % len(share)]
        place = (best + (sides[1] - sides[0]) / max(near[best], 1e-12)) / BINS_PER_BEAT
        phases = [own.reshape(-1, BINS_PER_BEAT).sum(axis=0) for own in sums]
        confidence = float(np.sum(phases, axis=0)[best % BINS_PER_BEAT])
        steps = np.arange(np.ceil(duration_seconds / period) + 2) - 1
        place += beside_grid(events, (place + steps) * period)[1] / period
    first = np.ceil(-place)
    count = int(np.ceil(duration_seconds / period - (first + place) - 1e-9))
    places = first + np.arange(max(0, count))
    beats = (place + places) * period
    downbeats = beats[places % beats_per_bar == 0]
    return Pulse(beats, downbeats, min(confidence, 1.0), tempo_bpm, ())


def _at(events: SungEvents, period: float) -> Candidates:
    """The one pulse of a known period."""
    periods = np.array([period])
    return candidates_at(events, periods, salience(events, periods))


def _hypotheses(events: SungEvents, table: PulseTable, start: float) -> list[_Hypothesis]:
    """The most likely readings of a piece, best first; log-probabilities over all readings.

    The events' seconds count from the piece's start.
    """
    candidates = find_candidates(events)
    found: list[_Hypothesis] = []
    for beats_per_bar, log in zip(METERS, table.log_probabilities(candidates), strict=True):
        found += _best_places(candidates.period, log, beats_per_bar, start)
    return sorted(found, key=lambda own: -own.log_probability)


def _best_places(
    periods: Floats, log: Floats, beats_per_bar: int, start: float
) -> list[_Hypothesis]:
    """The most likely readings of one meter, best first."""
    share = np.exp(log)
    near = near_sums(share)
    best = np.argsort(near, axis=None)[::-1]
    found: list[_Hypothesis] = []
    for row, column in zip(*np.unravel_index(best, near.shape), strict=True):
        sides = share[row, (column + np.array([-1, 1])) % share.shape[1]]
        place = column + (sides[1] - sides[0]) / max(near[row, column], 1e-12)
        period = float(periods[row])
        downbeat = float(start + place / BINS_PER_BEAT * period)
        log_near = float(np.log(max(near[row, column], 1e-12)))
        if all(not _same(own, period, downbeat) for own in found):
            found.append(_Hypothesis(period, downbeat, beats_per_bar, log_near))
        if len(found) == _TOP_HYPOTHESES:
            break
    return found


def _same(own: _Hypothesis, period: float, downbeat: float) -> bool:
    if abs(own.period - period) > 1e-6:
        return False
    turn = (own.downbeat - downbeat) / own.bar_seconds
    return abs((turn + 0.5) % 1.0 - 0.5) * own.beats_per_bar * BINS_PER_BEAT < 2.5


def _best_path(
    pieces: list[tuple[float, list[_Hypothesis]]], anchor: int, fixed: _Hypothesis
) -> tuple[list[_Hypothesis], float]:
    """Readings of all pieces that agree best, one of them fixed (Viterbi).

    Returns:
        One for each piece, all of one meter, and their log-probability less what they disagree.
    """
    meter = fixed.beats_per_bar
    pieces = [(at, [h for h in some if h.beats_per_bar == meter]) for at, some in pieces]
    pieces[anchor] = (pieces[anchor][0], [fixed])
    score = np.array([own.log_probability for own in pieces[0][1]])
    back = []
    for (before, old), (after, new) in pairwise(pieces):
        middle = (before + after) / 2
        cost = np.array([[_mismatch(a, b, middle) for b in new] for a in old])
        total = score[:, None] - cost
        back.append(total.argmax(axis=0))
        score = total.max(axis=0) + [own.log_probability for own in new]
    path = [int(score.argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    chosen = [options[i] for (_, options), i in zip(pieces, reversed(path), strict=True)]
    return chosen, float(score.max())


def _mismatch(one: _Hypothesis, other: _Hypothesis, middle: float) -> float:
    """Cost in nats of following one reading by another at a time; bars and tempo should go on."""
    tempo = abs(np.log(one.period / other.period)) / 0.02
    bar = (one.bar_seconds + other.bar_seconds) / 2
    places = [(middle - h.downbeat) / h.bar_seconds for h in (one, other)]
    turn = abs((places[0] - places[1] + 0.5) % 1.0 - 0.5) * bar / one.period / 0.1
    return float(_TEMPO_COST * min(tempo, 8.0) + _PHASE_COST * min(turn, 8.0))


def _grid(
    centres: list[float], chosen: list[_Hypothesis], duration_seconds: float
) -> tuple[Floats, NDArray[np.int64]]:
    """Beats in seconds, and which of a bar each is, through the readings of all pieces."""
    anchors, numbers, meter = [], [], chosen[0].beats_per_bar
    for centre, own in zip(centres, chosen, strict=True):
        place = round((centre - own.downbeat) / own.period)
        anchors.append(own.downbeat + place * own.period)
        numbers.append(place % meter)
    count = np.array(numbers, dtype=np.float64)
    for i in range(1, len(count)):
        period = (chosen[i].period + chosen[i - 1].period) / 2
        steps = (anchors[i] - anchors[i - 1]) / period
        # As many beats as fit, but such that the bar goes on where the next reading has it.
        turn = (numbers[i] - count[i - 1] - steps + meter / 2) % meter
        count[i] = np.rint(count[i - 1] + steps + turn - meter / 2)
    first = count[0] - np.ceil(anchors[0] / chosen[0].period) - 1
    last = count[-1] + np.ceil((duration_seconds - anchors[-1]) / chosen[-1].period) + 1
    places = np.arange(first, last + 1)
    left = anchors[0] + (places - count[0]) * chosen[0].period
    right = anchors[-1] + (places - count[-1]) * chosen[-1].period
    beats = np.interp(places, count, anchors) if len(count) > 1 else left
    beats = np.where(places < count[0], left, np.where(places > count[-1], right, beats))
    inside = (beats >= 0) & (beats < duration_seconds)
    return beats[inside], places[inside].astype(np.int64)


def _agreement(options: list[_Hypothesis], own: _Hypothesis) -> float:
    """Probability that the beats of a reading are right, whichever of them begins the bar."""
    total = 0.0
    for other in options:
        turn = (other.downbeat - own.downbeat) / own.period
        if abs(np.log(other.period / own.period)) < 0.01 and abs((turn + 0.5) % 1 - 0.5) < 0.09:
            total += np.exp(other.log_probability)
    return min(total, 1.0)


def _alternatives(
    pieces: list[tuple[float, list[_Hypothesis]]], chosen: list[_Hypothesis]
) -> tuple[float, ...]:
    """Other tempi in beats per minute, most likely first, at most three."""
    own = np.median([hypothesis.period for hypothesis in chosen])
    mass: dict[int, list[tuple[float, float]]] = {}
    for _, options in pieces:
        for other in options:
            key = round(np.log2(other.period) * 24)
            mass.setdefault(key, []).append((np.exp(other.log_probability), other.period))
    ranked = sorted(mass.values(), key=lambda group: -sum(p for p, _ in group))
    periods = [max(group)[1] for group in ranked]
    return tuple(60 / p for p in periods if abs(np.log(p / own)) > 0.04)[:3]


def _selected(events: SungEvents, inside: NDArray[np.bool_], start: float) -> SungEvents:
    """Events of a piece, in seconds from its start."""
    return SungEvents(
        events.seconds[inside] - start,
        events.end_seconds[inside] - start,
        events.pitch[inside],
        events.strength[inside],
    )


def _pieces(duration_seconds: float) -> list[tuple[float, float]]:
    """Where pieces begin and end; a recording a little longer than one piece is one piece."""
    if duration_seconds <= _PIECE_SECONDS + _HOP_SECONDS:
        return [(0.0, duration_seconds)]
    starts = np.arange(0.0, duration_seconds - _PIECE_SECONDS, _HOP_SECONDS).tolist()
    starts.append(duration_seconds - _PIECE_SECONDS)
    return [(start, start + _PIECE_SECONDS) for start in starts]
