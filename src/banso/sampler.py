"""The one sampling loop: numpy in, numpy out, over anything that can denoise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from banso.schedule import extrapolated, stepped

Array = NDArray[np.float32]
LatentsT = TypeVar("LatentsT")


class Denoiser(Protocol):
    """Estimates clean latents; the conditioning was given when it was made."""

    def __call__(self, noisy: Array, sigma: float) -> Array:
        """Denoise.

        Args:
            noisy: Clean latents plus `sigma` times unit noise, [batch, frames, channels].
            sigma: Noise level.

        Returns:
            Clean latents' estimate, the same shape.
        """
        ...


class ConditionalDenoiser(Protocol):
    """Turns conditioning into a denoiser; what can be computed once a window is done here."""

    def condition(self, conditioning: Array) -> Denoiser:
        """Fix the conditioning [batch, frames, features]."""
        ...


@dataclass(frozen=True, slots=True)
class Guidance:
    """Two denoisers of the same latents and how far to go from one towards the other.

    Attributes:
        conditional: Denoiser with everything known.
        unconditional: Denoiser without.
        scale: 1.0 is the conditional one alone, more exaggerates the difference.
        sigma_min: Noise level below which the conditional one is alone: what follows the voice is
            settled by then, and half of the evaluations there are saved.

    References:
        Ho and Salimans 2022, arXiv:2207.12598, equation 6. Kynkäänniemi et al. 2024,
        arXiv:2404.07724 (guidance in an interval of noise levels).
    """

    conditional: Denoiser
    unconditional: Denoiser
    scale: float
    sigma_min: float = 0.0

    def __call__(self, noisy: Array, sigma: float) -> Array:
        """Guided estimate [batch, frames, channels]."""
        if sigma < self.sigma_min:
            return self.conditional(noisy, sigma)
        plain = self.unconditional(noisy, sigma)
        estimate: Array = plain + np.float32(self.scale) * (self.conditional(noisy, sigma) - plain)
        return estimate


@dataclass(frozen=True, slots=True, eq=False)
class Unbiased:
    """A denoiser without what its estimates are wrong by on average.

    A network that was trained for long has next to no such error where there is little noise; where
    there is much, little of its training was there, and what it then is wrong by, later steps take
    for music. What is known of a few noise levels is interpolated over log sigma.

    Attributes:
        denoiser: To be put right.
        log_sigmas: Rising [levels].
        bias: Mean of estimates less mean of clean latents [levels, channels].
    """

    denoiser: Denoiser
    log_sigmas: NDArray[np.float64]
    bias: Array

    def __call__(self, noisy: Array, sigma: float) -> Array:
        """Estimate [batch, frames, channels] that is right on average."""
        place = np.interp(np.log(sigma), self.log_sigmas, np.arange(len(self.log_sigmas)))
        low, share = int(place), np.float32(place % 1)
        high = min(low + 1, len(self.bias) - 1)
        bias = (1 - share) * self.bias[low] + share * self.bias[high]
        estimate: Array = self.denoiser(noisy, sigma) - bias
        return estimate


def sample(
    denoiser: Denoiser,
    noise: Array,
    sigmas: Array,
    on_step: Callable[[int], None] | None = None,
    *,
    order: int = 2,
) -> Array:
    """Denoise latents along a decreasing noise schedule with DPM-Solver++(2M).

    Second order from the second step on, at one evaluation a step; the last step goes to the
    estimate itself, because its target level is zero. Of first order it is DDIM: what a network is
    for that learned where each step ends, and would be led astray by an extrapolation.

    Args:
        denoiser: Estimates clean latents from noisy ones.
        noise: Unit Gaussian [batch, frames, channels].
        sigmas: Strictly decreasing levels [num_steps + 1], ending at 0.
        on_step: Called after each step with the number of steps done.
        order: 2, or 1 for steps that know nothing of those before.

    Returns:
        Latents [batch, frames, channels] in the codec's units.

    Raises:
        ValueError: If `sigmas` does not decrease strictly to 0.

    References:
        Lu et al. 2022, arXiv:2211.01095, algorithm 2, with lambda = -log sigma. Song et al. 2021,
        arXiv:2010.02502 (DDIM).
    """
    if sigmas.ndim != 1 or sigmas[-1] != 0 or np.any(np.diff(sigmas) >= 0):
        raise ValueError("sigmas must decrease strictly to 0")
    reached = noise * sigmas[0]
    for index, step in enumerate(steps_of(denoiser, reached, sigmas, order)):
        reached = step.reached
        if on_step is not None:
            on_step(index + 1)
    return np.asarray(reached)


@dataclass(frozen=True, slots=True, eq=False)
class Step(Generic[LatentsT]):
    """One step of the sampler: on the straight line from `noisy` towards `direction`.

    Attributes:
        noisy: Latents where it begins.
        direction: Estimate of the clean latents that it takes.
        ratio: The level where it ends divided by the one where it begins.
        reached: Latents where it ends.
    """

    noisy: LatentsT
    direction: LatentsT
    ratio: float
    reached: LatentsT


def steps_of(
    denoiser: Callable[[LatentsT, float], LatentsT], noisy: LatentsT, sigmas: Array, order: int
) -> Iterator[Step[LatentsT]]:
    """Yield the steps of `sample`, of numpy arrays or of torch tensors.

    Args:
        denoiser: As for `sample`.
        noisy: Latents at the first level.
        sigmas: Strictly decreasing levels [num_steps + 1]; only the last may be 0.
        order: As for `sample`.
    """
    previous: LatentsT | None = None
    previous_width = 0.0
    for sigma, target in pairwise(sigmas):
        denoised = denoiser(noisy, float(sigma))
        direction, width = denoised, 0.0
        if target > 0:
            width = float(np.log(sigma / target))
            if previous is not None and order > 1:
                half_ratio = np.float32(width / (2 * previous_width))
                direction = extrapolated(denoised, previous, half_ratio)
        ratio = target / sigma
        reached = stepped(noisy, direction, ratio)
        yield Step(noisy, direction, ratio, reached)
        noisy, previous, previous_width = reached, denoised, width
