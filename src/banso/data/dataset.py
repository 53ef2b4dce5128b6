"""Random crops of cached songs, transposed, with conditions dropped: what one step learns from."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from banso import conditioning as c
from banso import features
from banso.codec import parameters as p
from banso.config import TrainConfig
from banso.data.cache import Example

Array = NDArray[np.float32]

# Weights of chord tones in a triad's shape; a fifth says less than a third.
_MAJOR = np.array([1, -0.3, 0, -0.5, 1, 0, -0.3, 0.8, -0.3, 0, 0, 0], dtype=np.float32)
_MINOR = np.array([1, -0.3, 0, 1, -0.5, 0, -0.3, 0.8, -0.3, 0, 0, 0], dtype=np.float32)


class CropDataset(Dataset[dict[str, Tensor]]):
    """An endless supply of crops; the same index and seed give the same crop.

    Args:
        examples: Songs; those shorter than a crop are padded with silence.
        config: Crop length and probabilities.
        num_crops: What `len` says.
        augment: Whether to transpose and to drop conditions.
    """

    def __init__(
        self, examples: Sequence[Example], config: TrainConfig, num_crops: int, *, augment: bool
    ) -> None:
        self._examples, self._config = examples, config
        self._num_crops, self._augment = num_crops, augment

    def __len__(self) -> int:
        return self._num_crops

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Crop `index` as tensors.

        `parameters`, `conditions`, `truth` (conditions undropped), `known` mask, `parts` group [5],
        and `others`, parameters of the parts already there (zeros if `hears_others` is False).
        """
        rng = np.random.default_rng((self._config.seed, index))
        example = self._examples[int(rng.integers(len(self._examples)))]
        size = self._config.crop_frames
        start = int(rng.integers(max(1, len(example.parameters) - size + 1)))
        rows = slice(start, start + size)
        parameters = padded(example.parameters[rows], size)
        truth = padded(example.conditions[rows], size)
        others = np.zeros_like(parameters)
        if example.others is not None:
            others = padded(example.others[rows], size)
        if self._augment and self._config.max_transpose:
            limit = self._config.max_transpose
            semitones = int(rng.integers(-limit, limit + 1))
            parameters = transpose_parameters(parameters, semitones)
            others = transpose_parameters(others, semitones)
            truth = transpose_conditions(truth, semitones)
        given = drop_conditions(truth, rng, self._config) if self._augment else truth
        parts, hears_others = self._parts(example, given, rng)
        known = known_mask(size, rng, self._config.keep_known if self._augment else 0.0)
        return {
            "parameters": torch.from_numpy(parameters),
            "conditions": torch.from_numpy(given),
            "truth": torch.from_numpy(truth),
            "known": torch.from_numpy(known),
            "parts": torch.from_numpy(parts),
            "others": torch.from_numpy(others),
            "hears_others": torch.tensor(hears_others),
        }

    def _parts(
        self, example: Example, given: Array, rng: np.random.Generator
    ) -> tuple[Array, bool]:
        """Say which parts to play, and whether the others are heard; nothing if all is dropped."""
        whole = len(example.parts) == len(c.PART_NAMES)
        unsaid = whole and (not self._augment or rng.random() < self._config.drop_parts)
        deaf = example.others is None or (self._augment and rng.random() < self._config.drop_others)
        if unsaid or not given.any():
            return np.zeros(c.PARTS.stop - c.PARTS.start, dtype=np.float32), False
        return c.part_row(example.parts), not deaf


def triads(chords: Array) -> NDArray[np.int64]:
    """Class [frames] of the best major or minor triad, 24 for none, of 25 chord features."""
    tones = chords[:, 1:13]
    shapes = np.stack(
        [np.roll(shape, root) for shape in (_MAJOR, _MINOR) for root in range(12)], axis=1
    )
    # The bass tells apart chords that share tones, such as C6 and Am7.
    score = tones @ shapes + 0.1 * np.tile(chords[:, 13:25], 2)
    return np.where(tones.sum(axis=1) > 0, score.argmax(axis=1), 24).astype(np.int64)


def transpose_parameters(packed: Array, semitones: int) -> Array:
    """Move the tones of packed parameters [frames, 448] by semitones; noise stays."""
    unpacked = p.Parameters.from_array(packed)
    return p.Parameters(
        _shifted(unpacked.tone_level, semitones),
        _shifted(unpacked.tone_cents, semitones),
        unpacked.noise_level,
        unpacked.pan,
        unpacked.side_level,
    ).to_array()


def transpose_conditions(conditions: Array, semitones: int) -> Array:
    """Move voice and chords of conditions [frames, features] by semitones."""
    moved = conditions.copy()
    vocal = moved[:, c.VOCAL.start + 1 : c.VOCAL.stop]
    vocal[:, features.PITCH] = _shifted(vocal[:, features.PITCH], semitones)
    vocal[:, features.CHROMA] = np.roll(vocal[:, features.CHROMA], semitones, axis=1)
    for first in (c.CHORDS.start + 1, c.CHORDS.start + 13):
        part = slice(first, first + 12)
        moved[:, part] = np.roll(moved[:, part], semitones, axis=1)
    return moved


def drop_conditions(conditions: Array, rng: np.random.Generator, config: TrainConfig) -> Array:
    """Take away each group on its own, or all at once for guidance."""
    kept = conditions.copy()
    if rng.random() < config.drop_all:
        kept[:] = 0
        return kept
    groups = ((c.CHORDS, config.drop_chords), (c.BEATS, config.drop_beats))
    for group, probability in (*groups, (c.STYLE, config.drop_style)):
        if rng.random() < probability:
            kept[:, group] = 0
    return kept


def known_mask(size: int, rng: np.random.Generator, probability: float) -> NDArray[np.bool_]:
    """Which frames [size] are given: often none, else a beginning, or all but a middle part."""
    mask = np.zeros(size, dtype=bool)
    if rng.random() < probability:
        first = int(rng.integers(1, size * 3 // 4))
        mask[:first] = True
        if rng.random() < 0.3:
            mask[int(rng.integers(first + 1, size + 1)) :] = True
    return mask


def _shifted(rows: Array, semitones: int) -> Array:
    """Shift the last axis upwards, zeros coming in."""
    moved = np.roll(rows, semitones, axis=-1)
    if semitones > 0:
        moved[..., :semitones] = 0
    elif semitones < 0:
        moved[..., semitones:] = 0
    return moved


def padded(rows: NDArray[np.floating], size: int) -> Array:
    """Rows [up to size, features] with silence after them [size, features]."""
    return np.pad(rows.astype(np.float32), ((0, size - len(rows)), (0, 0)))
