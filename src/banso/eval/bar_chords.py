"""Chords for the bars of a voice, by rule: what the baseline plays.

A Viterbi search over framewise likelihoods that would rather change at bar lines than between them.

References:
    Viterbi 1967, "Error bounds for convolutional codes", IEEE TIT 13(2). Papadopoulos and Peeters
    2011, "Joint estimation of chords and downbeats", IEEE TASLP 19(1) (chords change with bars).
"""

import numpy as np
from numpy.typing import NDArray

from banso.chords import PITCH_CLASS_NAMES
from banso.leadsheet import ChordSpan
from banso.pulse import Pulse

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# What a chord change costs (nats) on the first beat of a bar, on the middle one, on the others.
_CHANGE_COSTS = (0.5, 1.5, 4.0)
# Where there is no pulse, chords may change so often.
_STEP_SECONDS = 2.0


def bar_chords(
    log_likelihood: Array, rate: float, duration_seconds: float, pulse: Pulse | None
) -> tuple[ChordSpan, ...]:
    """Find the chords that fit a voice and its bars best.

    Args:
        log_likelihood: Of C to B major, then C to B minor [frames, 24].
        rate: Of these frames, per second.
        duration_seconds: Length of the song; the chords end there.
        pulse: Its beats and bars, as `banso.pulse.find_pulse` finds them; None if it has none.

    Returns:
        One chord after the other from 0 to the end.
    """
    if pulse is None or len(pulse.beats) < 2:
        borders = np.append(np.arange(0, duration_seconds, _STEP_SECONDS), duration_seconds)
        return _chords(log_likelihood, borders, np.zeros(len(borders) - 1), rate)
    beats = pulse.beats
    first = int(np.flatnonzero(np.isin(beats, pulse.downbeats))[0]) if len(pulse.downbeats) else 0
    position = (np.arange(len(beats)) - first) % pulse.beats_per_bar
    middle = position * 2 == pulse.beats_per_bar
    costs = np.select([position == 0, middle], _CHANGE_COSTS[:2], _CHANGE_COSTS[2])
    # What is sung before the first beat belongs to its chord.
    borders = np.concatenate([[0.0], beats[1:], [duration_seconds]])
    return _chords(log_likelihood, borders, costs, rate)


def _chords(
    log_likelihood: Array, borders: Floats, change_costs: Floats, rate: float
) -> tuple[ChordSpan, ...]:
    """The likeliest chord between each pair of borders, equal neighbours joined."""
    edges = np.clip(np.rint(borders * rate).astype(np.int64), 0, len(log_likelihood))
    totals = np.concatenate([np.zeros((1, 24)), np.cumsum(log_likelihood, axis=0)])
    evidence = totals[edges[1:]] - totals[edges[:-1]]
    states = _viterbi(evidence, change_costs)
    spans: list[ChordSpan] = []
    for index, state in enumerate(states):
        label = PITCH_CLASS_NAMES[state % 12] + (":maj" if state < 12 else ":min")
        start, end = float(borders[index]), float(borders[index + 1])
        if end <= start:
            continue
        if spans and spans[-1].label == label:
            start = spans.pop().start_seconds
        spans.append(ChordSpan(start, end, label))
    return tuple(spans)


def _viterbi(evidence: Floats, change_costs: Floats) -> NDArray[np.int64]:
    """Best sequence of states [steps] under evidence [steps, states] and costs of changing."""
    score, back = evidence[0], np.zeros(evidence.shape, dtype=np.int64)
    for step in range(1, len(evidence)):
        best = int(score.argmax())
        changed = score[best] - change_costs[step]
        stay = score >= changed
        back[step] = np.where(stay, np.arange(evidence.shape[1]), best)
        score = np.where(stay, score, changed) + evidence[step]
    states = np.zeros(len(evidence), dtype=np.int64)
    states[-1] = score.argmax()
    for step in range(len(evidence) - 1, 0, -1):
        states[step - 1] = back[step, states[step]]
    return states
