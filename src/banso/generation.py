"""From conditioning to the latents of a whole song, window by window."""

from collections.abc import Callable, Iterator

import numpy as np

from banso.audio import Samples
from banso.conditioning import Known, null_conditioning, with_known
from banso.config import SamplerConfig
from banso.sampler import Array, ConditionalDenoiser, Denoiser, Guidance, Unbiased, sample
from banso.schedule import karras_sigmas
from banso.windows import plan_windows

OnProgress = Callable[[float], None]

# Noise is drawn in order; what is not wanted is drawn in pieces and forgotten.
_SKIPPED_FRAMES = 4_096


class EvaluationCount:
    """Counts how often the network runs in a song."""

    def __init__(self) -> None:
        self.num_evaluations = 0

    def counted(self, denoiser: Denoiser) -> Denoiser:
        """Return the same denoiser, counting."""

        def denoise(noisy: Samples, sigma: float) -> Samples:
            self.num_evaluations += 1
            return denoiser(noisy, sigma)

        return denoise


def generate_latents(
    denoiser: ConditionalDenoiser,
    conditioning: Samples,
    *,
    num_channels: int,
    seed: int,
    config: SamplerConfig,
    on_progress: OnProgress,
    count: EvaluationCount,
) -> Iterator[Samples]:
    """Yield the latents of a song, each window continuing the known tail of the last.

    Only one window of latents and noise is kept, so memory does not grow with the song.

    Args:
        denoiser: Estimates clean latents from noisy ones, once it is given a window's conditioning.
        conditioning: [frames, conditioning] of the whole song.
        num_channels: Numbers per latent frame.
        seed: Of the noise, which depends on it and on the frame's position only.
        config: Steps, guidance, windows.
        on_progress: Called with the fraction done, in [0, 1].
        count: Is told of every run of the network.

    Yields:
        float32 [new frames, channels]; together as many frames as the conditioning.
    """
    random = np.random.default_rng(seed)
    windows = plan_windows(
        len(conditioning), config.window_frames, config.overlap_frames, config.dropped_frames
    )
    noise = latents = np.zeros((0, num_channels), np.float32)
    drawn = 0
    for index, window in enumerate(windows):
        size = window.stop - window.start
        fresh = random.standard_normal((window.stop - drawn, num_channels), np.float32)
        noise, drawn = np.concatenate((noise, fresh))[-size:], window.stop
        # What the window knows of itself, padded by zeros where it is still to be written.
        known = latents[len(latents) - window.num_known :]
        latents = np.concatenate((known, np.zeros((size - len(known), num_channels), np.float32)))
        mask = np.arange(size) < window.num_known

        def on_step(step: int, index: int = index) -> None:
            on_progress((index + step / config.num_steps) / len(windows))

        part = conditioning[window.start : window.stop]
        if window.num_known:
            part = with_known(part, Known(latents, mask))
        network = guided(denoiser, part[None], config, count)
        latents[~mask] = sampled(network, noise[None], config, on_step)[0, ~mask]
        latents = latents[: window.end - window.start]
        yield latents[window.num_known :].copy()


def fill_latents(
    denoiser: ConditionalDenoiser,
    conditioning: Samples,
    known: Known,
    *,
    noise: Samples,
    config: SamplerConfig,
    on_progress: OnProgress,
    count: EvaluationCount,
) -> Samples:
    """Write the frames that are missing, with those on both sides of them known.

    Args:
        denoiser: As for `generate_latents`.
        conditioning: [frames, conditioning] of the stretch around what is missing.
        known: Latents [frames, channels], and which of them are fixed.
        noise: Unit Gaussian [frames, channels].
        config: Steps, guidance, windows.
        on_progress: Called with the fraction done, in [0, 1].
        count: Is told of every run of the network.

    Returns:
        float32 [frames, channels]; the known ones as they were.
    """
    latents, mask = known.latents.copy(), known.mask.copy()
    windows = plan_windows(
        len(conditioning), config.window_frames, config.overlap_frames, config.dropped_frames
    )
    for index, window in enumerate(windows):
        rows = slice(window.start, window.stop)
        missing = ~mask[rows]
        if not missing.any():
            continue

        def on_step(step: int, index: int = index) -> None:
            on_progress((index + step / config.num_steps) / len(windows))

        part = with_known(conditioning[rows], Known(latents[rows], mask[rows]))
        network = guided(denoiser, part[None], config, count)
        latents[rows][missing] = sampled(network, noise[None, rows], config, on_step)[0, missing]
        mask[window.start : window.end] = True
    on_progress(1.0)
    return latents


def noise_between(seed: int, first: int, last: int, num_channels: int) -> Samples:
    """Return the noise [last - first, channels] from which `generate_latents` makes some frames."""
    random = np.random.default_rng(seed)
    for start in range(0, first, _SKIPPED_FRAMES):
        skipped = min(_SKIPPED_FRAMES, first - start)
        random.standard_normal((skipped, num_channels), np.float32)
    return random.standard_normal((last - first, num_channels), np.float32)


def noise_levels(config: SamplerConfig) -> Array:
    """Noise levels [num_steps + 1] of a bundle's own schedule, ending at 0."""
    return karras_sigmas(config.num_steps, config.sigma_min, config.sigma_max, config.rho)


def sampled(
    denoiser: Denoiser,
    noise: Samples,
    config: SamplerConfig,
    on_step: Callable[[int], None] | None = None,
) -> Samples:
    """Latents [batch, frames, channels] from noise, by the steps that the settings name."""
    return sample(denoiser, noise, noise_levels(config), on_step, order=config.order)


def guided(
    denoiser: ConditionalDenoiser,
    conditioning: Samples,
    config: SamplerConfig,
    count: EvaluationCount,
) -> Denoiser:
    """Return a denoiser with guidance, as asked for, and without the bias that is known of it.

    Guidance costs a second evaluation, unless the scale is 1 or the network has learned what comes
    of it.
    """
    network: Denoiser = count.counted(denoiser.condition(conditioning))
    if not (config.guidance_folded or config.guidance_scale == 1.0):
        plain = count.counted(denoiser.condition(null_conditioning(conditioning)))
        network = Guidance(network, plain, config.guidance_scale, guided_from(config))
    if not config.bias:
        return network
    return Unbiased(network, np.log(config.bias_sigmas), np.array(config.bias, np.float32))


def guided_from(config: SamplerConfig) -> float:
    """Noise level from which on there is guidance.

    A scale below one asks for less of the voice, down to nothing of it: at all noise levels then.
    """
    return config.guidance_sigma_min if config.guidance_scale > 1 else 0.0
