"""What chord each half bar of a melody has, as small networks see it from the key's signature.

`banso.chord_network` treats all keys alike and has to find the scale by itself. These networks are
told it: the melody is turned so that the scale is that of C major, and they know from songs what
each of its degrees usually means, how four or eight bars go round, and how phrases end. Several,
trained apart, vote; where the signature is in doubt, each one that is likely has a say.

References:
    Lim, Rhyu and Lee 2017, arXiv:1712.01011 (chords of half bars from a melody, in C). Vaswani et
    al. 2017, arXiv:1706.03762, equation 1. Hansen and Salamon 1990, IEEE TPAMI 12(10) (ensembles).
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banso.chord_network import SLOTS, gelu, melody_grid, normalized
from banso.onsets import SungEvents
from banso.table_files import read_table, table_names

Array = NDArray[np.float32]
Floats = NDArray[np.float64]

NUM_HEADS = 4
NUM_OUTPUTS = 25  # triads and none
FARTHEST = 64  # half bars; beyond, distance does not matter to attention
PERIOD = 16  # half bars of an eight-bar phrase
# Long songs are heard in parts, each with more on either side.
_PART, _CONTEXT = 256, 64
# A signature is doubted this much more than the key's statistics say (they take notes for
# independent); those less likely than this are not asked.
_DOUBT, _LEAST_SHARE = 0.5, 0.05
_TABLES = "keyed"


class KeyedNetwork:
    """The trained networks, in numpy.

    Args:
        members: Arrays by name of each, as `scripts/learn_keyed_chords.py` writes them.
    """

    def __init__(self, members: Sequence[dict[str, Array]]) -> None:
        self._members = tuple(members)

    @classmethod
    def shipped(cls) -> "KeyedNetwork":
        """Load the weights inside the package."""
        return _shipped()

    def log_probabilities(
        self, melody: SungEvents, borders: Floats, inside: NDArray[np.int64], keys: Floats
    ) -> Floats:
        """Answer for a song.

        Args:
            melody: Its notes.
            borders: Seconds at which half bars begin, and where the last one ends [half bars + 1].
            inside: 0 where a half bar begins a bar, else 1 [half bars].
            keys: Log-probability of every key [24], C to B major, then minor.

        Returns:
            Log-probabilities [half bars, 24] of C to B major, then C to B minor.
        """
        grid, shape = melody_grid(melody, borders), melody_shape(melody, borders)
        total = np.zeros((len(grid), 24))
        share = signature_shares(keys)
        for signature in np.flatnonzero(share >= min(_LEAST_SHARE, float(share.max()))):
            turned = np.roll(grid, -signature, axis=1).reshape(len(grid), -1)
            views = np.concatenate([turned, inside[:, None], shape], axis=1, dtype=np.float32)
            mean = np.mean([_answer(w, views) for w in self._members], axis=0)
            found = np.roll(mean.reshape(-1, 2, 12), signature, axis=2).reshape(-1, 24)
            total += share[signature] * found
        return np.asarray(np.log(total / total.sum(axis=1, keepdims=True) + 1e-9))


def melody_shape(events: SungEvents, borders: Floats) -> Array:
    """Say how high and how long the notes are that begin at each place.

    Args:
        events: Sung notes.
        borders: As for `banso.chord_network.melody_grid`.

    Returns:
        [half bars, 2 * SLOTS]: half octaves above the song's middle pitch, then half the binary
        logarithm of the length in slots; 0 where nothing begins.
    """
    count = len(borders) - 1
    place = np.arange(count + 1, dtype=np.float64) * SLOTS
    begin = np.interp(events.seconds, borders, place, left=-1.0, right=-1.0)
    end = np.interp(events.end_seconds, borders, place)
    slot = (begin + 0.5).astype(np.int64)
    used = (begin >= 0) & (end > begin) & (slot < count * SLOTS)
    pitch = events.pitch[used]
    middle = np.quantile(pitch, 0.5, method="lower") if len(pitch) else 0.0
    height = (pitch - middle) / 6
    length = np.log2(np.clip((end - begin)[used], 0.5, 4 * SLOTS)) / 2
    size = count * SLOTS
    found = np.stack(
        [np.bincount(slot[used], v, size) for v in (np.clip(height, -3, 3), length)]
    ).astype(np.float32)
    return np.asarray(found.reshape(2, count, SLOTS).swapaxes(0, 1).reshape(count, -1))


def _answer(w: dict[str, Array], views: Array) -> Floats:
    """Probabilities [half bars, 24] of one member in one signature."""
    parts = []
    for start in range(0, len(views), _PART):
        first = max(0, start - _CONTEXT)
        logits = _logits(w, views[first : start + _PART + _CONTEXT])
        parts.append(logits[start - first : start - first + _PART, :24])
    log = np.concatenate(parts).astype(np.float64)
    return np.asarray(np.exp(log - np.logaddexp.reduce(log, axis=1, keepdims=True)))


def signature_shares(keys: Floats) -> Floats:
    """Return how likely each signature is [12], named by its major key, given keys [24]."""
    both = np.logaddexp(keys[:12], np.roll(keys[12:], 3))
    both = _DOUBT * both
    return np.asarray(np.exp(both - np.logaddexp.reduce(both)))


def _logits(w: dict[str, Array], views: Array) -> Array:
    x = gelu(views @ w["embed"] + w["embed_bias"])
    distance = np.arange(len(x))[:, None] - np.arange(len(x))
    far = np.clip(distance, -FARTHEST, FARTHEST) + FARTHEST
    bias = w["distance"][:, far] + w["phase"][:, distance % PERIOD]
    block = 0
    while f"block{block}_qkv" in w:
        name = f"block{block}_"
        y = normalized(x, w[f"{name}norm1"], w[f"{name}norm1_bias"])
        x = x + _attended(y, w, name, bias) + _mixed_in_time(y, w[f"{name}time"])
        x = x + w[f"{name}time_bias"]
        y = normalized(x, w[f"{name}norm2"], w[f"{name}norm2_bias"])
        wide = gelu(y @ w[f"{name}wide"] + w[f"{name}wide_bias"])
        x = x + wide @ w[f"{name}narrow"] + w[f"{name}narrow_bias"]
        block += 1
    return np.asarray(normalized(x, w["norm"], w["norm_bias"]) @ w["out"] + w["out_bias"])


def _attended(y: Array, w: dict[str, Array], name: str, bias: Array) -> Array:
    parts = (y @ w[f"{name}qkv"] + w[f"{name}qkv_bias"]).reshape(len(y), 3, NUM_HEADS, -1)
    q, k, v = parts.transpose(1, 2, 0, 3)
    score = q @ k.swapaxes(1, 2) / np.float32(np.sqrt(q.shape[2])) + bias
    weight = np.exp(score - score.max(axis=2, keepdims=True))
    weight /= weight.sum(axis=2, keepdims=True)
    found = (weight @ v).transpose(1, 0, 2).reshape(len(y), -1)
    return np.asarray(found @ w[f"{name}attended"] + w[f"{name}attended_bias"])


def _mixed_in_time(y: Array, kernel: Array) -> Array:
    """Depthwise convolution over half bars; the kernel is [width, dim]."""
    reach = len(kernel) // 2
    padded = np.pad(y, ((reach, reach), (0, 0)))
    return np.asarray(sum(padded[i : i + len(y)] * kernel[i] for i in range(len(kernel))))


def packed(weights: dict[str, Array]) -> dict[str, NDArray[Any]]:
    """Return weights for a file: matrices in 8 bits with a step for each column, others halved."""
    found: dict[str, NDArray[Any]] = {}
    for name, value in weights.items():
        if value.ndim == 2 and min(value.shape) > 32:
            step = np.maximum(np.abs(value).max(axis=0) / 127, 1e-8).astype(np.float32)
            found[name] = np.rint(value / step).astype(np.int8)
            found[f"{name}_step"] = step
        else:
            found[name] = value.astype(np.float16)
    return found


def unpacked(arrays: dict[str, NDArray[Any]]) -> dict[str, Array]:
    """Undo `packed`."""
    steps = {name: arrays[name] for name in arrays if name.endswith("_step")}
    return {
        name: (value * steps.get(f"{name}_step", np.float32(1))).astype(np.float32)
        for name, value in arrays.items()
        if name not in steps
    }


@functools.cache
def _shipped() -> KeyedNetwork:
    return KeyedNetwork([unpacked(read_table(name)) for name in table_names(_TABLES)])
