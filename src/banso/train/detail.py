"""Train the second level of a codec's latents, above a codec and an envelope that stay as they are.

What these make of all songs is heard once, before the first step; the rest is small.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from banso.codec.envelope import (
    ENVELOPE_SIZES,
    NUM_ENVELOPE,
    SILENCE_DB,
    loudest_level,
    missing_levels,
)
from banso.config import Experiment, TrainConfig, to_dict
from banso.data.cache import Example
from banso.data.dataset import Rows
from banso.errors import DataError
from banso.model.codec import CodecVAE
from banso.model.detail import DetailNetwork
from banso.model.envelope import EnvelopeNetwork, mid_and_side_distance
from banso.train.loop import (
    fit_module,
    load_checkpoint,
    load_codec,
    load_envelope,
    load_examples,
    training_device,
)
from banso.train.module import Batch, optimizer_of

# Mean absolute error that the likelihood, a Laplace distribution, calls normal.
_NORMAL_DB = 1.7
_START_FRAMES = 60_000


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """A song as detail is learned from it.

    Attributes:
        latents: [frames, channels].
        read: The envelope that is read from them, dB above silence [frames, NUM_ENVELOPE].
        wanted: The envelope that was measured, likewise.
    """

    latents: NDArray[np.float16]
    read: NDArray[np.float16]
    wanted: NDArray[np.float16]

    @property
    def loudest(self) -> float:
        """Level of the loudest place of the mid signal, dB above silence."""
        return loudest_level(self.wanted)

    @property
    def missing(self) -> NDArray[np.float32]:
        """What is to be learned [frames, NUM_ENVELOPE], dB."""
        return missing_levels(self.wanted.astype(np.float32), self.read.astype(np.float32))


def fit_detail(experiment: Experiment, codec: Path, *, resume: bool = False) -> Path:
    """Train the detail of a codec.

    Args:
        experiment: Settings; `train.data` holds cached items with their envelopes, `train.run`
            takes the results.
        codec: Checkpoint of `fit_codec` that knows envelopes.
        resume: Whether to go on from the run's last checkpoint.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights.

    Raises:
        DataError: If there is no data, or none with envelopes. ConfigError: If there is nothing to
            resume, or the codec knows no envelopes.
    """
    config, networks = experiment.train, (load_codec(codec), load_envelope(codec))
    training, held_out = (hear_all(songs, *networks) for songs in load_examples(config))
    module = DetailModule(experiment, networks[0].config.num_channels)
    if not resume:
        rows = np.concatenate([song.missing for song in training])
        rows = rows[:: -(-len(rows) // _START_FRAMES)]
        module.model.start_from_components(torch.from_numpy(rows))
    device = training_device()
    return fit_module(
        module,
        config,
        DetailCrops(training, config, config.max_steps, device),
        DetailCrops(held_out, config, 2, device),
        resume=resume,
    )


def load_detail(path: Path) -> DetailNetwork:
    """Load the detail network of a checkpoint, averaged weights.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    state, experiment = load_checkpoint(path)
    channels = state["prior.widen.weight"].shape[1]
    network = DetailNetwork(experiment.detail, channels)
    network.load_state_dict(state)
    return network.eval()


def hear_all(songs: Sequence[Example], codec: CodecVAE, envelope: EnvelopeNetwork) -> list[Hearing]:
    """What a codec makes of songs.

    Raises:
        DataError: If no song has an envelope.
    """
    measured = [song for song in songs if song.envelope is not None]
    if not measured:
        raise DataError("no envelope was measured; run banso prepare cache --stretches")
    device = training_device()
    codec, envelope = codec.to(device), envelope.to(device)
    return [_hear(song, codec, envelope, device) for song in measured]


@torch.no_grad()
def _hear(
    song: Example, codec: CodecVAE, envelope: EnvelopeNetwork, device: torch.device
) -> Hearing:
    parameters = torch.from_numpy(song.parameters.astype(np.float32))[None].to(device)
    latents = codec.encode(parameters)
    read = envelope(latents, codec.decode(latents)) - SILENCE_DB
    assert song.envelope is not None
    return Hearing(_half(latents), _half(read), song.envelope)


def _half(rows: Tensor) -> NDArray[np.float16]:
    return np.asarray(rows[0].cpu().numpy(), dtype=np.float16)


class DetailCrops(Dataset[Batch]):
    """An endless supply of batches of crops; the same index and seed give the same batch.

    Args:
        songs: Those shorter than a crop are left out.
        config: Crop length, batch size and seed.
        num_batches: What `len` says.
        device: Where the songs are held and the batches are made.
    """

    def __init__(
        self, songs: Sequence[Hearing], config: TrainConfig, num_batches: int, device: torch.device
    ) -> None:
        songs = [song for song in songs if len(song.latents) >= config.crop_frames]
        if not songs:
            raise DataError(f"no song has {config.crop_frames} frames (train.crop_frames)")
        self._config, self._num_batches, self._device = config, num_batches, device
        self._lengths = torch.tensor([len(song.latents) for song in songs])
        self._loudest = torch.tensor([song.loudest for song in songs])
        self._rows = {
            name: Rows([getattr(song, name) for song in songs], device)
            for name in ("latents", "read", "wanted", "missing")
        }

    def __len__(self) -> int:
        return self._num_batches

    def __getitem__(self, index: int) -> Batch:
        """Batch `index`: what a `Hearing` holds [batch, frames, ...], and `loudest` [batch]."""
        size, count = self._config.crop_frames, self._config.batch_size
        draw = torch.Generator().manual_seed(1_000_003 * self._config.seed + index)
        chosen = torch.randint(len(self._lengths), (count,), generator=draw)
        room = self._lengths[chosen] - size + 1
        start = (torch.rand(count, generator=draw) * room).long()
        batch = {n: rows.crops(chosen, start, size).float() for n, rows in self._rows.items()}
        return batch | {"loudest": self._loudest[chosen].to(self._device)}


class DetailModule(L.LightningModule):
    """Trains a detail network by its evidence bound."""

    def __init__(self, experiment: Experiment, num_channels: int) -> None:
        super().__init__()
        self.save_hyperparameters({"experiment": to_dict(experiment)})
        self.experiment = experiment
        self.model = DetailNetwork(experiment.detail, num_channels)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Evidence bound of a batch, nats per level."""
        config = self.experiment.train
        found = self.model(batch["latents"], batch["missing"])
        mid, side = _errors(batch, found.missing_db)
        log = {"mid_db": mid, "side_db": side, "kl_nats_per_frame": found.kl}
        self.log_dict(log, prog_bar=True)
        nats = ENVELOPE_SIZES[0] * (mid + config.side_weight * side) / _NORMAL_DB
        loss: Tensor = (nats + config.detail_kl_weight * found.kl) / NUM_ENVELOPE
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Errors on songs not trained on: without detail, with their own, with one drawn."""
        latents = batch["latents"]
        own = self.model.encode(latents, batch["missing"])
        generator = torch.Generator().manual_seed(batch_idx)
        drawn = torch.randn(own.shape, generator=generator).to(own)
        given = {
            "without": torch.zeros_like(batch["read"]),
            "own": self.model.decode(latents, own),
            "drawn": self.model.decode(latents, drawn),
        }
        for name, missing_db in given.items():
            mid, side = _errors(batch, missing_db)
            self.log_dict({f"validation_{name}_mid_db": mid, f"validation_{name}_side_db": side})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the time budget sets its rate."""
        return optimizer_of(self.model, self.experiment)


def _errors(batch: Batch, missing_db: Tensor) -> tuple[Tensor, Tensor]:
    """Mean absolute error of mid and of side, dB."""
    found = batch["read"] + missing_db
    return mid_and_side_distance(found, batch["wanted"], batch["loudest"])
