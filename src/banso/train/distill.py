"""Few steps: a student learns to take in one evaluation what its guided teacher takes in several.

The student begins as its teacher and has fixed steps. The teacher goes from noise to latents with
guidance and in small steps; the student follows from the same noise, on its own way, and learns at
each of its steps the one estimate of the clean latents that leads straight to where the teacher was
at that level. So its step costs one evaluation, and guidance nothing. A way of the teacher, which
is what costs most, serves several times.

References:
    Salimans & Ho 2022, arXiv:2202.00512 (progressive distillation; here all steps at once, along
    one path). Meng et al. 2023, arXiv:2210.03142 (guidance folded in). Lu et al. 2022,
    arXiv:2211.01095 (the teacher's steps). Song & Dhariwal 2024, arXiv:2310.14189, section 3.3
    (pseudo-Huber loss).
"""

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping
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
from banso.model.denoiser import DenoiserNetwork, Encoding, denoise_at
from banso.sampler import Step, steps_of
from banso.schedule import direction_between, preconditioning
from banso.train.loop import (
    crops_of,
    fit_module,
    load_codec,
    load_denoiser,
    load_examples,
    load_settings,
)
from banso.train.module import Batch, DenoiserModule, assemble_batch, fixed_noise

Levels = NDArray[np.float32]


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
    def follow(
        self,
        noisy: Tensor,
        conditioning: Tensor,
        levels: Levels,
        encoding: Encoding | None = None,
    ) -> Tensor:
        """Go down the levels by DPM-Solver++(2M).

        Args:
            noisy: Latents at the first level [batch, frames, channels].
            conditioning: [batch, frames, NUM_CONDITIONS].
            levels: Falling [levels], the last one 0.
            encoding: Of the conditioning, if it is at hand.

        Returns:
            Latents at each level [levels, batch, frames, channels].
        """
        encoder = self._network.encoder
        encodings = (
            encoder(conditioning) if encoding is None else encoding,
            encoder(without_conditions(conditioning)),
        )

        def denoise(noisy: Tensor, sigma: float) -> Tensor:
            estimates = [
                denoise_at(self._network, noisy, sigma, encoding, conditioning)
                for encoding in (encodings if sigma >= self._guided_from else encodings[:1])
            ]
            return torch.lerp(estimates[-1], estimates[0], self._scale)

        steps = steps_of(denoise, noisy, levels, order=2)
        return torch.stack([noisy, *(step.reached for step in steps)])


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Ways of the teacher from noise to latents, and what they were found under.

    Attributes:
        states: Latents where each of the student's steps begins, and where the last one ends
            [steps + 1, batch, frames, channels].
        conditioning: [batch, frames, NUM_CONDITIONS].
        encoding: Of it, by the encoder that teacher and student share.
        known: [batch, frames], True where the latents are given to the network.
    """

    states: Tensor
    conditioning: Tensor
    encoding: Encoding
    known: Tensor


class DistillModule(DenoiserModule):
    """Trains a student of few steps, at one evaluation each, on latents of a frozen codec.

    Only the hourglass learns: what the encoder makes of voice and plan does not depend on steps.

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
        self.model.encoder.requires_grad_(False)
        self._sigmas = noise_levels(experiment.sampler)
        # In a tuple, as the codec.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self._travelled: deque[Paths] = deque(maxlen=experiment.distill.remembered)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Error of the student's steps against where the teacher goes from the same noise."""
        if not self._travelled or batch_idx % self.experiment.distill.reuse == 0:
            self._travelled.append(self._paths(batch))
            paths = self._travelled[-1]
        else:
            paths = self._travelled[int(torch.randint(len(self._travelled), ()))]
        loss = torch.stack([error.mean() for _, error in self._walk(paths)]).mean()
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """How far the student is from its teacher, step by step and in the end, at fixed noise."""
        paths = self._paths(batch, batch_idx)
        walked = list(self._walk(paths))
        for index, (_, error) in enumerate(walked):
            self.log(f"validation_step{index}", error.mean())
        distance = (walked[-1][0].reached - paths.states[-1]).square().mean().sqrt()
        self.log("validation", distance, prog_bar=True)

    @torch.no_grad()
    def _paths(self, batch: Batch, seed: int | None = None) -> Paths:
        """Send the teacher down from noise, new or that of a seed."""
        latents, others = self.latents(batch)
        conditioning = assemble_batch(batch, latents, others)
        noise = torch.randn_like(latents) if seed is None else fixed_noise(latents, seed)
        network = self._teacher[0].to(self.device)
        levels = teacher_levels(self._sigmas, self.experiment.distill)
        teacher = GuidedTeacher(network, self.experiment.sampler)
        encoding = network.encoder(conditioning)
        states = teacher.follow(noise * float(levels[0]), conditioning, levels, encoding)
        visited = states[:: self.experiment.distill.substeps]
        return Paths(visited, conditioning, encoding, batch["known"])

    def _walk(self, paths: Paths) -> Iterator[tuple[Step[Tensor], Tensor]]:
        """Yield the student's steps, and how wrong each one's direction is [batch].

        It walks its own way, so that it learns to come back to the teacher's. No step is to make
        up for a later one: no gradient follows the latents.
        """

        def denoise(noisy: Tensor, sigma: float) -> Tensor:
            given = paths.encoding, paths.conditioning
            return denoise_at(self.model, noisy.detach(), sigma, *given)

        order, huber = self.experiment.sampler.order, self.experiment.distill.huber
        steps = steps_of(denoise, paths.states[0], self._sigmas, order)
        for step, sigma, goal in zip(steps, self._sigmas, paths.states[1:], strict=False):
            wanted = direction_between(step.noisy.detach(), goal, step.ratio)
            yield step, step_error(step.direction, wanted, float(sigma), paths.known, huber)


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
    """Noise levels of the teacher [num_steps * substeps + 1], every `substeps`-th the student's.

    Evenly spaced in log sigma within each step; where it ends at 0, the last substep goes there.

    Args:
        sigmas: The student's levels [num_steps + 1], ending at 0.
        config: How many substeps, and the teacher's last level before 0.
    """
    num = config.substeps
    rows = [np.geomspace(*pair, num, endpoint=False) for pair in pairwise(sigmas[:-1])]
    # A student that starts its last step from there has a teacher that goes lower still.
    least = min(config.sigma_min, float(sigmas[-2]) / 2)
    falling = np.geomspace(sigmas[-2], least, num) if num > 1 else sigmas[-2:-1]
    return np.concatenate([*rows, falling, [0.0]], dtype=np.float32)


def step_error(found: Tensor, target: Tensor, sigma: float, known: Tensor, huber: float) -> Tensor:
    """Error of estimates over the frames that are not known, weighted as the denoiser's is.

    Args:
        found: The student's estimates [batch, frames, channels].
        target: What they should be, the same shape.
        sigma: Noise level.
        known: [batch, frames], True where the latents are given to the network.
        huber: Root mean square error of a frame beyond which the loss grows no faster than the
            error; 0 for the squared error.

    Returns:
        [batch]; for small errors the mean square of what the raw network is wrong by.
    """
    error = preconditioning(sigma).out ** -2 * (found - target).square().mean(-1)
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
