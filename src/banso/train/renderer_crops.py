"""Stretches of recordings and of the layers of their synthesis, all on the device that trains."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from banso.codec.gains import Layers
from banso.codec.parameters import (
    COMPRESSION,
    HOP_LENGTH,
    NOISE_PER_FRAME,
    PARAMETER_GROUPS,
    SYNTHESIS_HOP,
)
from banso.data.workers import run_jobs
from banso.errors import DataError
from banso.model.codec import CodecVAE
from banso.train import renderer_clips as clips
from banso.train.renderer_loss import COMPARED, mel_power

logger = logging.getLogger(__name__)
_LOUDER_DB = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Stretches of clips, ready to be rendered.

    Attributes:
        parameters: Decoded, packed, with the network's context on both sides.
        layers: Of the synthesis, without context, float32 and complex64.
        recorded: Mid and side [batch, 2, samples] that the rendered crops are to sound like.
        loudest: Mel power of the loudest place of each whole clip [batch].
    """

    parameters: Tensor
    layers: Layers
    recorded: Tensor
    loudest: Tensor


class ClipSet:
    """Clips and the layers of their synthesis on a device.

    Args:
        jobs: Clips that have been prepared, see `prepare_clips`.
        device: Where all of it is to lie.
    """

    def __init__(self, jobs: Sequence[clips.ClipJob], device: torch.device) -> None:
        def load(name: str) -> Tensor:
            return torch.from_numpy(clips.load_arrays(jobs, name)).to(device)

        self.names = [job.name for job in jobs]
        self._parameters = load("decoded")
        self._audio = load("audio")
        self._layers = {name: load(name) for name in clips.LAYER_NAMES}
        lengths = [len(np.load(job.folder / "decoded.npy", mmap_mode="r")) for job in jobs]
        self._ends = list(itertools.accumulate(lengths))
        self._starts = [end - n for end, n in zip(self._ends, lengths, strict=True)]
        loudest = [
            mel_power(self._mid_side(s, e)[0], *COMPARED).max()
            for s, e in zip(self._starts, self._ends, strict=True)
        ]
        self._loudest = torch.stack(loudest)

    @property
    def num_frames(self) -> int:
        """Codec frames of all clips."""
        return self._ends[-1]

    def draw(self, rng: np.random.Generator, count: int, length: int, context: int) -> Crops:
        """So many crops of so many frames, from places drawn at random."""
        room = np.array(self._ends) - np.array(self._starts) - length - 2 * context
        if room.max() < 0:
            raise DataError(f"all clips are shorter than {length + 2 * context} frames")
        weights = np.maximum(room + 1, 0)
        which = rng.choice(len(room), count, p=weights / weights.sum())
        firsts = [self._starts[w] + context + int(rng.integers(room[w] + 1)) for w in which]
        return self._crops(firsts, which.tolist(), length, context)

    def whole(self, index: int) -> Crops:
        """A whole clip."""
        length = self._ends[index] - self._starts[index]
        return self._crops([self._starts[index]], [index], length, 0)

    def _crops(self, firsts: list[int], which: list[int], length: int, context: int) -> Crops:
        device = self._audio.device
        first = torch.tensor(firsts, device=device)[:, None]
        frames = first - context + torch.arange(length + 2 * context, device=device)
        steps = first * NOISE_PER_FRAME + torch.arange(length * NOISE_PER_FRAME, device=device)
        values = {name: values[steps].float() for name, values in self._layers.items()}
        layers = Layers(
            **{n: torch.view_as_complex(v) if v.shape[-1] == 2 else v for n, v in values.items()}
        )
        recorded = [self._mid_side(f, f + length)[:, SYNTHESIS_HOP:] for f in firsts]
        loudest = self._loudest[torch.tensor(which, device=device)]
        return Crops(self._parameters[frames], layers, torch.stack(recorded), loudest)

    def _mid_side(self, start: int, end: int) -> Tensor:
        """Mid and side [2, samples] of codec frames."""
        left, right = self._audio[:, start * HOP_LENGTH : end * HOP_LENGTH].float() / 32_767
        return torch.stack([left + right, left - right]) / 2


def varied(crops: Crops, rng: np.random.Generator) -> Crops:
    """Play every crop louder or softer, and some with left and right exchanged.

    Levels are a power of amplitudes, so parameters follow both exactly.
    """
    count = len(crops.loudest)
    decibels = rng.uniform(-_LOUDER_DB, _LOUDER_DB, count)
    signs = rng.choice((-1.0, 1.0), count)

    def column(values: NDArray[np.float64]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=crops.loudest.device)[:, None, None]

    gain, sign = column(10 ** (decibels / 20)), column(signs)
    _, cents, _, pan, _ = PARAMETER_GROUPS
    parameters = crops.parameters * gain**COMPRESSION
    parameters[..., cents] = crops.parameters[..., cents]
    parameters[..., pan] = crops.parameters[..., pan] * sign
    loud = ("tones", "noise_gain", "level", "own")
    changed = {name: getattr(crops.layers, name) * gain for name in loud}
    layers = replace(crops.layers, pan=crops.layers.pan * sign, **changed)
    mid, side = crops.recorded.unbind(1)
    recorded = torch.stack([mid, side * sign[:, 0]], dim=1) * gain
    return Crops(parameters, layers, recorded, crops.loudest * gain[:, 0, 0].square())


def prepare_clips(
    data: Path,
    codec: CodecVAE,
    folder: Path,
    device: torch.device,
    *,
    limit: int | None = None,
    workers: int | None = None,
) -> list[clips.ClipJob]:
    """Send clips through the codec and compute the layers of their synthesis, on all cores.

    Args:
        data: Folder of audio files.
        codec: Trained.
        folder: Takes what is computed, 0.75 MB a second of audio.
        device: Where the codec is to run.
        limit: At most so many clips.
        workers: Processes; None for one per core.

    Returns:
        The clips that were prepared.
    """
    found = clips.find_clips(data)
    jobs = [clips.ClipJob(source=path, folder=folder / path.stem) for path in found]
    jobs = sorted(jobs, key=lambda job: job.is_held)[:limit]
    rejected = run_jobs(clips.write_parameters, jobs, workers)
    jobs = [job for job in jobs if (job.folder / "parameters.npy").exists()]
    codec = codec.to(device)
    for job in jobs:
        packed = torch.from_numpy(np.load(job.folder / "parameters.npy")).to(device)
        with torch.no_grad():
            decoded = codec.decode(codec.encode(packed[None]))[0]
        np.save(job.folder / "decoded.npy", decoded.cpu().numpy())
    rejected += run_jobs(clips.write_layers, jobs, workers)
    logger.info("%d clips prepared, %d rejected", len(jobs), rejected)
    return jobs
