"""Statistics over held-out items: gap closed, intervals, p-values, separation.

All functions take one value per item, paired by position, and leave out the items in which any
value is NaN.

References:
    Efron & Tibshirani 1993, "An introduction to the bootstrap", ch. 13 (percentile interval).
    Good 2005, "Permutation, parametric and bootstrap tests of hypotheses", ch. 3 (paired signs).
    Fawcett 2006, "An introduction to ROC analysis" (area under the curve).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = Sequence[float] | NDArray[np.float64]

_RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % interval."""

    estimate: float
    low: float
    high: float


def gap_closed(true: Values, ours: Values, shuffled: Values, *, seed: int = 0) -> Interval:
    """How much of the way from another song's accompaniment to the true one is covered.

    (mean ours - mean shuffled) / (mean true - mean shuffled), as a ratio of means, because single
    items may have almost no gap. The interval is a percentile bootstrap over items.

    Args:
        true: Scores of the true accompaniments [items].
        ours: Scores of the generated ones.
        shuffled: Scores of other songs' accompaniments.
        seed: Of the bootstrap.

    Returns:
        0 for no better than another song's, 1 for as good as the true one; NaN without items.
    """
    rows = _paired(true, ours, shuffled)
    if rows.shape[1] == 0:
        return Interval(*[float("nan")] * 3)
    picks = np.random.default_rng(seed).integers(rows.shape[1], size=(_RESAMPLES, rows.shape[1]))
    drawn = _gap(rows[:, picks].mean(axis=-1))
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan,) * 2
    return Interval(float(_gap(rows.mean(axis=-1))), float(low), float(high))


def gap_drop(
    true: Values, before: Values, after: Values, shuffled: Values, *, seed: int = 0
) -> Interval:
    """How much less of the gap is closed after a change than before it.

    Args:
        true: Scores of the true accompaniments [items].
        before: Scores before the change.
        after: Scores after it.
        shuffled: Scores of other songs' accompaniments.
        seed: Of the bootstrap over items.

    Returns:
        Gap closed before minus after: positive for a loss; NaN without items.
    """
    rows = _paired(true, before, after, shuffled)
    if rows.shape[1] == 0:
        return Interval(*[float("nan")] * 3)
    picks = np.random.default_rng(seed).integers(rows.shape[1], size=(_RESAMPLES, rows.shape[1]))
    drawn, whole = (
        _gap(means[[0, 1, 3]]) - _gap(means[[0, 2, 3]])
        for means in (rows[:, picks].mean(axis=-1), rows.mean(axis=-1))
    )
    low, high = np.nanquantile(drawn, (0.025, 0.975)) if np.isfinite(drawn).any() else (np.nan,) * 2
    return Interval(float(whole), float(low), float(high))


def mean_interval(values: Values, *, seed: int = 0) -> Interval:
    """Mean over items with its bootstrap interval."""
    (known,) = _paired(values)
    if len(known) == 0:
        return Interval(*[float("nan")] * 3)
    picks = np.random.default_rng(seed).integers(len(known), size=(_RESAMPLES, len(known)))
    low, high = np.quantile(known[picks].mean(axis=1), (0.025, 0.975))
    return Interval(float(known.mean()), float(low), float(high))


def p_greater(ours: Values, shuffled: Values, *, seed: int = 0) -> float:
    """One-sided p-value that ours is greater, by flipping signs of paired differences.

    Args:
        ours: Scores [items].
        shuffled: Scores to beat, of the same items.
        seed: Of the 10 000 random flips; exact if there are at most 13 items.

    Returns:
        In (0, 1]; its smallest value is 1 / 2^items or 1e-4. NaN without items.
    """
    first, second = _paired(ours, shuffled)
    differences = first - second
    if len(differences) == 0:
        return float("nan")
    observed = differences.sum()
    if len(differences) <= 13:
        codes = np.arange(2 ** len(differences))
        signs = 1 - 2 * ((codes[:, None] >> np.arange(len(differences))) & 1)
        # The tolerance counts the observed arrangement itself despite rounding.
        return float(np.mean(signs @ differences >= observed - 1e-12))
    signs = np.random.default_rng(seed).choice((-1, 1), size=(_RESAMPLES, len(differences)))
    return float((np.sum(signs @ differences >= observed - 1e-12) + 1) / (_RESAMPLES + 1))


def separation(true: Values, shuffled: Values) -> float:
    """Probability that a true accompaniment scores above another song's (AUC)."""
    good, bad = (np.asarray(v, dtype=np.float64) for v in (true, shuffled))
    good, bad = good[~np.isnan(good)], bad[~np.isnan(bad)]
    if not len(good) or not len(bad):
        return float("nan")
    above = good[:, None] > bad
    return float(np.mean(above + 0.5 * (good[:, None] == bad)))


def derangement(num_items: int, seed: int) -> tuple[int, ...]:
    """Give every item another item, none its own: a random cycle through all of them.

    Args:
        num_items: At least 2.
        seed: Decides the cycle.

    Returns:
        Partner of each item.

    Raises:
        ValueError: If there are fewer than 2 items.
    """
    if num_items < 2:
        raise ValueError(f"{num_items} items cannot be shuffled; at least 2 are needed")
    cycle = np.random.default_rng(seed).permutation(num_items)
    partner = np.empty(num_items, dtype=int)
    partner[cycle] = np.roll(cycle, -1)
    return tuple(partner.tolist())


def _paired(*rows: Values) -> NDArray[np.float64]:
    table = np.array([np.asarray(row, dtype=np.float64) for row in rows])
    kept: NDArray[np.float64] = table[:, ~np.isnan(table).any(axis=0)]
    return kept


def _gap(means: NDArray[np.float64]) -> NDArray[np.float64]:
    true, ours, shuffled = means
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: NDArray[np.float64] = np.where(
            np.abs(true - shuffled) > 1e-9, (ours - shuffled) / (true - shuffled), np.nan
        )
    return ratio
