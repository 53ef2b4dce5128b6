"""Train the published network on our data: the same songs, codec and time, to compare with.

As published: v-objective with the loss weight min(2 / SNR, 10), the voice dropped one time in ten,
averaged weights. Left out: what its code did by mistake; see `banso.model.published`.

References:
    Cheung, Zhang & Chan 2025, arXiv:2507.19991. Hang et al. 2023, arXiv:2303.09556 (weights by
    signal-to-noise ratio).
"""

import dataclasses
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

from banso.codec.analysis import analyze
from banso.config import Experiment, to_dict
from banso.data.cache import Example, load_cache, load_vocals
from banso.errors import DataError
from banso.model.codec import CodecVAE
from banso.model.published import NUM_STEPS, PublishedNetwork, cosine_alphas, probe
from banso.train.loop import crops_of, fit_module, load_codec
from banso.train.module import Batch, fixed_noise, optimizer_of

_MOST_WEIGHT = 10.0


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
        error = self._error(latents, vocals, steps, fixed_noise(latents, batch_idx))
        self.log("validation", error.mean(), prog_bar=True)

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
    training, held_out = crops_of(pairs["train"], pairs["validation"] or pairs["train"], config)
    return fit_module(module, config, training, held_out, resume=resume)


def load_pairs(cache: Path) -> dict[str, list[Example]]:
    """Read whole bands and their voices, by split; songs of the test split are left out.

    Raises:
        DataError: If no song to train on has its voice encoded.
    """
    pairs: dict[str, list[Example]] = {"train": [], "validation": []}
    for example in load_cache(cache):
        vocals = load_vocals(cache, example.item_id)
        if vocals is not None and example.split in pairs:
            pairs[example.split].append(dataclasses.replace(example, vocals=vocals))
    if not pairs["train"]:
        raise DataError(f"{cache} holds no encoded voices; run banso prepare cache --vocals")
    return pairs


@torch.no_grad()
def latent_mark(codec: CodecVAE) -> list[float]:
    """Return some latents of a fixed sound, by which a codec is known again."""
    parameters = torch.from_numpy(analyze(probe()).to_array())[None]
    latents = codec.float().cpu().encode(parameters)[0]
    return [float(value) for value in latents[len(latents) // 2]]
