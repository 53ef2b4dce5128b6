"""What one training step does, as Lightning modules around the plain networks."""

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from banso import conditioning as c
from banso.codec.envelope import SILENCE_DB
from banso.config import Experiment, to_dict
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork, Encoding, keep_known
from banso.model.diffusion import denoising_loss, draw_sigmas
from banso.model.envelope import EnvelopeNetwork, mid_and_side_distance

Batch = dict[str, Tensor]


class CodecModule(L.LightningModule):
    """Trains the learned half of the codec, and what hears the band's envelope in its latents.

    Both learn at once, so that latents keep what the envelope needs; where no envelope was
    measured, the codec learns alone.
    """

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        self.save_hyperparameters({"experiment": to_dict(experiment)})
        self.experiment = experiment
        self.model = CodecVAE(experiment.codec)
        self.envelope = EnvelopeNetwork(experiment.envelope, experiment.codec.num_channels)
        if experiment.train.freeze_encoder:
            self.model.freeze_encoder()
        if experiment.train.freeze_codec:
            self.model.requires_grad_(False)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Evidence bound of a batch, and the envelope's error."""
        if self.experiment.train.freeze_codec:
            with torch.no_grad():
                latents = self.model.draw(batch["parameters"])
                decoded = self.model.decode(latents)
            return self._envelope_loss(batch, latents, decoded)
        loss = self.model(batch["parameters"])
        self.log_dict(
            {
                "loss": loss.total,
                "error": loss.reconstruction.sqrt(),
                "kl_nats_per_frame": loss.kl,
                "chroma_error": loss.chroma,
                "band_error_db": loss.band_db,
            },
            prog_bar=True,
        )
        total: Tensor = loss.total
        if "envelope" in batch:
            weight = self.experiment.train.envelope_weight
            total = total + weight * self._envelope_loss(batch, loss.latents, loss.decoded)
        return total

    def _envelope_loss(self, batch: Batch, latents: Tensor, decoded: Tensor) -> Tensor:
        mid, side = self._envelope_errors(batch, latents, decoded)
        self.log_dict({"envelope_mid_db": mid, "envelope_side_db": side}, prog_bar=True)
        return mid + self.experiment.train.side_weight * side

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Error of posterior means on songs not trained on, in weighted level units."""
        weighted = self.model.weighted(batch["parameters"])
        latents = self.model.encode(batch["parameters"])
        decoded = self.model.decode(latents)
        again = self.model.weighted(decoded)
        self.log("validation_error", (again - weighted).square().mean().sqrt(), prog_bar=True)
        if "envelope" in batch:
            mid, side = self._envelope_errors(batch, latents, decoded, audible_only=True)
            self.log_dict({"validation_envelope_mid_db": mid, "validation_envelope_side_db": side})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the time budget sets its rate."""
        return optimizer_of(self, self.experiment)

    def _envelope_errors(
        self, batch: Batch, latents: Tensor, decoded: Tensor, *, audible_only: bool = False
    ) -> tuple[Tensor, Tensor]:
        """How wrong the envelope of mid and of side is, dB, where it was measured."""
        wanted = batch["envelope"]
        found = self.envelope(latents, decoded) - SILENCE_DB
        # Nothing is to be learned of frames that were not measured.
        measured = wanted.any(-1, keepdim=True)
        found = torch.where(measured, found, wanted)
        share = measured.float().mean().clamp(min=1e-6)
        mid, side = mid_and_side_distance(
            found, wanted, batch["loudest"], audible_only=audible_only
        )
        return (mid, side) if audible_only else (mid / share, side / share)


class DenoiserModule(L.LightningModule):
    """Trains the denoiser on latents of a frozen codec.

    Args:
        experiment: All settings.
        codec: Encodes parameters to latents; not trained, not saved.
    """

    def __init__(self, experiment: Experiment, codec: CodecVAE) -> None:
        super().__init__()
        self.save_hyperparameters({"experiment": to_dict(experiment)})
        self.experiment = experiment
        self.model = DenoiserNetwork(experiment.denoiser)
        # In a tuple, so that it is no submodule: checkpoints hold the denoiser alone.
        self._codec = (codec.eval().requires_grad_(False),)

    def latents(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Clean latents [batch, frames, channels], and those of the parts already there."""
        codec = self._codec[0].to(self.device)
        hears = batch["hears_others"]
        with torch.no_grad():
            latents = codec.encode(batch["parameters"]).float()
            others = torch.zeros_like(latents)
            if hears.any():
                others[hears] = codec.encode(batch["others"][hears]).float()
        return latents, others

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Denoising error, plus the error in naming chords and beats from the encoding."""
        config = self.experiment.train
        latents, others = self.latents(batch)
        sigma = draw_sigmas(len(latents), config.sigma_mean, config.sigma_std, self.device)
        conditioning = assemble_batch(batch, latents, others)
        encoding = self.model.encoder(conditioning)
        loss = self._denoising(latents, sigma, conditioning, encoding, batch["known"]).mean()
        harmony, pulse = auxiliary_losses(encoding, batch["truth"])
        self.log_dict({"loss": loss, "harmony": harmony, "pulse": pulse}, prog_bar=True)
        return loss + config.auxiliary_weight * (harmony + pulse)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The same at fixed noise levels, with the voice alone and with everything given."""
        latents, others = self.latents(batch)
        num = len(latents)
        sigma = torch.logspace(-1, 1, num, device=self.device)
        for name, kept in (("given", c.KNOWN.start), ("vocal", c.VOCAL.stop)):
            partial = dict(batch)
            partial["conditions"] = batch["truth"].clone()
            partial["conditions"][..., kept:] = 0
            conditioning = assemble_batch(partial, latents, others)
            encoding = self.model.encoder(conditioning)
            noise = fixed_noise(latents, batch_idx)
            loss = self._denoising(latents, sigma, conditioning, encoding, batch["known"], noise)
            harmony, pulse = auxiliary_losses(encoding, batch["truth"])
            self.log(f"validation_{name}", loss.mean(), prog_bar=True)
            self.log_dict({f"harmony_{name}": harmony, f"pulse_{name}": pulse})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW; the time budget sets its rate."""
        return optimizer_of(self.model, self.experiment)

    def _denoising(
        self,
        latents: Tensor,
        sigma: Tensor,
        conditioning: Tensor,
        encoding: Encoding,
        known: Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        def denoise(noisy: Tensor, level: Tensor) -> Tensor:
            return keep_known(self.model.hourglass(noisy, level, encoding), conditioning)

        return denoising_loss(denoise, latents, sigma, known, noise)


def fixed_noise(like: Tensor, seed: int) -> Tensor:
    """Unit Gaussian of a tensor's shape, the same on every device; no other chance is touched."""
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like)


def assemble_batch(batch: Batch, latents: Tensor, others: Tensor) -> Tensor:
    """Conditioning [batch, frames, NUM_CONDITIONS] with known latents and other parts filled in.

    Args:
        batch: As `CropDataset` makes it.
        latents: Clean latents [batch, frames, channels].
        others: Latents of the parts already there, the same shape.
    """
    frames = latents.shape[1]
    mask = batch["known"][..., None].to(latents.dtype)
    parts = batch["parts"][:, None].expand(-1, frames, -1).to(latents.dtype)
    heard = batch["hears_others"][:, None, None].to(latents.dtype).expand(-1, frames, 1)
    given = batch["conditions"]
    return torch.cat([given, mask, latents * mask, parts, heard, others * heard], dim=-1)


def auxiliary_losses(encoding: Encoding, truth: Tensor) -> tuple[Tensor, Tensor]:
    """How badly the encoding names the chord (nats per tone) and the beat (squared error).

    The denoising error alone teaches harmony slowly, because a wrong chord costs little of it;
    asking the encoder directly gives it a gradient that does not pass the noise.

    Args:
        encoding: Of a batch.
        truth: Conditions before any were dropped [batch, frames, features].
    """
    chords = truth[:, ::4, c.CHORDS]
    present = chords[..., :1]
    tones = binary_cross_entropy_with_logits(
        encoding.harmony[..., :24].float(), chords[..., 1:], reduction="none"
    )
    harmony = (tones * present).sum() / (24 * present.sum()).clamp(min=1)
    beats = truth[:, ::2, c.BEATS]
    squared = (encoding.pulse.float() - beats[..., 1:]).square() * beats[..., :1]
    pulse = squared.sum() / (4 * beats[..., :1].sum()).clamp(min=1)
    return harmony, pulse


def optimizer_of(model: torch.nn.Module, experiment: Experiment) -> torch.optim.Optimizer:
    """AdamW at the experiment's rate, with weight decay on matrices alone."""
    config = experiment.train
    learning = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in learning if p.ndim >= 2]
    vectors = [p for p in learning if p.ndim < 2]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))
