"""Tempo, beats and bars of a voice, from where its notes begin.

Sung notes begin on the sixteenths of a steady pulse, more or less. A Fourier transform of their
onsets shows which pulses are possible; what it cannot tell is which sixteenth is the beat and which
beat begins the bar. That is told by what notes do at each place of a bar: long notes, leaps and
phrase starts have their places in songs. So every possible pulse folds the notes into one bar, and
a small network that knows songs says how likely each rotation of that bar is.

References:
    Grosche and Müller 2011, "Extracting predominant local pulse information", IEEE TASLP 19(6)
    (Fourier tempogram). Temperley 2007, "Music and Probability", chapter 3 (metre from the
    probability of onsets at metrical positions). Circular convolutions make the network's answer
    turn with its input, as in Esteves et al. 2018, arXiv:1711.06721.
"""

import functools
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from banso.onsets import SungEvents
from banso.pulse_candidates import (
    BEATS_PER_BAR,
    BINS_PER_BEAT,
    FASTEST_BPM,
    NUM_BINS,
    SLOWEST_BPM,
    Candidates,
    find_candidates,
    fold,
    scalars,
)

__all__ = [
    "BEATS_PER_BAR",
    "FASTEST_BPM",
    "SLOWEST_BPM",
    "SURE_OF_BEATS",
    "Pulse",
    "find_pulse",
    "pulse_at",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Below this confidence a band should rather follow the sung onsets than play on the beats.
SURE_OF_BEATS = 0.25
# Pieces in which the tempo may change a little, and how far they overlap.
_PIECE_SECONDS, _HOP_SECONDS = 72.0, 36.0
_LEAST_EVENTS = 12
_TOP_HYPOTHESES = 24
# Nats that it costs two neighbouring pieces to differ by a tenth of a beat, or by 2 % of tempo.
_PHASE_COST, _TEMPO_COST = 1.0, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """The pulse of a voice.

    Attributes:
        beats: Seconds, increasing [beats].
        downbeats: Those of them that begin a bar [bars].
        confidence: Probability that the beats are where they are said to be, 0 to 1.
        tempo_bpm: Median tempo.
        alternatives_bpm: Other tempi that were considered likely, most likely first.
    """

    beats: Floats
    downbeats: Floats
    confidence: float
    tempo_bpm: float
    alternatives_bpm: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Hypothesis:
    """One reading of a piece: period and the time of some downbeat, in seconds; log-probability."""

    period: float
    downbeat: float
    log_probability: float


class PulseTable:
    """The trained network: three circular convolutions, in numpy.

    Args:
        weights: Arrays by name, as `scripts/learn_pulse.py` writes them.
    """

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights

    @classmethod
    def shipped(cls) -> "PulseTable":
        """Load the table inside the package."""
        return _shipped()

    def score(self, candidates: Candidates) -> Array:
        """Logits [candidates, NUM_BINS] of a downbeat at each place, over all pulses together."""
        x = np.concatenate(
            [
                candidates.bars,
                np.repeat(scalars(candidates)[:, None], NUM_BINS, axis=1),
            ],
            axis=2,
        )
        x = _gelu(self._circular(x, "first"))
        for name in ("second", "third"):
            x = x + _gelu(self._circular(x, name))
        return np.asarray(x @ self._weights["out"] + self._weights["out_bias"], np.float32)[..., 0]

    def _circular(self, x: Array, name: str) -> Array:
        """Circular convolution over the second axis; kernels are [width * inputs, outputs]."""
        kernel = self._weights[name]
        width = kernel.shape[0] // x.shape[2]
        shifted = [np.roll(x, width // 2 - step, axis=1) for step in range(width)]
        return np.asarray(np.concatenate(shifted, axis=2) @ kernel + self._weights[f"{name}_bias"])


def find_pulse(
    events: SungEvents, duration_seconds: float, table: PulseTable | None = None
) -> Pulse | None:
    """Find tempo, beats and bars of a voice.

    Args:
        events: Where its notes begin.
        duration_seconds: Length of the recording; beats go on to its end.
        table: What is known of songs; None for the one inside the package.

    Returns:
        The most likely pulse; None if too little is sung to tell.
    """
    table = table or PulseTable.shipped()
    pieces = []
    for start, stop in _pieces(duration_seconds):
        inside = (events.seconds >= start) & (events.seconds < stop)
        if inside.sum() >= _LEAST_EVENTS:
            hypotheses = _hypotheses(_selected(events, inside, start), table, start)
            pieces.append(((start + stop) / 2, hypotheses))
    if not pieces:
        return None
    chosen = _consistent(pieces)
    beats, places = _grid([centre for centre, _ in pieces], chosen, duration_seconds)
    confidence = np.mean(
        [_agreement(options, own) for (_, options), own in zip(pieces, chosen, strict=True)]
    )
    return Pulse(
        beats=beats,
        downbeats=beats[places % BEATS_PER_BAR == 0],
        confidence=float(confidence),
        tempo_bpm=float(60 / np.median([own.period for own in chosen])),
        alternatives_bpm=_alternatives(pieces, chosen),
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
    place, confidence = 0.0, 0.0
    if len(events) > 1:
        turns = np.exp(-2j * np.pi * np.outer([1, 2, 4], events.seconds) / period)
        weight = 0.3 + np.minimum(events.strength, 1.0)
        salience = np.abs(turns @ weight) / weight.sum() @ np.array([0.5, 1.0, 1.0])
        periods = np.array([period])
        candidates = Candidates(periods, np.array([salience]), fold(events, periods))
        logits = (table or PulseTable.shipped()).score(candidates)[0].astype(np.float64)
        share = np.exp(logits - np.logaddexp.reduce(logits))
        near = sum(np.roll(share, step) for step in (-1, 0, 1))
        best = int(near.argmax())
        sides = share[(best + np.array([-1, 1])) % NUM_BINS]
        place = (best + (sides[1] - sides[0]) / max(near[best], 1e-12)) / BINS_PER_BEAT
        confidence = float(near.reshape(BEATS_PER_BAR, -1).sum(axis=0)[best % BINS_PER_BEAT])
    first = np.ceil(-place)
    count = int(np.ceil(duration_seconds / period - (first + place) - 1e-9))
    places = first + np.arange(max(0, count))
    beats = (place + places) * period
    downbeats = beats[places % BEATS_PER_BAR == 0]
    return Pulse(beats, downbeats, min(confidence, 1.0), tempo_bpm, ())


def _hypotheses(events: SungEvents, table: PulseTable, start: float) -> list[_Hypothesis]:
    """The most likely readings of a piece, best first; log-probabilities over all readings.

    The events' seconds count from the piece's start.
    """
    candidates = find_candidates(events)
    logits = table.score(candidates).astype(np.float64)
    log = logits - np.logaddexp.reduce(logits, axis=None)
    # A downbeat between two bins shows in both.
    near = np.logaddexp.reduce([np.roll(log, step, axis=1) for step in (-1, 0, 1)], axis=0)
    best = np.argsort(near, axis=None)[::-1]
    found: list[_Hypothesis] = []
    for row, column in zip(*np.unravel_index(best, near.shape), strict=True):
        weights = np.exp(log[row, (column + np.array([-1, 0, 1])) % NUM_BINS])
        place = column + (weights[2] - weights[0]) / max(weights.sum(), 1e-12)
        period = float(candidates.period[row])
        downbeat = start + place / BINS_PER_BEAT * period
        if all(not _same(own, period, downbeat) for own in found):
            found.append(_Hypothesis(period, float(downbeat), float(near[row, column])))
        if len(found) == _TOP_HYPOTHESES:
            break
    return found


def _same(own: _Hypothesis, period: float, downbeat: float) -> bool:
    if abs(own.period - period) > 1e-6:
        return False
    turn = (own.downbeat - downbeat) / (BEATS_PER_BAR * period)
    return abs((turn + 0.5) % 1.0 - 0.5) * NUM_BINS < 2.5


def _consistent(pieces: list[tuple[float, list[_Hypothesis]]]) -> list[_Hypothesis]:
    """One reading of each piece, such that neighbours agree (Viterbi)."""
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
    return [options[i] for (_, options), i in zip(pieces, reversed(path), strict=True)]


def _mismatch(one: _Hypothesis, other: _Hypothesis, middle: float) -> float:
    """Cost in nats of following one reading by another at a time; bars and tempo should go on."""
    tempo = abs(np.log(one.period / other.period)) / 0.02
    bar = BEATS_PER_BAR * (one.period + other.period) / 2
    places = [(middle - h.downbeat) / (BEATS_PER_BAR * h.period) for h in (one, other)]
    turn = abs((places[0] - places[1] + 0.5) % 1.0 - 0.5) * bar / one.period / 0.1
    return float(_TEMPO_COST * min(tempo, 8.0) + _PHASE_COST * min(turn, 8.0))


def _grid(
    centres: list[float], chosen: list[_Hypothesis], duration_seconds: float
) -> tuple[Floats, NDArray[np.int64]]:
    """Beats in seconds, and which of a bar each is, through the readings of all pieces."""
    anchors, numbers = [], []
    for centre, own in zip(centres, chosen, strict=True):
        place = round((centre - own.downbeat) / own.period)
        anchors.append(own.downbeat + place * own.period)
        numbers.append(place % BEATS_PER_BAR)
    count = np.array(numbers, dtype=np.float64)
    for i in range(1, len(count)):
        period = (chosen[i].period + chosen[i - 1].period) / 2
        steps = (anchors[i] - anchors[i - 1]) / period
        # As many beats as fit, but such that the bar goes on where the next reading has it.
        turn = (numbers[i] - count[i - 1] - steps + BEATS_PER_BAR / 2) % BEATS_PER_BAR
        count[i] = np.rint(count[i - 1] + steps + turn - BEATS_PER_BAR / 2)
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


def _gelu(x: Array) -> Array:
    """Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2 (tanh form)."""
    return np.asarray(0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3))))


@functools.cache
def _shipped() -> PulseTable:
    path = resources.files("banso") / "tables" / "pulse.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return PulseTable({name: arrays[name].astype(np.float32) for name in arrays.files})
