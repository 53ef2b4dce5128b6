"""How far the loudest tones of a recording are from where its latents put them.

A frame has 96 tones, each with cents of its own, and few latents to tell them: glides, choruses and
detuned synthesizers come back nearer to the keys of a piano than they were. Which tones are loud
the latents tell well, though, and only these are heard. So the cents of the loudest are told
beside the latents, in the order of their loudness, and need not say whose they are.

Of three released songs chroma then agreed 0.982 in place of 0.979; sixteen tones gave no more than
eight, nor did the true cents of all 96, nor 48 principal components of what is missing of them.
"""

import numpy as np
from numpy.typing import NDArray

from banso.codec.parameters import NUM_TONES, PARAMETER_GROUPS, TONES_PER_FRAME

#: Tones of a frame that are told.
NUM_BENDS = 8
_TONES, _CENTS, *_ = PARAMETER_GROUPS

Array = NDArray[np.float32]


def missing_bends(wanted: Array, read: Array) -> Array:
    """What latents do not tell of the cents of their loudest tones.

    Args:
        wanted: Of a recording, packed parameters [frames, 448].
        read: Those that its latents decode to, likewise.

    Returns:
        [frames, NUM_BENDS], loudest first, in units of 50 cents.
    """
    loudest = _loudest(read)
    found = (np.take_along_axis(rows[:, _CENTS], loudest, 1) for rows in (wanted, read))
    return np.asarray(np.subtract(*found), dtype=np.float32)


def bent(read: Array, missing: Array) -> Array:
    """Packed parameters [frames, 448] with what `missing_bends` found."""
    loudest, packed = _loudest(read), read.copy()
    cents = packed[:, _CENTS]
    np.put_along_axis(cents, loudest, np.take_along_axis(cents, loudest, 1) + missing, 1)
    return packed


def _loudest(packed: Array) -> NDArray[np.int64]:
    """Which tones sound loudest over a frame [frames, NUM_BENDS], falling."""
    levels = packed[:, _TONES].reshape(len(packed), TONES_PER_FRAME, NUM_TONES).mean(axis=1)
    return np.argsort(-levels, axis=1, kind="stable")[:, :NUM_BENDS]
