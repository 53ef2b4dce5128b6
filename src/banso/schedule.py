"""Noise levels and preconditioning, with arithmetic only: the same lines serve numpy and torch.

With `sigma_data` = 1 the preconditioned network's target is the velocity of v-prediction up to its
sign, so this is SAMUeL's objective in the notation of Karras et al.

References:
    Karras et al. 2022, arXiv:2206.00364, equation 5 and table 1. Salimans and Ho 2022,
    arXiv:2202.00512, appendix D (v-prediction).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Preconditioning:
    """Coefficients of `denoised = skip * noisy + out * network(input * noisy)`.

    Attributes:
        skip: Weight of the noisy latents.
        out: Weight of the network's output.
        input: Scale of the network's input.
    """

    skip: Any
    out: Any
    input: Any


def preconditioning(sigma: Any) -> Preconditioning:
    """Coefficients for noise of standard deviation `sigma` on latents of unit variance.

    Args:
        sigma: Number, numpy array or torch tensor; any shape.
    """
    total = sigma**2 + 1
    return Preconditioning(1 / total, sigma / total**0.5, 1 / total**0.5)


def karras_sigmas(
    num_steps: int, sigma_min: float, sigma_max: float, rho: float
) -> NDArray[np.float32]:
    """Noise levels [num_steps + 1], decreasing from `sigma_max` to `sigma_min`, then 0.

    References:
        Karras et al. 2022, arXiv:2206.00364, equation 5.
    """
    if num_steps == 1:
        return np.array([sigma_max, 0.0], dtype=np.float32)
    ramp = np.arange(num_steps) / (num_steps - 1)
    root_max, root_min = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    sigmas = (root_max + ramp * (root_min - root_max)) ** rho
    return np.append(sigmas, 0.0).astype(np.float32)


def stepped(noisy: Any, direction: Any, ratio: Any) -> Any:
    """Latents at the next level: on the straight line from `noisy` to an estimate of clean ones.

    Args:
        noisy: Latents at a level.
        direction: Estimate of the clean ones, the same shape.
        ratio: The next level divided by this one; 0 goes all the way.
    """
    return ratio * noisy + (1 - ratio) * direction


def direction_between(noisy: Any, reached: Any, ratio: Any) -> Any:
    """The estimate with which `stepped` goes from `noisy` to `reached`: its inverse."""
    return (reached - ratio * noisy) / (1 - ratio)


def extrapolated(denoised: Any, previous: Any, half_ratio: Any) -> Any:
    """Two estimates as the one that makes a step exact to second order.

    Args:
        denoised: Estimate at this level.
        previous: Estimate at the level before.
        half_ratio: Half of this step's width over the last one's, both in log sigma.

    References:
        Lu et al. 2022, arXiv:2211.01095, algorithm 2.
    """
    return (1 + half_ratio) * denoised - half_ratio * previous


def global_share(sigma: Any) -> Any:
    """How much of the alignment is global at a noise level: 1 on pure noise, 0 on clean latents.

    The share is the noise's part of the variance, sigma^2 / (sigma^2 + 1) = 1 - alpha-bar: where
    hardly anything is known the whole song decides, then the neighbourhood refines. SAMUeL's
    code runs the other way round (g = 1 - t / (T - 1)); both are configurations.
    """
    return sigma**2 / (sigma**2 + 1)
