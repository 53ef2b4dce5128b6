import dataclasses

import numpy as np
import pytest

from banso.codec import gains as g
from banso.codec import parameters as p
from banso.codec.analysis import analyze
from banso.codec.synthesis import Synthesizer, band_blend, synthesize

RATE = p.SAMPLE_RATE
MIDDLE = slice(RATE // 4, -RATE // 4)


def music(seconds=2.0, seed=0):
    """A chord, panned, over some noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    left = sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in (110.0, 277.2, 329.6, 1_760.0))
    noise = 0.02 * np.random.default_rng(seed).standard_normal((2, len(time)))
    return (np.stack([left, 0.5 * left]) + noise).astype(np.float32)


def neutral(frames):
    by_kind = np.repeat(np.array(g.NEUTRAL_GAINS, np.float32), g.NUM_GAIN_POINTS)
    return np.tile(by_kind, (frames, p.NOISE_PER_FRAME))


def changed(frames, **of_kinds):
    """Neutral gains but for some kinds, which take a value or one for every point."""
    gains = neutral(frames).reshape(frames, p.NOISE_PER_FRAME, len(g.GAIN_KINDS), -1).copy()
    for kind, value in of_kinds.items():
        gains[:, :, g.GAIN_KINDS.index(kind)] = value
    return gains.reshape(frames, -1)


def drawn(frames, seed=1):
    """Gains as a trained renderer might give them."""
    random = np.random.default_rng(seed)
    free = random.standard_normal((frames, p.NOISE_PER_FRAME, len(g.GAIN_KINDS), g.NUM_GAIN_POINTS))
    by_kind = changed(frames).reshape(free.shape)
    return (
        (by_kind * np.exp(0.5 * free) + 0.1 * (by_kind == 0) * free)
        .astype(np.float32)
        .reshape(frames, -1)
    )


def power_db(signal, low, high):
    hz = np.fft.rfftfreq(signal.shape[-1], 1 / RATE)
    power = np.abs(np.fft.rfft(signal)) ** 2
    return 10 * np.log10(power[..., (hz >= low) & (hz < high)].sum() + 1e-20)


@pytest.fixture(scope="module")
def parameters():
    return analyze(music())


def test_points_are_all_low_bins_and_blend_to_one():
    np.testing.assert_array_equal(g.gain_bins()[:24], np.arange(24))
    assert g.gain_bins()[-1] == p.SYNTHESIS_HOP
    assert np.diff(g.gain_bins()).min() > 0.9
    np.testing.assert_allclose(g.gain_blend().sum(axis=0), 1, atol=1e-6)


def test_neutral_gains_change_nothing(parameters):
    played = Synthesizer().add(parameters, neutral(parameters.num_frames))
    np.testing.assert_allclose(played, synthesize(parameters), atol=1e-6)


def test_gains_of_pieces_equal_those_of_the_whole(parameters):
    gains = drawn(parameters.num_frames)
    whole = Synthesizer().add(parameters, gains)
    player, packed = Synthesizer(), parameters.to_array()
    cuts = [3, 4, 20]
    pieces = [
        player.add(p.Parameters.from_array(rows), some)
        for rows, some in zip(np.split(packed, cuts), np.split(gains, cuts), strict=True)
    ]
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-5)


def test_a_gain_acts_where_it_is_given(parameters):
    above = np.where(g.gain_bins() > 2_000 * 2 * p.SYNTHESIS_HOP / RATE, 0.1, 1.0)
    gains = changed(parameters.num_frames, tones=above, noise=above)
    plain = synthesize(parameters).mean(axis=0)
    played = Synthesizer().add(parameters, gains).mean(axis=0)
    high = power_db(plain, 3_000, 15_000) - power_db(played, 3_000, 15_000)
    assert high == pytest.approx(20, abs=0.5)
    assert power_db(played, 50, 1_500) == pytest.approx(power_db(plain, 50, 1_500), abs=0.1)


def test_breath_is_noise_at_the_level_of_what_sounds(parameters):
    without = changed(parameters.num_frames, tones=0.0, noise=0.0)
    breath = changed(parameters.num_frames, tones=0.0, noise=0.0, breath=1.0)
    assert np.abs(Synthesizer().add(parameters, without).sum(axis=0)).max() < 1e-6
    played = Synthesizer().add(parameters, breath).mean(axis=0)
    wanted = synthesize(parameters).mean(axis=0)
    assert power_db(played, 0, 20_000) == pytest.approx(power_db(wanted, 0, 20_000), abs=1.5)


def test_silence_stays_silent_under_any_gains():
    silence = analyze(np.zeros((2, RATE), np.float32))
    assert np.abs(Synthesizer().add(silence, drawn(silence.num_frames))).max() == 0


def test_the_middle_stays_in_the_middle():
    mono = analyze(np.repeat(music()[:1], 2, axis=0))
    left, right = Synthesizer().add(mono, changed(mono.num_frames, breath=0.5))
    np.testing.assert_allclose(left, right, atol=1e-4)


@pytest.mark.parametrize("cents", [-40.0, 0.0, 25.0])
def test_gains_move_no_tone(cents):
    tuned = 440 * 2 ** (cents / 1200)
    sine = 0.3 * np.sin(2 * np.pi * tuned * np.arange(2 * RATE) / RATE)
    found = analyze(np.stack([sine, sine]).astype(np.float32), cents)
    slow = np.repeat(drawn(1), found.num_frames, axis=0)
    played = Synthesizer(0, cents).add(found, slow)[0][MIDDLE]
    spectrum = np.abs(np.fft.rfft(played * np.hanning(len(played))))
    peak = np.fft.rfftfreq(len(played), 1 / RATE)[spectrum.argmax()]
    assert abs(1200 * np.log2(peak / tuned)) < 4


def test_layers_can_be_shaped_by_hand(parameters):
    """What training computes in torch is what `add` plays."""
    gains = drawn(parameters.num_frames)
    by_kind = gains.reshape(-1, len(g.GAIN_KINDS), g.NUM_GAIN_POINTS).swapaxes(0, 1)
    layers = Synthesizer().layers(parameters)
    mid, _ = g.shape_layers(layers, by_kind, (g.gain_blend(), band_blend()))
    frames = np.fft.irfft(mid, n=2 * p.SYNTHESIS_HOP, axis=-1)
    joined = frames[1:, : p.SYNTHESIS_HOP] + frames[:-1, p.SYNTHESIS_HOP :]
    played = Synthesizer().add(parameters, gains).mean(axis=0)
    np.testing.assert_allclose(joined.ravel(), played[p.SYNTHESIS_HOP :], atol=1e-5)
    assert {field.name for field in dataclasses.fields(layers)} >= {"tones", "own", "pan"}
