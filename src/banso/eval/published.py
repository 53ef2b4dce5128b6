"""Sampling from the published network, as published, and what that costs.

References:
    Cheung, Zhang & Chan 2025, arXiv:2507.19991. Ho et al. 2020, arXiv:2006.11239, algorithm 2
    (ancestral sampling). Salimans & Ho 2022, arXiv:2202.00512, app. D (v).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from banso.model.published import (
    NUM_CHANNELS,
    NUM_FRAMES,
    NUM_STEPS,
    PublishedNetwork,
    cosine_alphas,
)

GUIDANCE_SCALE = 3.0
NUM_EVALUATIONS = 2 * NUM_STEPS


@dataclass(frozen=True, slots=True)
class SamplingTime:
    """Cost of the published sampler on this machine.

    Attributes:
        evaluation_seconds: Median time of one evaluation of the network, one clip.
        total_seconds: The same times 1 600 evaluations.
    """

    evaluation_seconds: float
    total_seconds: float


@torch.inference_mode()
def sample_published(
    predict_v: Callable[[Tensor, Tensor, Tensor], Tensor],
    vocals: Tensor,
    noise: Tensor,
    *,
    num_steps: int = NUM_STEPS,
    guidance_scale: float = GUIDANCE_SCALE,
    seed: int = 0,
) -> Tensor:
    """Ancestral DDPM with classifier-free guidance, two evaluations per step.

    The unconditional branch sees vocal latents of zeros. v = √ᾱ ε - √(1-ᾱ) z₀, hence
    z₀ = √ᾱ x - √(1-ᾱ) v.

    Args:
        predict_v: `PublishedNetwork` or a stand-in of the same signature.
        vocals: Latents of the voice [batch, frames, 64].
        noise: Unit Gaussian of the same shape.
        num_steps: How many of the schedule's 800 steps are taken, evenly spaced; published are all.
        guidance_scale: 1.0 disables guidance.
        seed: Of the noise added on the way.

    Returns:
        Clean latents [batch, frames, 64].
    """
    indices = torch.linspace(NUM_STEPS - 1, 0, num_steps).round().long()
    alphas = cosine_alphas().to(noise.dtype)[indices]
    generator = torch.Generator().manual_seed(seed)
    x = noise
    for place, index in enumerate(indices):
        step = index.expand(len(x))
        with_voice, without = (predict_v(x, step, c) for c in (vocals, torch.zeros_like(vocals)))
        v = without + guidance_scale * (with_voice - without)
        alpha = alphas[place]
        previous = alphas[place + 1] if place + 1 < num_steps else torch.ones(())
        clean = alpha.sqrt() * x - (1 - alpha).sqrt() * v
        beta = 1 - alpha / previous
        mean = previous.sqrt() * beta / (1 - alpha) * clean
        mean = mean + (1 - beta).sqrt() * (1 - previous) / (1 - alpha) * x
        spread = (beta * (1 - previous) / (1 - alpha)).sqrt()
        x = mean + spread * torch.randn(x.shape, generator=generator)
    return x


@torch.inference_mode()
def time_published(*, num_repeats: int = 5) -> SamplingTime:
    """Time one evaluation on 47.55 s of latents and extrapolate to all 1 600.

    Args:
        num_repeats: Evaluations timed after one to warm up.

    Returns:
        Median and extrapolated seconds, with torch's present number of threads.
    """
    network = PublishedNetwork().eval()
    latents = torch.zeros(1, NUM_FRAMES, NUM_CHANNELS)
    step = torch.tensor([NUM_STEPS // 2])
    network(latents, step, latents)
    seconds = []
    for _ in range(num_repeats):
        start = time.perf_counter()
        network(latents, step, latents)
        seconds.append(time.perf_counter() - start)
    median = sorted(seconds)[num_repeats // 2]
    return SamplingTime(median, NUM_EVALUATIONS * median)
