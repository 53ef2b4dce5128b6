from itertools import pairwise

import numpy as np
import pytest

from banso.sampler import Guidance, Unbiased, sample
from banso.schedule import karras_sigmas

SIGMA_MAX = 20.0


def ideal_gaussian(mean, std):
    """The exact denoiser of latents that are normal with that mean and standard deviation."""

    def denoise(noisy, sigma):
        return (mean * sigma**2 + noisy * std**2) / (sigma**2 + std**2)

    return denoise


def exact_flow(noisy, mean, std, sigma):
    """Where the noise-free sampling equation ends: solved by hand for the same latents."""
    return mean + (noisy - mean) * std / np.sqrt(std**2 + sigma**2)


def error(num_steps, std=0.5):
    noise = np.random.default_rng(0).standard_normal((1, 50, 4))
    sigmas = karras_sigmas(num_steps, 0.03, SIGMA_MAX, 7.0).astype(np.float64)
    # Compared at the last level above zero, which isolates the solver from the final jump.
    trace = []

    def denoise(noisy, sigma):
        trace.append(noisy)
        return ideal_gaussian(1.0, std)(noisy, sigma)

    sample(denoise, noise, sigmas)
    start, end = noise * SIGMA_MAX, sigmas[-2]
    exact = 1.0 + (start - 1.0) * np.sqrt((std**2 + end**2) / (std**2 + SIGMA_MAX**2))
    return np.abs(trace[-1] - exact).max()


def test_the_solver_is_of_second_order():
    errors = [error(num_steps) for num_steps in (20, 40, 80)]
    orders = [np.log2(a / b) for a, b in pairwise(errors)]
    assert 1.7 < orders[-1] < 2.6, orders
    assert errors[-1] < 0.01


def test_gaussian_latents_are_sampled_with_their_mean_and_spread():
    noise = np.random.default_rng(1).standard_normal((1, 4_000, 4), dtype=np.float32)
    latents = sample(ideal_gaussian(2.0, 0.7), noise, karras_sigmas(30, 0.01, 40.0, 7.0))
    # The schedule starts at 40, not at infinity: 0.7 / 40 of the way to the mean is left.
    assert latents.mean() == pytest.approx(2.0 * (1 - 0.7 / 40), abs=0.02)
    assert latents.std() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(latents, exact_flow(40 * noise, 2.0, 0.7, 40.0), atol=0.05)


def test_of_first_order_it_is_ddim():
    # Song et al. 2021, equation 12 without noise, in sigma = sqrt(1 - alpha) / sqrt(alpha).
    noise = np.random.default_rng(4).standard_normal((1, 50, 4), dtype=np.float32)
    sigmas, denoise = karras_sigmas(5, 0.3, 30.0, 7.0), ideal_gaussian(1.0, 0.5)
    noisy = 30.0 * noise
    for sigma, target in pairwise(sigmas):
        denoised = denoise(noisy, sigma)
        noisy = denoised + target * (noisy - denoised) / sigma
    np.testing.assert_allclose(sample(denoise, noise, sigmas, order=1), noisy, atol=1e-4)
    assert np.abs(sample(denoise, noise, sigmas, order=2) - noisy).max() > 0.01


@pytest.mark.parametrize("num_steps", [1, 2, 3, 12])
def test_a_perfect_denoiser_gives_the_clean_latents(num_steps):
    random = np.random.default_rng(2)
    clean, noise = random.standard_normal((2, 1, 8, 3), dtype=np.float32)
    latents = sample(lambda noisy, sigma: clean, noise, karras_sigmas(num_steps, 0.03, 40.0, 7.0))
    np.testing.assert_allclose(latents, clean, atol=1e-5)


def test_one_evaluation_a_step_at_the_levels_of_the_schedule():
    levels, steps = [], []

    def denoise(noisy, sigma):
        levels.append(sigma)
        return 0 * noisy

    sigmas = karras_sigmas(6, 0.1, 10.0, 7.0)
    sample(denoise, np.ones((1, 4, 2), np.float32), sigmas, steps.append)
    np.testing.assert_allclose(levels, sigmas[:-1])
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("sigmas", [[1.0, 0.5], [1.0, 1.0, 0.0], [0.5, 1.0, 0.0], [[1.0, 0.0]]])
def test_levels_must_fall_to_zero(sigmas):
    with pytest.raises(ValueError, match="decrease"):
        sample(lambda noisy, sigma: noisy, np.ones((1, 1, 1), np.float32), np.array(sigmas))


def test_guidance_at_scale_one_is_the_conditional_estimate():
    noisy = np.random.default_rng(3).standard_normal((1, 5, 2), dtype=np.float32)

    def one(noisy, sigma):
        return noisy * 2

    def other(noisy, sigma):
        return noisy - sigma

    np.testing.assert_allclose(Guidance(one, other, 1.0)(noisy, 0.3), one(noisy, 0.3), atol=1e-6)
    np.testing.assert_allclose(Guidance(one, other, 0.0)(noisy, 0.3), other(noisy, 0.3))
    twice = other(noisy, 0.3) + 2 * (one(noisy, 0.3) - other(noisy, 0.3))
    np.testing.assert_allclose(Guidance(one, other, 2.0)(noisy, 0.3), twice, atol=1e-6)


def test_guidance_ends_at_its_least_noise_level():
    noisy = np.random.default_rng(3).standard_normal((1, 5, 2), dtype=np.float32)
    asked = []

    def plain(noisy, sigma):
        asked.append(sigma)
        return noisy * 0

    guidance = Guidance(lambda noisy, sigma: noisy * 2, plain, 3.0, sigma_min=0.5)
    np.testing.assert_allclose(guidance(noisy, 0.5), 6 * noisy, atol=1e-6)
    np.testing.assert_allclose(guidance(noisy, 0.4), 2 * noisy)
    assert asked == [0.5]


def off_by_level(noisy, sigma):
    """Estimate zeros, off by log sigma in one channel and by its negative in the other."""
    return np.zeros_like(noisy) + np.float32(np.log(sigma)) * np.array([1, -1], np.float32)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5, 4.0])
def test_a_known_bias_is_taken_off_at_every_level_between(sigma):
    levels = np.log([0.3, 1.0, 4.0])
    bias = np.stack([levels, -levels], axis=1).astype(np.float32)
    denoise = Unbiased(off_by_level, levels, bias)
    found = denoise(np.ones((2, 5, 2), np.float32), sigma)
    np.testing.assert_allclose(found, 0, atol=1e-6)
    assert found.dtype == np.float32


def test_beyond_the_levels_that_are_known_the_nearest_counts():
    levels, bias = np.log([0.5, 2.0]), np.array([[1.0], [3.0]], np.float32)
    denoise = Unbiased(lambda noisy, sigma: noisy, levels, bias)
    zeros = np.zeros((1, 1, 1), np.float32)
    assert denoise(zeros, 0.1).item() == -1
    assert denoise(zeros, 80.0).item() == -3
