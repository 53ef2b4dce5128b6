"""Train the published network on our data: the same songs, codec and time, to compare with.

As published: v-objective with the loss weight min(2 / SNR, 10), the voice dropped one time in ten,
averaged weights. Left out: what its code did by mistake; see `banso.model.published`.

References:
    Cheung, Zhang & Chan 2025, arXiv:2507.19991. Hang et al. 2023, arXiv:2303.09556 (weights by
    signal-to-noise ratio).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lightning as L
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from banso.codec.analysis import analyze
from banso.config import Experiment, TrainConfig, to_dict
from banso.data.cache import Array, load_cache, load_vocals
from banso.data.dataset import padded, transpose_parameters
from banso.errors import DataError
from banso.model.codec import CodecVAE
from banso.model.published import NUM_STEPS, PublishedNetwork, cosine_alphas, probe
from banso.train.loop import fit_module, load_codec
from banso.train.module import Batch, optimizer_of

_VALIDATION_CROPS = 32
_MOST_WEIGHT = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """A band and its voice, both as packed parameters [frames, NUM_PARAMETERS] of the codec."""

    band: Array
    vocals: Array


class PairCrops(Dataset[Batch]):
    """An endless supply of crops of pairs; the same index and seed give the same crop.

    Args:
        pairs: Those shorter than a crop are padded with silence.
        config: Crop length, seed and how far to transpose.
        num_crops: What `len` says.
        augment: Whether to transpose.
    """

    def __init__(
        self, pairs: Sequence[Pair], config: TrainConfig, num_crops: int, *, augment: bool
    ) -> None:
        self._pairs, self._config = pairs, config
        self._num_crops, self._augment = num_crops, augment

    def __len__(self) -> int:
        return self._num_crops

    def __getitem__(self, index: int) -> Batch:
        """Crop `index`: `parameters` and `vocals`, each [crop frames, NUM_PARAMETERS]."""
        rng = np.random.default_rng((self._config.seed, index))
        pair = self._pairs[int(rng.integers(len(self._pairs)))]
        size, limit = self._config.crop_frames, self._config.max_transpose
        start = int(rng.integers(max(1, len(pair.band) - size + 1)))
        semitones = int(rng.integers(-limit, limit + 1)) if self._augment else 0
        rows = {"parameters": pair.band, "vocals": pair.vocals}
        return {
            name: torch.from_numpy(
                transpose_parameters(padded(whole[start : start + size], size), semitones)
            )
            for name, whole in rows.items()
        }


class PublishedModule(L.LightningModule):
    """Trains the published network on latents of a frozen codec.

    Args:
        experiment: All settings; of the network there are none.
        codec: Encodes parameters to latents; not trained, not saved.
    """

    def __init__(self, experiment: Experiment, codec: CodecVAE) -> None:
        super().__init__()
        # The mark tells later which codec's latents the network speaks.
        self.save_hyperparameters(
            {"experiment": to_dict(experiment), "codec_mark": latent_mark(codec)}
        )
        self.experiment = experiment
        self.model = PublishedNetwork()
        # In a tuple, so that it is no submodule: checkpoints hold the network alone.
        self._codec = (codec.eval().requires_grad_(False),)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted error of v at random steps."""
        latents, vocals = self._latents(batch)
        kept = torch.rand(len(latents), 1, 1, device=self.device)
        vocals = vocals * (kept >= self.experiment.train.drop_all)
        steps = torch.randint(NUM_STEPS, (len(latents),), device=self.device)
        loss = self._error(latents, vocals, steps, torch.randn_like(latents)).mean()
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The same at fixed steps and noise."""
        latents, vocals = self._latents(batch)
        steps = torch.linspace(0, NUM_STEPS - 1, len(latents), device=self.device).long()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(batch_idx)
            noise = torch.randn(latents.shape).to(self.device)
        self.log("validation", self._error(latents, vocals, steps, noise).mean(), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the time budget sets its rate."""
        return optimizer_of(self.model, self.experiment)

    def _latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        codec = self._codec[0].to(self.device)
        with torch.no_grad():
            return codec.encode(batch["parameters"]).float(), codec.encode(batch["vocals"]).float()

    def _error(self, latents: Tensor, vocals: Tensor, steps: Tensor, noise: Tensor) -> Tensor:
        """Weighted squared error of v [batch]."""
        alpha = cosine_alphas().to(latents)[steps][:, None, None]
        noisy = alpha.sqrt() * latents + (1 - alpha).sqrt() * noise
        wanted = alpha.sqrt() * noise - (1 - alpha).sqrt() * latents
        found = self.model(noisy, steps, vocals).float()
        weight = (2 * (1 - alpha) / alpha).clamp(max=_MOST_WEIGHT)
        error: Tensor = (weight * (found - wanted).square()).mean(dim=(1, 2))
        return error


def fit_published(experiment: Experiment, codec: Path, *, resume: bool = False) -> Path:
    """Train the published network.

    Args:
        experiment: Settings; `train.data` holds cached items with their voices encoded too
            (`banso prepare cache --vocals`), `train.run` takes the results.
        codec: Checkpoint of `fit_codec`.
        resume: Whether to go on from the run's last checkpoint.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights.

    Raises:
        DataError: If there are no pairs to train on. ConfigError: If there is nothing to resume.
    """
    config = experiment.train
    pairs = load_pairs(Path(config.data))
    module = PublishedModule(experiment, load_codec(codec))
    num_crops = config.max_steps * config.batch_size
    held_out = pairs["validation"] or pairs["train"]
    return fit_module(
        module,
        config,
        PairCrops(pairs["train"], config, num_crops, augment=True),
        PairCrops(held_out, config, _VALIDATION_CROPS, augment=False),
        resume=resume,
    )


def load_pairs(cache: Path) -> dict[str, list[Pair]]:
    """Read whole bands and their voices, by split; songs of the test split are left out.

    Raises:
        DataError: If no song to train on has its voice encoded.
    """
    pairs: dict[str, list[Pair]] = {"train": [], "validation": []}
    for example in load_cache(cache):
        vocals = load_vocals(cache, example.item_id)
        if vocals is not None and example.split in pairs:
            pairs[example.split].append(Pair(example.parameters, vocals))
    if not pairs["train"]:
        raise DataError(f"{cache} holds no encoded voices; run banso prepare cache --vocals")
    return pairs


@torch.no_grad()
def latent_mark(codec: CodecVAE) -> list[float]:
    """Return some latents of a fixed sound, by which a codec is known again."""
    parameters = torch.from_numpy(analyze(probe()).to_array())[None]
    latents = codec.float().cpu().encode(parameters)[0]
    return [float(value) for value in latents[len(latents) // 2]]
