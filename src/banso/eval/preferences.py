"""Strengths of systems from comparisons in pairs, with intervals over listeners.

References:
    Bradley and Terry 1952, "Rank analysis of incomplete block designs", Biometrika 39(3/4).
    Hunter 2004, "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32(1),
    equation 3 (the update).
    Efron and Tibshirani 1993, "An introduction to the bootstrap", ch. 13 (percentile interval).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.eval.statistics import Interval

Array = NDArray[np.float64]

RESAMPLES = 2_000
# Half a win to either side of every comparison that was made at all: a system that always won
# would be infinitely strong otherwise. It pulls strengths together; less so, the more answers.
_PRIOR_WINS = 0.5
_TOLERANCE = 1e-9
_MOST_STEPS = 5_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What comparisons in pairs say about systems.

    Attributes:
        strengths: Natural log of each system's Bradley-Terry strength, their mean 0; a difference
            of d means that the stronger is preferred with probability 1 / (1 + e^-d).
        over: By system, the probability to be preferred to the system at `against`.
        against: Index of the system that `over` compares with.
        wins: How often the row's system was preferred to the column's [systems, systems]; no
            difference is half a win.
    """

    strengths: tuple[Interval, ...]
    over: tuple[Interval, ...]
    against: int
    wins: Array


def bradley_terry(wins: Array) -> Array:
    """Fit strengths to wins by minorisation-maximisation.

    Args:
        wins: How often the row's system beat the column's [..., systems, systems]; several tables
            are fitted at once.

    Returns:
        Natural log of the strengths [..., systems], mean 0 over systems. Systems that are not
        connected by comparisons are only comparable within their group.
    """
    games = wins + np.swapaxes(wins, -1, -2)
    won = wins.sum(axis=-1)
    strengths = np.ones(won.shape)
    for _ in range(_MOST_STEPS):
        together = strengths[..., :, None] + strengths[..., None, :]
        weights = (games / together).sum(axis=-1)
        updated = np.where(weights > 0, won / np.maximum(weights, 1e-300), strengths)
        logs = np.log(np.maximum(updated, 1e-300))
        updated = np.exp(logs - logs.mean(axis=-1, keepdims=True))
        done = np.abs(np.log(updated / strengths)).max(initial=0.0) < _TOLERANCE
        strengths = updated
        if done:
            break
    return np.asarray(np.log(strengths))


def prefer(wins_by_listener: Sequence[Array], against: int, *, seed: int = 0) -> Preferences:
    """Fit strengths to the answers of listeners, with 95 % intervals by drawing listeners again.

    Args:
        wins_by_listener: One table [systems, systems] per listener, at least one; ties count half.
        against: System that all are compared with.
        seed: Of the 2 000 draws.

    Returns:
        Strengths and probabilities with intervals.
    """
    tables = np.stack([np.asarray(table, dtype=np.float64) for table in wins_by_listener])
    total = tables.sum(axis=0)
    prior = _PRIOR_WINS * ((total + total.T) > 0)
    picks = np.random.default_rng(seed).integers(len(tables), size=(RESAMPLES, len(tables)))
    counts = np.stack([np.bincount(row, minlength=len(tables)) for row in picks])
    drawn = bradley_terry(np.einsum("rl,lij->rij", counts, tables) + prior)
    found = bradley_terry(total + prior)
    return Preferences(
        strengths=_intervals(found, drawn),
        over=_intervals(_preferred(found, against), _preferred(drawn, against)),
        against=against,
        wins=total,
    )


def _preferred(strengths: Array, against: int) -> Array:
    """Probability to be preferred to one system [..., systems] (Bradley and Terry 1952)."""
    return np.asarray(1 / (1 + np.exp(strengths[..., [against]] - strengths)))


def _intervals(found: Array, drawn: Array) -> tuple[Interval, ...]:
    low, high = np.quantile(drawn, (0.025, 0.975), axis=0)
    return tuple(
        Interval(float(f), float(a), float(b)) for f, a, b in zip(found, low, high, strict=True)
    )
