"""How likely sung notes begin a bar at each place: a small network that knows songs.

References:
    Circular convolutions make the network's answer turn with its input, as in Esteves et al. 2018,
    arXiv:1711.06721.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from banso.chord_network import gelu
from banso.pulse_candidates import METERS, Candidates, scalars
from banso.table_files import floats, read_table

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


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

    def log_probabilities(self, candidates: Candidates) -> tuple[Floats, ...]:
        """How likely a downbeat is at each place, over all pulses and meters together.

        Returns:
            For each of `METERS` [candidates, beats * BINS_PER_BEAT].
        """
        bars_of = zip(candidates.bars, METERS, strict=True)
        found = [self._score(candidates, bars, beats_per_bar) for bars, beats_per_bar in bars_of]
        total = np.logaddexp.reduce([np.logaddexp.reduce(logits, axis=None) for logits in found])
        return tuple(np.asarray(logits - total) for logits in found)

    def _score(self, candidates: Candidates, bars: Array, beats_per_bar: int) -> Floats:
        """Logits [candidates, places] of one meter."""
        told = scalars(candidates, beats_per_bar)
        x = np.concatenate([bars, np.repeat(told[:, None], bars.shape[1], axis=1)], axis=2)
        x = gelu(self._circular(x, "first"))
        for name in ("second", "third"):
            x = x + gelu(self._circular(x, name))
        logits = x @ self._weights["out"] + self._weights["out_bias"]
        return np.asarray(logits[..., 0], dtype=np.float64)

    def _circular(self, x: Array, name: str) -> Array:
        """Circular convolution over the second axis; kernels are [width * inputs, outputs]."""
        kernel = self._weights[name]
        width = kernel.shape[0] // x.shape[2]
        shifted = [np.roll(x, width // 2 - step, axis=1) for step in range(width)]
        return np.asarray(np.concatenate(shifted, axis=2) @ kernel + self._weights[f"{name}_bias"])


def near_sums(share: Floats) -> Floats:
    """Sums of each place and its neighbours: a downbeat between two bins shows in both [places]."""
    return np.asarray(sum(np.roll(share, step, axis=-1) for step in (-1, 0, 1)))


@functools.cache
def _shipped() -> PulseTable:
    return PulseTable(floats(read_table("pulse.npz")))
