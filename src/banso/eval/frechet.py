"""How far the latents of one set of recordings lie from those of another.

Frames of a codec's latents are taken as samples of a Gaussian. Only count, mean and second moment
of each recording are kept, so that sets are put together, and resampled, without the audio.

References:
    Fréchet 1957; Dowson & Landau 1982, "The Fréchet distance between multivariate normal
    distributions", J. Multivariate Analysis 12(3). Kilgour et al. 2019, "Fréchet Audio Distance",
    Interspeech, arXiv:1812.08466 (with a classifier's embedding in place of the codec's).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from banso.eval.hearing import Array
from banso.eval.statistics import Interval

Matrix = NDArray[np.float64]
_RESAMPLES = 200
_LEAST_SONGS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over the latent frames of one recording.

    Attributes:
        count: Number of frames.
        total: Sum of the frames [channels].
        squares: Sum of their outer products [channels, channels].
    """

    count: int
    total: Matrix
    squares: Matrix


def moments_of(latents: Array) -> Moments:
    """Sum up latents [frames, channels]."""
    rows = latents.astype(np.float64)
    return Moments(len(rows), rows.sum(axis=0), rows.T @ rows)


def added(parts: Sequence[Moments]) -> Moments:
    """Put recordings together to one set."""
    return Moments(
        sum(part.count for part in parts),
        np.sum([part.total for part in parts], axis=0),
        np.sum([part.squares for part in parts], axis=0),
    )


def frechet_distance(a: Moments, b: Moments) -> float:
    """Squared Fréchet distance between Gaussians fitted to two sets.

    |mean difference|² + tr(A + B - 2 (A B)^½), where the last trace is the sum of the square roots
    of the eigenvalues of A^½ B A^½.

    Args:
        a: One set, at least two frames.
        b: The other.

    Returns:
        At least 0; 0 for equal moments, in squared units of the latents.
    """
    (mean_a, cov_a), (mean_b, cov_b) = _gaussian(a), _gaussian(b)
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    crossed = np.linalg.eigvalsh(root @ cov_b @ root)
    spread = np.trace(cov_a) + np.trace(cov_b) - 2 * np.sum(np.sqrt(np.maximum(crossed, 0)))
    return float(max(np.sum((mean_a - mean_b) ** 2) + spread, 0.0))


def frechet_interval(
    true: Sequence[Moments], other: Sequence[Moments], *, seed: int = 0
) -> Interval:
    """Fréchet distance of two sets with a bootstrap interval over recordings of both.

    Args:
        true: Recordings of the reference set.
        other: Recordings to compare.
        seed: Of the 200 resamples.

    Returns:
        Estimate and 95 % interval; NaN if a set is empty. A resampled set is poorer than the whole,
        so the interval leans upwards.
    """
    if not true or not other:
        return Interval(*[float("nan")] * 3)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_RESAMPLES):
        first, second = (
            added([part[k] for k in rng.integers(len(part), size=len(part))])
            for part in (true, other)
        )
        drawn.append(frechet_distance(first, second))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(frechet_distance(added(true), added(other)), float(low), float(high))


def frechet_to_others(
    true: Sequence[Moments], other: Sequence[Moments], *, seed: int = 0
) -> Interval:
    """Fréchet distance of bands from the true bands of *other* songs.

    Against the true bands of the same songs, a copy with a small error is closer than any other
    band could be that fits as well: loudness, instruments and room are the song's own. Here the
    songs are split in two at random, and the bands of one half are measured against the true ones
    of the other, as the distance is used for generators that have no target.

    Args:
        true: True bands, one per song.
        other: Bands to measure, of the same songs in the same order.
        seed: Of the 200 splits.

    Returns:
        Mean over the splits, and the range in which 95 % of them lie. Of fewer than four songs NaN.
    """
    if len(true) != len(other) or len(true) < _LEAST_SONGS:
        return Interval(*[float("nan")] * 3)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_RESAMPLES):
        order = rng.permutation(len(true))
        half = len(true) // 2
        reference = added([true[k] for k in order[:half]])
        found.append(frechet_distance(reference, added([other[k] for k in order[half:]])))
    low, high = np.quantile(found, (0.025, 0.975))
    return Interval(float(np.mean(found)), float(low), float(high))


def _gaussian(moments: Moments) -> tuple[Matrix, Matrix]:
    mean = moments.total / moments.count
    return mean, moments.squares / moments.count - np.outer(mean, mean)
