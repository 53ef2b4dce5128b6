"""Few steps: a student learns to take in one evaluation what its guided teacher takes in several.

The student begins as its teacher and has fixed steps. From noisy latents at one of them, the
teacher goes with guidance and in small steps to where the student's step ends; the student learns
the one estimate of the clean latents that leads there straight. So its step costs one evaluation,
and guidance nothing.

References:
    Salimans & Ho 2022, arXiv:2202.00512 (progressive distillation; here all steps at once). Meng et
    al. 2023, arXiv:2210.03142 (guidance folded in). Lu et al. 2022, arXiv:2211.01095 (the teacher's
    steps). Song & Dhariwal 2024, arXiv:2310.14189, section 3.3 (pseudo-Huber loss).
"""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from banso.bundle import load_bundle
from banso.conditioning import KNOWN
from banso.config import DistillConfig, Experiment, SamplerConfig, config_hash
from banso.generation import guided_from, noise_levels
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork, Encoding, keep_known
from banso.schedule import direction_between, extrapolated, preconditioning, stepped
from banso.train.loop import (
    crops_of,
    fit_module,
    load_codec,
    load_denoiser,
    load_examples,
    load_settings,
)
from banso.train.module import Batch, DenoiserModule, assemble_batch

Levels = NDArray[np.float32]
Steps = NDArray[np.int64]

# The teacher's substeps within a step are equally wide in log sigma.
_HALF_RATIO = 0.5


class GuidedTeacher:
    """A trained denoiser, its guidance, and its way from one noise level to a lower one.

    Args:
        network: Not changed.
        config: Scale of the guidance, and down to which noise level there is any.
    """

    def __init__(self, network: DenoiserNetwork, config: SamplerConfig) -> None:
        self._network, self._scale = network, config.guidance_scale
        self._guided_from = guided_from(config) if self._scale != 1.0 else np.inf

    @torch.no_grad()
    def follow(self, noisy: Tensor, conditioning: Tensor, levels: Levels) -> Tensor:
        """Go down the levels by DPM-Solver++(2M), started anew.

        Args:
            noisy: Latents at the first level of each item [batch, frames, channels].
            conditioning: [batch, frames, NUM_CONDITIONS].
            levels: Of each item [batch, substeps + 1], falling, the noisiest items first, so that
                those with guidance are a beginning of the batch and no others are evaluated twice.

        Returns:
            Latents at the last level, the same shape.
        """
        num_guided = (levels[:, :-1] >= self._guided_from).sum(axis=0).tolist()
        both = torch.cat([conditioning, without_conditions(conditioning[: num_guided[0]])])
        encoding = self._network.encoder(both)
        sigmas = torch.from_numpy(levels).to(noisy.device)
        halves = torch.where(sigmas[:, 1:] > 0, _HALF_RATIO, 0.0)[..., None, None]
        ratios = (sigmas[:, 1:] / sigmas[:, :-1])[..., None, None]
        previous: Tensor | None = None
        for step, guided in enumerate(num_guided):
            sigma = sigmas[:, step]
            twice = torch.cat([noisy, noisy[:guided]])
            rows = slice(len(noisy) + guided)
            level = torch.cat([sigma, sigma[:guided]])
            estimate = self._network.hourglass(twice, level, part_of(encoding, rows))
            denoised = self._guide(keep_known(estimate, both[rows]).float(), len(noisy))
            straight = denoised if previous is None else previous
            direction = extrapolated(denoised, straight, halves[:, step])
            noisy, previous = stepped(noisy, direction, ratios[:, step]), denoised
        return noisy

    def _guide(self, estimates: Tensor, num: int) -> Tensor:
        """Guided estimates [num, ...] of conditional ones and, for the first items, plain ones."""
        conditional, plain = estimates[:num], estimates[num:]
        guided = plain + self._scale * (conditional[: len(plain)] - plain)
        return torch.cat([guided, conditional[len(plain) :]])


class DistillModule(DenoiserModule):
    """Trains a student of few steps, at one evaluation each, on latents of a frozen codec.

    Args:
        experiment: All settings; `sampler` holds the student's steps and the guidance to fold in.
        codec: Encodes parameters to latents; not trained, not saved.
        teacher: Whose weights the student begins with; not trained, not saved.
        told: What is known of the teacher, for the record.
    """

    def __init__(
        self,
        experiment: Experiment,
        codec: CodecVAE,
        teacher: DenoiserNetwork,
        told: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(dataclasses.replace(experiment, denoiser=teacher.config), codec)
        self.save_hyperparameters({"teacher": dict(told or {})})
        self.model.load_state_dict(teacher.state_dict())
        sampler = experiment.sampler
        self._sigmas = noise_levels(sampler)
        self._levels = teacher_levels(self._sigmas, experiment.distill)
        # In a tuple, as the codec.
        self._teacher = (teacher.eval().requires_grad_(False),)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Error of the student's estimates against those that lead where the teacher goes."""
        latents, others = self.latents(batch)
        conditioning = assemble_batch(batch, latents, others)
        encoding = self.model.encoder(conditioning)
        steps = drawn_steps(len(latents), len(self._levels))
        noise = torch.randn_like(latents)
        if float(torch.rand(())) < self.experiment.distill.own_share:
            noisy = self._own(noise, conditioning, encoding, steps)
        else:
            noisy = self._noisy(latents, noise, steps)
        error = self._error(noisy, conditioning, encoding, batch["known"], steps)
        loss = error.mean()
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """How far the student is from its teacher, step by step and in the end, at fixed noise."""
        latents, others = self.latents(batch)
        draw = torch.Generator().manual_seed(batch_idx)
        noise = torch.randn(latents.shape, generator=draw).to(self.device)
        conditioning = assemble_batch(batch, latents, others)
        encoding = self.model.encoder(conditioning)
        wanted = noise * float(self._sigmas[0])
        for step in range(len(self._levels)):
            steps = np.full(len(latents), step)
            noisy = self._noisy(latents, noise, steps)
            error = self._error(noisy, conditioning, encoding, batch["known"], steps)
            self.log(f"validation_step{step}", error.mean())
            wanted = self._follow(wanted, conditioning, steps)
        last = np.full(len(latents), len(self._levels) - 1)
        before = self._own(noise, conditioning, encoding, last)
        found = self._student(before, self._levels_of(last), conditioning, encoding)
        self.log("validation", (found - wanted).square().mean().sqrt(), prog_bar=True)

    def _noisy(self, latents: Tensor, noise: Tensor, steps: Steps) -> Tensor:
        """Latents at the levels of steps [batch]; at the first only noise, as in sampling."""
        begun = torch.from_numpy(steps > 0).to(latents)[:, None, None]
        return begun * latents + self._levels_of(steps)[:, None, None] * noise

    @torch.no_grad()
    def _own(self, noise: Tensor, conditioning: Tensor, encoding: Encoding, steps: Steps) -> Tensor:
        """Where the student's own path arrives before steps [batch], which must not fall."""
        noisy = noise * float(self._sigmas[0])
        for step in range(int(steps.max())):
            rows = slice(int(np.searchsorted(steps, step, side="right")), None)
            sigma = self._levels_of(np.full(len(steps[rows]), step))
            estimate = self._student(
                noisy[rows], sigma, conditioning[rows], part_of(encoding, rows)
            )
            ratio = float(self._sigmas[step + 1] / self._sigmas[step])
            noisy[rows] = stepped(noisy[rows], estimate, ratio)
        # Autocast keeps the weights that it has cast, and these were cast without a gradient.
        torch.clear_autocast_cache()
        return noisy

    def _error(
        self, noisy: Tensor, conditioning: Tensor, encoding: Encoding, known: Tensor, steps: Steps
    ) -> Tensor:
        """Error of each item [batch] at the student's steps [batch], which must not fall."""
        sigma = self._levels_of(steps)
        ratio = self._levels_of(steps + 1) / sigma
        reached = self._follow(noisy, conditioning, steps)
        target = direction_between(noisy, reached, ratio[:, None, None])
        found = self._student(noisy, sigma, conditioning, encoding)
        return step_error(found, target, sigma, known, self.experiment.distill.huber)

    def _student(
        self, noisy: Tensor, sigma: Tensor, conditioning: Tensor, encoding: Encoding
    ) -> Tensor:
        return keep_known(self.model.hourglass(noisy, sigma, encoding), conditioning).float()

    def _follow(self, noisy: Tensor, conditioning: Tensor, steps: Steps) -> Tensor:
        network = self._teacher[0].to(self.device)
        teacher = GuidedTeacher(network, self.experiment.sampler)
        return teacher.follow(noisy, conditioning, self._levels[steps])

    def _levels_of(self, steps: Steps) -> Tensor:
        return torch.from_numpy(self._sigmas[steps]).to(self.device)


def fit_distilled(
    experiment: Experiment, codec: Path, teacher: Path, *, resume: bool = False
) -> Path:
    """Train a student of few steps.

    Args:
        experiment: Settings; `train.data` holds cached items, `train.run` takes the results,
            `sampler` says which steps and guidance to learn. The network is the teacher's.
        codec: Checkpoint of `fit_codec`, or folder of a bundle.
        teacher: Checkpoint of `fit_denoiser`, or folder of a bundle.
        resume: Whether to go on from the run's last checkpoint.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights, its settings the
        sampler that the student is for.

    Raises:
        DataError: If there is no data. ConfigError: If there is nothing to resume.
    """
    module = DistillModule(experiment, load_codec(codec), load_denoiser(teacher), facts_of(teacher))
    training, held_out = crops_of(*load_examples(experiment.train), experiment.train)
    return fit_module(module, experiment.train, training, held_out, resume=resume)


def facts_of(teacher: Path) -> dict[str, Any]:
    """Return what a checkpoint or bundle says of its training, for the record of its student."""
    if teacher.is_dir():
        bundle = load_bundle(teacher)
        return {"bundle": bundle.name, "bundle_hash": bundle.hash}
    settings = load_settings(teacher)
    return {"minutes_denoiser": settings.train.minutes, "config_hash": config_hash(settings)}


def teacher_levels(sigmas: Levels, config: DistillConfig) -> Levels:
    """Noise levels [num_steps, substeps + 1] of the teacher within each step of the student.

    Evenly spaced in log sigma; where the student's step ends at 0, the last substep goes there.

    Args:
        sigmas: The student's levels [num_steps + 1], ending at 0.
        config: How many substeps, and the teacher's last level before 0.
    """
    num = config.substeps
    rows = [np.geomspace(sigma, target, num + 1) for sigma, target in pairwise(sigmas[:-1])]
    # A student that starts its last step from there has a teacher that goes lower still.
    least = min(config.sigma_min, float(sigmas[-2]) / 2)
    falling = np.geomspace(sigmas[-2], least, num) if num > 1 else sigmas[-2:-1]
    return np.array([*rows, np.append(falling, 0.0)], dtype=np.float32)


def drawn_steps(num: int, num_steps: int) -> Steps:
    """Draw which step each of `num` items learns: all steps alike often, in rising order."""
    offset = int(torch.randint(num_steps, ()))
    return np.sort((np.arange(num) + offset) % num_steps)


def step_error(found: Tensor, target: Tensor, sigma: Tensor, known: Tensor, huber: float) -> Tensor:
    """Error of estimates over the frames that are not known, weighted as the denoiser's is.

    Args:
        found: The student's estimates [batch, frames, channels].
        target: What they should be, the same shape.
        sigma: Noise levels [batch].
        known: [batch, frames], True where the latents are given to the network.
        huber: Root mean square error of a frame beyond which the loss grows no faster than the
            error; 0 for the squared error.

    Returns:
        [batch]; for small errors the mean square of what the raw network is wrong by.
    """
    weight = preconditioning(sigma[:, None, None]).out ** -2
    error = (weight * (found - target).square()).mean(-1)
    if huber > 0:
        # 2 huber (sqrt(error + huber²) - huber), without the difference of like numbers.
        error = 2 * huber * error / ((error + huber**2).sqrt() + huber)
    free = (~known).float()
    mean: Tensor = (error * free).sum(1) / free.sum(1).clamp(min=1)
    return mean


def without_conditions(conditioning: Tensor) -> Tensor:
    """What guidance compares with; see `banso.conditioning.null_conditioning`."""
    plain = torch.zeros_like(conditioning)
    plain[..., KNOWN] = conditioning[..., KNOWN]
    return plain


def part_of(encoding: Encoding, rows: slice) -> Encoding:
    """Some items of a batch's encoding."""
    fields = (field.name for field in dataclasses.fields(Encoding))
    return Encoding(**{name: getattr(encoding, name)[rows] for name in fields})
