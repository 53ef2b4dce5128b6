"""Random crops of cached songs, transposed, with conditions dropped: what one step learns from.

A batch is cut where the arrays lie, in memory or on a CUDA device: a crop of 48 s with everything
about it is 3 MB, too much to be sent there anew for each step.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from banso import conditioning as c
from banso import features
from banso.codec import parameters as p
from banso.codec.envelope import loudest_level
from banso.config import TrainConfig
from banso.data.cache import Example

Array = NDArray[np.float32]
Batch = dict[str, Tensor]

# Weights of chord tones in a triad's shape; a fifth says less than a third.
_MAJOR = np.array([1, -0.3, 0, -0.5, 1, 0, -0.3, 0.8, -0.3, 0, 0, 0], dtype=np.float32)
_MINOR = np.array([1, -0.3, 0, 1, -0.5, 0, -0.3, 0.8, -0.3, 0, 0, 0], dtype=np.float32)
_NEVER_REACHED_DB = 1_000.0
_OPTIONAL = ("vocals", "envelope")


class CropDataset(Dataset[Batch]):
    """An endless supply of batches of crops; the same index and seed give the same batch.

    Args:
        examples: Songs; those shorter than a crop are padded with silence.
        config: Crop length, batch size and probabilities.
        num_batches: What `len` says.
        augment: Whether to transpose and to drop conditions.
        device: Where the songs are held and the batches are made.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        config: TrainConfig,
        num_batches: int,
        *,
        augment: bool,
        device: torch.device | str = "cpu",
    ) -> None:
        self._config, self._num_batches, self._augment = config, num_batches, augment
        self._device = torch.device(device)
        self._lengths = torch.tensor([len(example.parameters) for example in examples])
        self._rows = {
            "parameters": Rows([e.parameters for e in examples], device),
            "truth": Rows([e.conditions for e in examples], device),
            "others": Rows([e.others for e in examples], device),
            "vocals": Rows([e.vocals for e in examples], device),
            "envelope": Rows([e.envelope for e in examples], device),
        }
        # An envelope cannot be transposed: drums stay where they are.
        self._movable = torch.tensor([e.envelope is None for e in examples])
        self._loudest = torch.tensor([_loudest(e) for e in examples])
        self._parts = torch.from_numpy(np.stack([c.part_row(e.parts) for e in examples]))
        self._whole = torch.tensor([len(e.parts) == len(c.PART_NAMES) for e in examples])
        self._accompanied = torch.tensor([e.others is not None for e in examples])
        limit = config.max_transpose if augment else 0
        self._columns = {
            width: torch.stack([columns(s) for s in range(-limit, limit + 1)]).to(device)
            for width, columns in (
                (p.NUM_PARAMETERS, parameter_columns),
                (c.KNOWN.start, condition_columns),
            )
        }

    def __len__(self) -> int:
        return self._num_batches

    def __getitem__(self, index: int) -> Batch:
        """Batch `index` as tensors [batch, ...] on the device.

        `parameters`, `conditions`, `truth` (conditions undropped), `known` mask, `parts` group [5],
        `others`, parameters of the parts already there (zeros if `hears_others` is False), and,
        where the songs have them, `vocals`, parameters of the voice, and `envelope`, what is to be
        heard (zeros where it was not measured), with `loudest`, the highest level in each song's.
        """
        config, size = self._config, self._config.crop_frames
        draw = torch.Generator().manual_seed(1_000_003 * config.seed + index)
        chosen = torch.randint(len(self._lengths), (config.batch_size,), generator=draw)
        room = (self._lengths[chosen] - size + 1).clamp(min=1)
        start = (torch.rand(config.batch_size, generator=draw) * room).long()
        steps = len(self._columns[p.NUM_PARAMETERS])
        shift = torch.randint(steps, (config.batch_size,), generator=draw)
        shift = torch.where(self._movable[chosen], shift, steps // 2)
        batch = {
            name: self._moved(rows.crops(chosen, start, size), shift)
            for name, rows in self._rows.items()
            if name not in _OPTIONAL or rows.any
        }
        batch["loudest"] = self._loudest[chosen]
        kept = kept_groups(config.batch_size, config, draw, drop=self._augment)
        batch["conditions"] = batch["truth"] * self._sent(kept)[:, None]
        parts, hears_others = self._told(chosen, kept, draw)
        known = known_masks(
            config.batch_size, size, config.keep_known if self._augment else 0.0, draw
        )
        batch |= {"known": known, "parts": parts, "hears_others": hears_others}
        return {name: self._sent(value) for name, value in batch.items()}

    def _moved(self, rows: Tensor, shift: Tensor) -> Tensor:
        """Transpose [batch, frames, width]; the column after the last one is silence."""
        if rows.shape[-1] not in self._columns:
            return rows.float()
        columns = self._columns[rows.shape[-1]][self._sent(shift)]
        silence = torch.nn.functional.pad(rows, (0, 1))
        return silence.gather(2, columns[:, None].expand(-1, rows.shape[1], -1)).float()

    def _sent(self, value: Tensor) -> Tensor:
        return value.to(self._device, non_blocking=True)

    def _told(self, chosen: Tensor, kept: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Say which parts to play, and whether the others are heard; nothing if all is dropped."""
        config, chance = self._config, torch.rand(2, len(chosen), generator=draw)
        if not self._augment:
            chance[0], chance[1] = 0, 1  # never said if it is all, always heard
        silent = (self._whole[chosen] & (chance[0] < config.drop_parts)) | (kept.sum(1) == 0)
        heard = self._accompanied[chosen] & (chance[1] >= config.drop_others) & ~silent
        return self._parts[chosen] * ~silent[:, None], heard


def _loudest(example: Example) -> float:
    """Highest level of the mid signal in an example, dB above silence; out of reach if unknown."""
    return _NEVER_REACHED_DB if example.envelope is None else loudest_level(example.envelope)


class Rows:
    """Arrays [frames, width] of many songs in one, half precision, from which crops are gathered.

    Args:
        arrays: One for each song; None where a song has none, which crops to zeros.
        device: Where they are held.
    """

    def __init__(
        self, arrays: Sequence[NDArray[np.float16] | None], device: torch.device | str
    ) -> None:
        there = [array for array in arrays if array is not None]
        self.any = bool(there)
        width = there[0].shape[1] if there else p.NUM_PARAMETERS
        # The first row is silence; what lies outside a song points there.
        silence = np.zeros((1, width), dtype=np.float16)
        joined = np.concatenate([silence, *(array.astype(np.float16) for array in there)])
        self._rows = torch.from_numpy(joined).to(device)
        lengths = np.array([0 if array is None else len(array) for array in arrays])
        self._first = torch.from_numpy(1 + np.cumsum(lengths) - lengths)
        self._lengths = torch.from_numpy(lengths)

    def crops(self, chosen: Tensor, start: Tensor, size: int) -> Tensor:
        """Crops [batch, size, width] of some songs [batch] from some frames [batch] on."""
        place = start[:, None] + torch.arange(size)
        inside = place < self._lengths[chosen][:, None]
        rows = torch.where(inside, self._first[chosen][:, None] + place, 0)
        return self._rows[rows.to(self._rows.device)]


def triads(chords: Array) -> NDArray[np.int64]:
    """Class [frames] of the best major or minor triad, 24 for none, of 25 chord features."""
    tones = chords[:, 1:13]
    shapes = np.stack(
        [np.roll(shape, root) for shape in (_MAJOR, _MINOR) for root in range(12)], axis=1
    )
    # The bass tells apart chords that share tones, such as C6 and Am7.
    score = tones @ shapes + 0.1 * np.tile(chords[:, 13:25], 2)
    return np.where(tones.sum(axis=1) > 0, score.argmax(axis=1), 24).astype(np.int64)


def parameter_columns(semitones: int) -> Tensor:
    """Where each of the 448 numbers of a frame comes from if its tones move; noise stays.

    What comes in at the end of the scale mirrors what is there. Were it silent, a denoiser would
    learn that music often is between 6.6 kHz and 7.9, where noise alone takes over; bands then had
    a hole there.

    Returns:
        [448].
    """
    columns = np.arange(p.NUM_PARAMETERS)
    scales = columns[: (p.TONES_PER_FRAME + 1) * p.NUM_TONES].reshape(-1, p.NUM_TONES)
    origin = np.arange(p.NUM_TONES) - semitones
    origin = np.where(origin < 0, -1 - origin, origin)
    origin = np.where(origin < p.NUM_TONES, origin, 2 * p.NUM_TONES - 1 - origin)
    scales[:] = scales[:, origin]
    return torch.from_numpy(columns)


def condition_columns(semitones: int) -> Tensor:
    """Where each condition comes from if voice and chords move; the others stay.

    Returns:
        [KNOWN.start]; `KNOWN.start` for what comes in at the end of the scale.
    """
    columns = np.arange(c.KNOWN.start)
    vocal = columns[c.VOCAL.start + 1 : c.VOCAL.stop]
    vocal[features.PITCH] = _shifted(vocal[features.PITCH], semitones, c.KNOWN.start)
    vocal[features.CHROMA] = np.roll(vocal[features.CHROMA], semitones)
    for first in (c.CHORDS.start + 1, c.CHORDS.start + 13):
        part = slice(first, first + 12)
        columns[part] = np.roll(columns[part], semitones)
    return torch.from_numpy(columns)


def kept_groups(num: int, config: TrainConfig, draw: torch.Generator, *, drop: bool) -> Tensor:
    """Which conditions [num, KNOWN.start] are told: each group on its own, or none, for guidance.

    Args:
        num: How many crops.
        config: Probabilities.
        draw: Source of chance.
        drop: False tells everything.
    """
    kept = torch.ones(num, c.KNOWN.start)
    if not drop:
        return kept
    groups = (
        (slice(None), config.drop_all),
        (c.CHORDS, config.drop_chords),
        (c.BEATS, config.drop_beats),
        (c.STYLE, config.drop_style),
    )
    for group, probability in groups:
        kept[:, group] *= (torch.rand(num, 1, generator=draw) >= probability).float()
    return kept


def known_masks(num: int, size: int, probability: float, draw: torch.Generator) -> Tensor:
    """Which frames [num, size] are given: none, or a beginning, or all but a middle part."""
    given, both_sides, first, second = torch.rand(4, num, 1, generator=draw)
    begin = 1 + (first * (size * 3 // 4 - 1)).long()
    end = begin + 1 + (second * (size - begin)).long()
    end = torch.where(both_sides < 0.3, end, size)
    frame = torch.arange(size)
    known: Tensor = (given < probability) & ((frame < begin) | (frame >= end))
    return known


def _shifted(rows: NDArray[np.int64], semitones: int, silent: int) -> NDArray[np.int64]:
    """Shift the last axis upwards, a silent column coming in."""
    moved = np.roll(rows, semitones, axis=-1)
    if semitones > 0:
        moved[..., :semitones] = silent
    elif semitones < 0:
        moved[..., semitones:] = silent
    return moved


def padded(rows: NDArray[np.floating], size: int) -> Array:
    """Rows [up to size, features] with silence after them [size, features]."""
    return np.pad(rows.astype(np.float32), ((0, size - len(rows)), (0, 0)))
