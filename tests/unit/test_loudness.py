import time

import numpy as np
import pytest

from banso.loudness import LoudnessMeter, _high_pass, _high_shelf


def sine(level_dbfs, seconds, sample_rate=48_000, hz=1000.0):
    return 10 ** (level_dbfs / 20) * np.sin(
        2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate
    )


def measure(samples, sample_rate=48_000, block=10_007):
    meter = LoudnessMeter(sample_rate)
    for start in range(0, samples.shape[1], block):
        meter.add(samples[:, start : start + block].astype(np.float32))
    return meter.integrated_lufs


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 44_100, 48_000, 192_000])
def test_full_scale_sine_in_one_channel(sample_rate):
    tone = sine(0, 5, sample_rate, 997.0)[None]
    assert measure(tone, sample_rate) == pytest.approx(-3.01, abs=0.1)


# EBU Tech 3341 (2016), table 1: the signals of the integrated-loudness cases, in stereo.
CASES = {
    "1": ([(-23, 20)], -23.0),
    "2": ([(-33, 20)], -33.0),
    "3": ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
    "4": ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
    "5": ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
}


@pytest.mark.parametrize("case", CASES)
def test_ebu_tech_3341(case):
    parts, wanted_lufs = CASES[case]
    mono = np.concatenate([sine(level, seconds) for level, seconds in parts])
    assert measure(np.stack((mono, mono))) == pytest.approx(wanted_lufs, abs=0.1)


def test_blocks_do_not_matter():
    noise = np.random.default_rng(0).standard_normal((2, 200_000)) * 0.1
    whole = measure(noise, block=200_000)
    assert measure(noise, block=777) == pytest.approx(whole, abs=1e-4)


def test_one_channel_on_both_sides_is_3_db_louder():
    noise = np.random.default_rng(0).standard_normal((1, 200_000)) * 0.1
    twice = measure(np.repeat(noise, 2, axis=0))
    assert twice == pytest.approx(measure(noise) + 10 * np.log10(2), abs=1e-6)
    # Hardly alike is not alike: the second channel is filtered too.
    other = np.concatenate((noise, noise * 0.999))
    assert twice - 0.006 < measure(other) < twice - 0.003


def test_it_may_be_read_at_any_time():
    noise = np.random.default_rng(0).standard_normal((2, 100_000)).astype(np.float32) * 0.1
    meter = LoudnessMeter(48_000)
    for start in range(0, 100_000, 9_000):
        meter.add(noise[:, start : start + 9_000])
        assert meter.integrated_lufs == pytest.approx(
            measure(noise[:, : start + 9_000], block=100_000), abs=1e-4
        )


def test_silence_and_too_little_have_no_loudness():
    assert measure(np.zeros((1, 48_000))) == -np.inf
    assert measure(np.ones((1, 100))) == -np.inf
    assert LoudnessMeter(48_000).integrated_lufs == -np.inf


def test_faster_than_a_hundred_times_real_time():
    noise = np.random.default_rng(0).standard_normal((2, 44_100 * 20)).astype(np.float32)
    started = time.process_time()
    measure(noise, 44_100, 44_100)
    assert 20 / (time.process_time() - started) > 100


def test_filters_are_the_standard_s_at_48_khz():
    # ITU-R BS.1770-4, Annex 1, tables 1 and 2.
    numerator, denominator = _high_shelf(48_000)
    wanted = [1.53512485958697, -2.69169618940638, 1.19839281085285]
    np.testing.assert_allclose(numerator, wanted, atol=1e-9)
    np.testing.assert_allclose(denominator, [1, -1.69065929318241, 0.73248077421585], atol=1e-9)
    numerator, denominator = _high_pass(48_000)
    np.testing.assert_allclose(numerator, [1, -2, 1])
    np.testing.assert_allclose(denominator, [1, -1.99004745483398, 0.99007225036621], atol=1e-9)
