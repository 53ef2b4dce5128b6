"""What chord each half bar of a melody has, as a small network hears it, in every key alike.

The melody is folded into half bars: which pitch classes sound, and begin, at each of eight places.
All layers treat the twelve pitch classes alike (circular convolutions over them, attention between
half bars whose weights do not depend on the key), so the network answers in another key what it
answers in this one, and learns from every song in twelve keys at once. Attention lets it look up
how a phrase was harmonised elsewhere in the song.

References:
    Lim, Rhyu and Lee 2017, arXiv:1712.01011 (chords of half bars from a melody). Cohen and Welling
    2016, arXiv:1602.07576 (equivariant layers). Vaswani et al. 2017, arXiv:1706.03762, equation 1.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from banso.onsets import SungEvents
from banso.table_files import floats, read_table

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

SLOTS = 8  # sixteenths in a half bar of two beats
NUM_VIEWS = 2 * SLOTS  # sounding, beginning
NUM_BLOCKS = 4
NUM_HEADS = 4
FARTHEST = 64  # half bars; beyond, distance does not matter to attention
PERIOD = 8  # half bars of a four-bar phrase
# Long songs are heard in parts, each with more on either side.
_PART, _CONTEXT = 256, 64


class ChordNetwork:
    """The trained network, in numpy.

    Args:
        weights: Arrays by name, as `scripts/learn_chords.py` writes them.
    """

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights

    @classmethod
    def shipped(cls) -> "ChordNetwork":
        """Load the weights inside the package."""
        return _shipped()

    def log_probabilities(self, grid: Array) -> Array:
        """Answer for a song.

        Args:
            grid: Melody [half bars, 12, NUM_VIEWS] as `melody_grid` lays it out.

        Returns:
            Log-probabilities [half bars, 24] of C to B major, then C to B minor.
        """
        parts = []
        for start in range(0, len(grid), _PART):
            first = max(0, start - _CONTEXT)
            heard = self._part(grid[first : start + _PART + _CONTEXT])
            parts.append(heard[start - first : start - first + _PART])
        return np.concatenate(parts)

    def _part(self, grid: Array) -> Array:
        w = self._weights
        x = gelu(_circular(grid, w["embed"]) + w["embed_bias"])
        x = x + w["parity"][np.arange(len(x)) % 2][:, None]
        distance = np.arange(len(x))[:, None] - np.arange(len(x))
        far = np.clip(distance, -FARTHEST, FARTHEST) + FARTHEST
        bias = w["distance"][:, far] + w["phase"][:, distance % PERIOD]
        for block in range(NUM_BLOCKS):
            x = self._block(x, bias, f"block{block}_")
        logits = normalized(x, w["norm"], w["norm_bias"]) @ w["out"] + w["out_bias"]
        flat = np.swapaxes(logits, 1, 2).reshape(len(x), 24)
        return np.asarray(flat - np.logaddexp.reduce(flat, axis=1, keepdims=True))

    def _block(self, x: Array, bias: Array, name: str) -> Array:
        w = {key.removeprefix(name): v for key, v in self._weights.items() if key.startswith(name)}
        y = normalized(x, w["norm1"], w["norm1_bias"])
        x = x + _attended(y, w, bias) + _mixed_in_time(y, w["time"]) + w["time_bias"]
        y = normalized(x, w["norm2"], w["norm2_bias"])
        wide = gelu(_circular(y, w["pitch"]) + w["pitch_bias"])
        return np.asarray(x + wide @ w["narrow"] + w["narrow_bias"])


def melody_grid(events: SungEvents, borders: Floats) -> Array:
    """Fold a melody into half bars.

    Args:
        events: Sung notes.
        borders: Seconds at which half bars begin, and where the last one ends [half bars + 1].

    Returns:
        [half bars, 12, NUM_VIEWS]: 1 where a pitch class sounds, then how many notes begin.
    """
    count = len(borders) - 1
    place = np.arange(count + 1) * SLOTS
    begin = np.interp(events.seconds, borders, place, left=-1.0, right=-1.0)
    end = np.interp(events.end_seconds, borders, place)
    slot = (begin + 0.5).astype(np.int64)
    used = (begin >= 0) & (end > begin) & (slot < count * SLOTS)
    slot, pitch = slot[used], np.rint(events.pitch[used]).astype(np.int64) % 12
    stop = np.maximum(slot + 1, np.ceil(end[used] - 0.3).astype(np.int64))
    stop = np.minimum(np.minimum(stop, slot + 2 * SLOTS), count * SLOTS)
    steps = np.zeros((count * SLOTS + 1, 12), dtype=np.float32)
    beginning = np.zeros((count * SLOTS, 12), dtype=np.float32)
    np.add.at(steps, (slot, pitch), 1)
    np.add.at(steps, (stop, pitch), -1)
    np.add.at(beginning, (slot, pitch), 1)
    sounding = (np.cumsum(steps[:-1], axis=0) > 0).astype(np.float32)
    views = [v.reshape(count, SLOTS, 12).swapaxes(1, 2) for v in (sounding, beginning)]
    return np.concatenate(views, axis=2)


def _attended(y: Array, w: dict[str, Array], bias: Array) -> Array:
    """Attention between half bars; keys match whatever the key of the song [frames, 12, dim]."""
    frames, pitches, dim = y.shape
    parts = (y @ w["qkv"] + w["qkv_bias"]).reshape(frames, pitches, 3, NUM_HEADS, -1)
    q, k, v = parts.transpose(2, 3, 0, 1, 4).reshape(3, NUM_HEADS, frames, -1)
    score = q @ k.swapaxes(1, 2) / np.float32(np.sqrt(q.shape[2])) + bias
    weight = np.exp(score - score.max(axis=2, keepdims=True))
    weight /= weight.sum(axis=2, keepdims=True)
    found = (weight @ v).reshape(NUM_HEADS, frames, pitches, dim // NUM_HEADS)
    found = found.transpose(1, 2, 0, 3).reshape(frames, pitches, dim)
    return np.asarray(found @ w["attended"] + w["attended_bias"])


def _mixed_in_time(y: Array, kernel: Array) -> Array:
    """Depthwise convolution over half bars; the kernel is [width, dim]."""
    reach = len(kernel) // 2
    padded = np.pad(y, ((reach, reach), (0, 0), (0, 0)))
    return np.asarray(sum(padded[i : i + len(y)] * kernel[i] for i in range(len(kernel))))


def _circular(x: Array, kernel: Array) -> Array:
    """Convolution around the pitch classes: [frames, 12, in] by [12 * in, out]."""
    around = [np.roll(x, -step, axis=1) for step in range(12)]
    return np.asarray(np.concatenate(around, axis=2) @ kernel)


def normalized(x: Array, gain: Array, bias: Array) -> Array:
    """Layer normalisation over the last axis (Ba et al. 2016, arXiv:1607.06450)."""
    mean, variance = x.mean(axis=-1, keepdims=True), x.var(axis=-1, keepdims=True)
    return np.asarray((x - mean) / np.sqrt(variance + 1e-5) * gain + bias)


def gelu(x: Array) -> Array:
    """Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2 (tanh form)."""
    return np.asarray(0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x))))


@functools.cache
def _shipped() -> ChordNetwork:
    return ChordNetwork(floats(read_table("chords.npz")))
