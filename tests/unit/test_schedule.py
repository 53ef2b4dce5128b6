import numpy as np
import pytest

from banso.schedule import global_share, karras_sigmas, preconditioning


def test_karras_levels_are_those_of_the_formula():
    sigmas = karras_sigmas(5, 0.002, 80.0, 7.0)
    # Karras et al. 2022, equation 5, by hand: (80^(1/7) + i/4 (0.002^(1/7) - 80^(1/7)))^7.
    np.testing.assert_allclose(
        sigmas, [80.0, 17.5278, 2.5152, 0.16976, 0.002, 0.0], rtol=1e-3, atol=1e-6
    )


def test_rho_one_is_a_straight_line():
    np.testing.assert_allclose(karras_sigmas(3, 1.0, 5.0, 1.0), [5, 3, 1, 0])


@pytest.mark.parametrize("num_steps", [1, 2, 12, 100])
def test_levels_fall_to_zero(num_steps):
    sigmas = karras_sigmas(num_steps, 0.03, 40.0, 7.0)
    assert sigmas.shape == (num_steps + 1,)
    assert sigmas[0] == pytest.approx(40.0)
    assert sigmas[-1] == 0
    assert np.all(np.diff(sigmas) < 0)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 7.0, 1e3])
def test_preconditioning_keeps_unit_variance(sigma):
    scale = preconditioning(sigma)
    # Input: latents of variance 1 and noise of variance sigma^2 come out at variance 1.
    assert scale.input**2 * (1 + sigma**2) == pytest.approx(1)
    # Target (clean - skip noisy) / out of the network: also variance 1.
    residual = (1 - scale.skip) ** 2 + (scale.skip * sigma) ** 2
    assert residual / scale.out**2 == pytest.approx(1)


@pytest.mark.parametrize("sigma", [1e-3, 0.1, 1.0, 7.0, 1e3])
def test_a_perfect_velocity_recovers_the_clean_latents(sigma):
    # SAMUeL's code has the target and the sampler disagree in sign; here the ideal network output,
    # minus the velocity v = alpha noise - s clean of v-prediction, gives back the clean latents.
    random = np.random.default_rng(0)
    clean, noise = random.standard_normal((2, 100))
    noisy = clean + sigma * noise
    alpha, s = 1 / np.sqrt(1 + sigma**2), sigma / np.sqrt(1 + sigma**2)
    velocity = alpha * noise - s * clean
    scale = preconditioning(sigma)
    denoised = scale.skip * noisy + scale.out * -velocity
    np.testing.assert_allclose(denoised, clean, atol=1e-9 * max(1, sigma))


def test_share_of_the_global_view_at_the_limits():
    assert global_share(0.0) == 0
    assert global_share(1.0) == 0.5
    assert global_share(1e6) == pytest.approx(1)
    shares = global_share(np.geomspace(1e-3, 1e3, 50))
    assert np.all(np.diff(shares) > 0)
