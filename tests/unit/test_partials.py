import numpy as np
import pytest

from banso.codec.parameters import SAMPLE_RATE
from banso.codec.partials import N_FFT, NUM_BINS, partial_spectra

WINDOW = np.hanning(N_FFT + 1)[:-1]


def transformed(amplitude, hz, phase):
    """The spectra by way of samples: cosines whose phase is meant in the middle of the frame."""
    samples = (np.arange(N_FFT) - N_FFT // 2)[:, None]
    turns = 2 * np.pi * hz[:, None] * samples / SAMPLE_RATE + phase[:, None]
    return np.fft.rfft((amplitude[:, None] * np.cos(turns)).sum(axis=2) * WINDOW, axis=1)


def drawn(lowest_hz, steps=40, partials=12):
    random = np.random.default_rng(0)
    hz = np.exp(random.uniform(np.log(lowest_hz), np.log(12_000), (steps, partials)))
    return random.uniform(0, 1, hz.shape), hz, random.uniform(0, 2 * np.pi, hz.shape)


@pytest.mark.parametrize("lowest_hz", [15.0, 400.0])
def test_as_samples_transform(lowest_hz):
    amplitude, hz, phase = drawn(lowest_hz)
    found = partial_spectra(amplitude.astype(np.float32), hz, phase, 0.0)
    wanted = transformed(amplitude, hz, phase)
    quarter = transformed(amplitude, hz, phase + np.pi / 2)
    # A window's own peak is 256; what lies beyond four bins is left out, 0.5 % at the most.
    for spectra, exact in ((found.tones, wanted), (found.quadrature, quarter)):
        assert spectra.shape == (40, NUM_BINS)
        assert np.abs(spectra - exact).max() < 0.012 * 256
        assert np.sqrt(np.mean(np.abs(spectra - exact) ** 2)) < 0.001 * 256


def test_exactly_on_a_bin():
    hz = np.full((1, 1), 20 * SAMPLE_RATE / N_FFT)
    found = partial_spectra(np.ones((1, 1), np.float32), hz, np.full((1, 1), 0.7), 0.0)
    assert found.tones[0, 18:23] == pytest.approx(
        256 * np.exp(0.7j) * np.array([0, -0.5, 1, -0.5, 0]), abs=1e-3
    )
    near = partial_spectra(np.ones((1, 1), np.float32), hz + 1e-4, np.full((1, 1), 0.7), 0.0)
    assert near.tones == pytest.approx(found.tones, abs=2e-3)


def test_what_is_inaudible_is_left_out():
    amplitude, hz, phase = drawn(50.0)
    found = partial_spectra(amplitude.astype(np.float32), hz, phase, 2.0)
    assert not found.tones.any()
    assert not found.quadrature.any()
