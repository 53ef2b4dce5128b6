"""One consistent lead sheet from the pulse of a voice and framewise answers about chords.

Beats and bars are those of `banso.pulse`; chords are found by a Viterbi search that would rather
change at bar lines than between them.

References:
    Viterbi 1967, "Error bounds for convolutional codes", IEEE TIT 13(2). Papadopoulos and Peeters
    2011, "Joint estimation of chords and downbeats", IEEE TASLP 19(1) (chords change with bars).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from banso.chords import PITCH_CLASS_NAMES
from banso.leadsheet import ChordSpan, LeadSheet
from banso.pulse import BEATS_PER_BAR, Pulse

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

# Below this confidence of the pulse, its beats are withheld.
SURE_OF_BEATS = 0.25
# What a chord change costs (nats) on the first beat of a bar, on the middle one, on the others.
_CHANGE_COSTS = (0.5, 1.5, 4.0)


@dataclass(frozen=True, slots=True)
class PlanAnswers:
    """What the planner network says of a song.

    Attributes:
        chord: Log-probability of C to B major, then C to B minor, then none [frames / 4, 25].
    """

    chord: Array


class Planner(Protocol):
    """Hears chords in a voice."""

    def answer(self, vocal: Array) -> PlanAnswers:
        """Answer for the vocal group of a song's conditioning [frames, 84]."""
        ...


def make_plan(
    answers: PlanAnswers, frame_rate: float, duration_seconds: float, pulse: Pulse | None
) -> LeadSheet:
    """Make the lead sheet that fits a voice best.

    Args:
        answers: Of the planner for the whole song.
        frame_rate: Latent frames per second.
        duration_seconds: Length of the song; the plan ends there.
        pulse: Its beats and bars, as `banso.pulse.find_pulse` finds them; None if it has none.

    Returns:
        One chord span after the other up to the end, and beats and downbeats if they are sure
        enough: a band on a wrong grid fits worse than one that follows the sung onsets.
    """
    if pulse is None or len(pulse.beats) < 2:
        borders = np.append(np.arange(0, duration_seconds, 2.0), duration_seconds)
        costs = np.zeros(len(borders) - 1)
        return LeadSheet(chords=_chords(answers.chord, borders, costs, frame_rate))
    beats = pulse.beats
    first = int(np.flatnonzero(np.isin(beats, pulse.downbeats))[0]) if len(pulse.downbeats) else 0
    position = (np.arange(len(beats)) - first) % BEATS_PER_BAR
    middle = position * 2 == BEATS_PER_BAR
    costs = np.select([position == 0, middle], _CHANGE_COSTS[:2], _CHANGE_COSTS[2])
    # What is sung before the first beat belongs to its chord.
    borders = np.concatenate([[0.0], beats[1:], [duration_seconds]])
    chords = _chords(answers.chord, borders, costs, frame_rate)
    if pulse.confidence < SURE_OF_BEATS:
        return LeadSheet(chords=chords)
    return LeadSheet(
        beats=tuple(beats.tolist()),
        downbeats=tuple(pulse.downbeats.tolist()),
        chords=chords,
    )


def _chords(
    log_probability: Array, borders: Floats, change_costs: Floats, frame_rate: float
) -> tuple[ChordSpan, ...]:
    """The likeliest chord between each pair of borders, equal neighbours joined."""
    rate = frame_rate / 4
    edges = np.clip(np.rint(borders * rate).astype(np.int64), 0, len(log_probability))
    totals = np.concatenate([np.zeros((1, 24)), np.cumsum(log_probability[:, :24], axis=0)])
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
