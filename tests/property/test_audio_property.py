import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from banso.audio import Audio, resampled_length
from banso.mixing import mix

RATES = st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000])


@settings(deadline=None, max_examples=40)
@given(RATES, RATES, st.integers(1, 30_000), st.integers(1, 3))
def test_resampling_keeps_the_promised_length(own, target, num_samples, num_channels):
    audio = Audio(np.ones((num_channels, num_samples), np.float32), own)
    out = audio.resampled(target)
    assert out.num_samples == max(1, resampled_length(num_samples, own, target))
    assert abs(out.num_samples - num_samples * target / own) <= max(0.5, 1)
    assert (out.sample_rate, out.num_channels) == (target, num_channels)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 5_000), st.floats(0.01, 50), st.floats(-40, 40), st.integers(0, 2**31))
def test_a_mix_keeps_its_length_and_never_clips(num_samples, peak, gain_db, seed):
    random = np.random.default_rng(seed)
    vocals, band = peak * random.uniform(-1, 1, (2, 2, num_samples)).astype(np.float32)
    mixed = mix(Audio(vocals, 44_100), Audio(band, 44_100), vocal_gain_db=gain_db)
    assert mixed.num_samples == num_samples
    assert np.abs(mixed.samples).max() <= 10 ** (-1 / 20) + 1e-6
