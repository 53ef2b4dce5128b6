"""The peak of the sound between the samples, where converters and lossy formats would clip.

References:
    ITU-R BS.1770-4 (2015), "Algorithms to measure audio programme loudness and true-peak audio
    level", Annex 2: four times the rate, then the largest magnitude; what lies between those
    points is at most 0.7 dB more, and only at the edge of hearing.
"""

from collections.abc import Iterable, Iterator

from banso.audio import Samples, resample_blocks

_OVERSAMPLING = 4


def true_peak(blocks: Iterable[Samples], sample_rate: int, num_samples: int) -> float:
    """Return the true peak of a stream of blocks, full scale 1; memory does not grow with it.

    Args:
        blocks: float32 [channels, samples] each.
        sample_rate: Hz, at most a quarter of the highest rate that `Audio` takes.
        num_samples: How many samples all blocks have together.

    Returns:
        At least the largest sample: the resampler's filter may round a corner off.
    """
    peak = 0.0

    def seen() -> Iterator[Samples]:
        nonlocal peak
        for block in blocks:
            peak = max(peak, _largest(block))
            yield block

    fine = resample_blocks(seen(), sample_rate, _OVERSAMPLING * sample_rate, num_samples)
    between = max((_largest(block) for block in fine), default=0.0)
    return max(peak, between)


def _largest(block: Samples) -> float:
    """Largest magnitude, found without an array of magnitudes."""
    return float(max(block.max(initial=0.0), -block.min(initial=0.0)))
