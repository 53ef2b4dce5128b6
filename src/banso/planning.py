"""One consistent lead sheet from framewise answers about beats and chords.

Beats by dynamic programming around one tempo, bars by the phase that the downbeats fit best,
chords by a Viterbi search that would rather change at bar lines than between them.

References:
    Ellis 2007, "Beat tracking by dynamic programming", JNMR 36(1), equation 5. Viterbi 1967.
    Davies and Plumbley 2007, "Context-dependent beat tracking of musical audio", IEEE TASLP 15(3)
    (comb over multiples of the period).
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from banso.chords import PITCH_CLASS_NAMES
from banso.leadsheet import ChordSpan, LeadSheet

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

_FINER = 4  # beats are placed on a grid four times finer than the latents' frames
_SLOWEST_BPM, _FASTEST_BPM = 50.0, 190.0
NUM_TEMPI = 56  # a twenty-eighth of an octave each: 2.5 %
_TYPICAL_BPM, _TEMPO_OCTAVES = 78.0, 0.36  # log-normal prior: the training songs' tempi
_TIGHTNESS = 300.0  # of the tempo; bands keep time better than singers
# Below this confidence the beats are withheld. On 24 held-out voices the one whose beats were right
# (F1 0.92) measured 1.36, all others (F1 0.15 to 0.39) at most 1.30.
_SURE_OF_BEATS = 1.33
# What a chord change costs (nats) on the first beat of a bar, on the middle one, on the others.
_CHANGE_COSTS = (0.5, 1.5, 4.0)


@dataclass(frozen=True, slots=True)
class PlanAnswers:
    """What the planner network says of a song.

    Attributes:
        beat: Probability of a beat in each latent frame [frames].
        downbeat: Probability of a bar's first beat [frames].
        chord: Log-probability of C to B major, then C to B minor, then none [frames / 4, 25].
    """

    beat: Array
    downbeat: Array
    chord: Array


class Planner(Protocol):
    """Hears beats and chords in a voice."""

    def answer(self, vocal: Array) -> PlanAnswers:
        """Answer for the vocal group of a song's conditioning [frames, 84]."""
        ...


def make_plan(answers: PlanAnswers, frame_rate: float, duration_seconds: float) -> LeadSheet:
    """Make the lead sheet that fits framewise answers best.

    Args:
        answers: Of the planner for the whole song.
        frame_rate: Latent frames per second.
        duration_seconds: Length of the song; the plan ends there.

    Returns:
        One chord span after the other up to the end, and beats and downbeats if the network is
        sure of them: a band on a wrong grid fits worse than one that follows the sung onsets.
    """
    frames = min(len(answers.beat), int(np.ceil(duration_seconds * frame_rate)))
    beats = track_beats(answers.beat[:frames], frame_rate)
    beats = beats[beats < duration_seconds]
    if len(beats) < 2:
        borders = np.append(np.arange(0, duration_seconds, 2.0), duration_seconds)
        costs = np.zeros(len(borders) - 1)
        return LeadSheet(chords=_chords(answers.chord, borders, costs, frame_rate))
    first, meter = _bars(answers.downbeat, beats, frame_rate)
    position = (np.arange(len(beats)) - first) % meter
    costs = np.select([position == 0, position * 2 == meter], _CHANGE_COSTS[:2], _CHANGE_COSTS[2])
    # What is sung before the first beat belongs to its chord.
    borders = np.concatenate([[0.0], beats[1:], [duration_seconds]])
    chords = _chords(answers.chord, borders, costs, frame_rate)
    if beat_confidence(answers.beat[:frames], beats, frame_rate) < _SURE_OF_BEATS:
        return LeadSheet(chords=chords)
    return LeadSheet(
        beats=tuple(beats.tolist()),
        downbeats=tuple(beats[position == 0].tolist()),
        chords=chords,
    )


def tempo_bins_bpm() -> Floats:
    """Tempi [NUM_TEMPI] between which the planner decides, evenly spaced on a log scale."""
    return _SLOWEST_BPM * 4.0 ** ((np.arange(NUM_TEMPI) + 0.5) / NUM_TEMPI)


def beat_confidence(probability: Array, beats: Floats, frame_rate: float) -> float:
    """How far the answers at the beats stand above all answers, in their standard deviations.

    Args:
        probability: Of a beat in each frame [frames].
        beats: Seconds, each within the song.
        frame_rate: Frames per second.
    """
    log = np.log(probability + 1e-3)
    frames = np.clip((beats * frame_rate).astype(np.int64), 0, len(log) - 1)
    return float((log[frames].mean() - log.mean()) / (log.std() + 1e-6))


def track_beats(probability: Array, frame_rate: float) -> Floats:
    """Place beats at one nearly constant tempo where they are most likely.

    Args:
        probability: Of a beat in each frame [frames].
        frame_rate: Frames per second.

    Returns:
        Beats in seconds, increasing; carried on through silence. Empty for a very short song.
    """
    rate = frame_rate * _FINER
    steps = np.arange(len(probability) * _FINER)
    # A frame's answer stands for its middle.
    fine = np.interp((steps + 0.5) / _FINER - 0.5, np.arange(len(probability)), probability)
    period = _period(fine, rate)
    if len(fine) < 2 * period:
        return np.zeros(0)
    # Nothing heard must weigh nothing, or beats would crowd where the network is undecided.
    strength = (fine - np.median(fine)) / (fine.std() + 1e-3)
    reach = np.arange(round(2 * period), int(period / 2) - 1, -1)
    penalty = -_TIGHTNESS * np.log(reach / period) ** 2
    total, previous = strength.copy(), np.full(len(fine), -1)
    for step in range(int(period / 2), len(fine)):
        options = penalty[step - reach >= 0] + total[step - reach[step - reach >= 0]]
        best = int(options.argmax())
        if options[best] > -0.5 * strength.max() or step >= 2 * period:
            total[step] = strength[step] + options[best]
            previous[step] = step - reach[step - reach >= 0][best]
    tail = len(fine) - round(period)
    path = [tail + int(total[tail:].argmax())]
    while previous[path[-1]] >= 0:
        path.append(previous[path[-1]])
    return (np.array(path[::-1]) + 0.5) / rate


def _period(fine: Floats, rate: float) -> float:
    """Steps between beats: the lag whose multiples correlate best, weighed by a tempo prior."""
    centred = fine - fine.mean()
    size = 1 << (2 * len(fine) - 1).bit_length()
    correlation = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2)[: len(fine)]
    correlation /= np.arange(len(fine), 0, -1)  # longer lags have fewer pairs
    bpm = np.exp(np.linspace(np.log(_SLOWEST_BPM), np.log(_FASTEST_BPM), 600))
    lags = 60 / bpm * rate
    multiples = lags[:, None] * np.array([1, 2, 3, 4])
    usable = multiples < len(fine) * 0.8
    comb = np.where(usable, np.interp(multiples, np.arange(len(fine)), correlation), 0.0)
    score = comb.sum(axis=1) / np.maximum(usable.sum(axis=1), 1)
    prior = np.exp(-0.5 * (np.log2(bpm / _TYPICAL_BPM) / _TEMPO_OCTAVES) ** 2)
    return float(lags[np.argmax(np.maximum(score, 1e-9) * prior)])


def _bars(downbeat: Array, beats: Floats, frame_rate: float) -> tuple[int, int]:
    """Which beat is the first downbeat, and how many beats make a bar (4, or 3 if clearly)."""
    frames = np.clip((beats * frame_rate).astype(np.int64), 0, len(downbeat) - 1)
    near = np.stack([np.clip(frames + d, 0, len(downbeat) - 1) for d in (-1, 0, 1)])
    score = downbeat[near].max(axis=0)
    best = {}
    for meter in (4, 3):
        means = [float(score[first::meter].mean()) for first in range(min(meter, len(score)))]
        best[meter] = (max(means), int(np.argmax(means)))
    # Triple time is rare in popular songs; it must explain the downbeats clearly better.
    meter = 3 if best[3][0] > 1.3 * best[4][0] else 4
    return best[meter][1], meter


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
