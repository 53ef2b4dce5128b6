"""The training objective: noise levels, noisy latents and the weighted denoising error.

References:
    Karras et al. 2022, arXiv:2206.00364, equation 8 and table 1 (log-normal levels; the weight
    makes the raw network's error count equally at all levels).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from banso.schedule import preconditioning


def draw_sigmas(num: int, mean: float, std: float, device: torch.device) -> Tensor:
    """Log-normal noise levels [num], spread evenly over their distribution within the batch.

    One stratum an item lowers the variance of the loss (Kingma et al. 2021, arXiv:2107.00630,
    appendix I.1).
    """
    quantile = (torch.rand(1, device=device) + torch.arange(num, device=device) / num) % 1.0
    normal = torch.special.ndtri(quantile.clamp(1e-4, 1 - 1e-4))
    sigmas: Tensor = (mean + std * normal).exp()
    return sigmas


def denoising_loss(
    denoise: Callable[[Tensor, Tensor], Tensor],
    latents: Tensor,
    sigma: Tensor,
    known: Tensor,
    noise: Tensor | None = None,
) -> Tensor:
    """Weighted squared error over the frames that are not known.

    Args:
        denoise: Maps noisy latents [batch, frames, channels] and levels [batch] to clean ones.
        latents: Clean latents [batch, frames, channels].
        sigma: Levels [batch].
        known: [batch, frames], True where the latents are given to the network.
        noise: Unit Gaussian like the latents; None draws it.

    Returns:
        Error of each item [batch]; 1 for a network that outputs nothing, on unit latents.
    """
    level = sigma[:, None, None]
    noise = torch.randn_like(latents) if noise is None else noise
    denoised = denoise(latents + level * noise, sigma).float()
    weight = preconditioning(level).out ** -2
    squared = (weight * (denoised - latents).square()).mean(-1)
    free = (~known).float()
    error: Tensor = (squared * free).sum(1) / free.sum(1).clamp(min=1)
    return error
