import numpy as np
import pytest

from banso.codec import parameters as p
from banso.codec.analysis import analyze
from banso.codec.synthesis import Synthesizer, synthesize

RATE = p.SAMPLE_RATE
MIDDLE = slice(RATE // 4, -RATE // 4)


def stereo(left, right=None):
    return np.stack([left, left if right is None else right]).astype(np.float32)


def sine(hz, amplitude=0.3, seconds=2.0):
    return amplitude * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def roundtrip(waveform):
    return synthesize(analyze(waveform))[:, : waveform.shape[1]]


def peak_hz(signal):
    """Frequency of the strongest partial, by a parabola through the logarithm of three bins."""
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    top = int(spectrum[1:-1].argmax()) + 1
    a, b, c = np.log(spectrum[top - 1 : top + 2] + 1e-12)
    return (top + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / len(signal)


def rms_db(signal):
    return 10 * np.log10(np.mean(np.square(signal)) + 1e-12)


def band_db(signal, low, high):
    power = np.abs(np.fft.rfft(signal)) ** 2
    hz = np.fft.rfftfreq(len(signal), 1 / RATE)
    return 10 * np.log10(power[(hz >= low) & (hz < high)].sum())


@pytest.mark.parametrize("hz", [55.0, 110.0, 261.6, 446.0, 880.0, 2_100.0, 6_000.0])
def test_a_sine_keeps_pitch_and_level(hz):
    played = roundtrip(stereo(sine(hz)))[0][MIDDLE]
    assert abs(1200 * np.log2(peak_hz(played) / hz)) < 5
    assert rms_db(played) == pytest.approx(rms_db(sine(hz)), abs=0.6)


def test_a_chord_keeps_its_notes():
    chord = sum(sine(hz, 0.1) for hz in (220.0, 277.2, 329.6))
    played = roundtrip(stereo(chord))[0][MIDDLE]
    for hz in (220.0, 277.2, 329.6):
        before, after = (band_db(s, hz * 0.98, hz * 1.02) for s in (chord[MIDDLE], played))
        assert after == pytest.approx(before, abs=0.7)


@pytest.mark.parametrize(("low", "high"), [(2_000, 4_000), (5_000, 9_000), (10_000, 18_000)])
def test_a_band_of_noise_keeps_its_level(low, high):
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(3 * RATE))
    hz = np.fft.rfftfreq(3 * RATE, 1 / RATE)
    noise = np.fft.irfft(spectrum * ((hz >= low) & (hz < high)))
    noise *= 0.1 / noise.std()
    played = roundtrip(stereo(noise))[0][MIDDLE]
    assert rms_db(played) == pytest.approx(rms_db(noise), abs=1.5)
    # It stays in its band: at least 10 dB more there than anywhere else.
    inside = band_db(played, 0.9 * low, 1.1 * high)
    assert inside - band_db(played, 0, 0.7 * low) > 10


@pytest.mark.parametrize(("left", "right"), [(1.0, 1.0), (1.0, 0.25), (0.2, 1.0)])
@pytest.mark.parametrize("kind", ["tone", "noise"])
def test_pan_is_kept(left, right, kind):
    source = (
        sine(440.0) if kind == "tone" else 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    )
    played = roundtrip(stereo(left * source, right * source))[:, MIDDLE]
    wanted = 20 * np.log10(left / right)
    assert rms_db(played[0]) - rms_db(played[1]) == pytest.approx(wanted, abs=1.0)


def test_width_is_kept():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 2 * RATE))
    played = roundtrip(stereo(*noise))[:, MIDDLE]
    assert abs(np.corrcoef(played)[0, 1]) < 0.15
    assert rms_db(played[0] - played[1]) == pytest.approx(rms_db(noise[0] - noise[1]), abs=1.5)


@pytest.mark.parametrize("sizes", [(1,) * 22, (5, 16, 1), (21, 1)])
def test_pieces_play_the_same_as_the_whole(sizes):
    random = np.random.default_rng(0)
    sound = stereo(
        sine(300.0, seconds=1.0) + 0.1 * random.standard_normal(RATE), sine(500, 0.1, 1.0)
    )
    packed = analyze(sound).to_array()
    player = Synthesizer()
    pieces = [
        player.add(p.Parameters.from_array(part))
        for part in np.split(packed, np.cumsum(sizes)[:-1])
    ]
    whole = synthesize(p.Parameters.from_array(packed))
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, atol=1e-4)


def test_steady_tones_have_no_clicks():
    frames = 40
    packed = np.zeros((frames, p.NUM_PARAMETERS), np.float32)
    tone = 69 - p.LOWEST_MIDI
    for step in range(p.TONES_PER_FRAME):
        packed[:, step * p.NUM_TONES + tone] = 0.3**p.COMPRESSION
    played = synthesize(p.Parameters.from_array(packed))[0][2 * p.HOP_LENGTH : -2 * p.HOP_LENGTH]
    spectrum = np.abs(np.fft.rfft(played * np.blackman(len(played)))) ** 2
    hz = np.fft.rfftfreq(len(played), 1 / RATE)
    outside = spectrum[np.abs(hz - 440) > 40].sum()
    assert 10 * np.log10(outside / spectrum.sum()) < -50
    assert np.abs(played).max() == pytest.approx(0.3, rel=0.02)


@pytest.mark.parametrize("note", ["C1", "D1", "A1", "C2", "A2"])
def test_bass_tones_have_no_images(note):
    tone = {"C1": 0, "D1": 2, "A1": 9, "C2": 12, "A2": 21}[note]
    packed = np.zeros((60, p.NUM_PARAMETERS), np.float32)
    packed[:, [tone, p.NUM_TONES + tone]] = 0.3**p.COMPRESSION
    played = synthesize(p.Parameters.from_array(packed))[0][4 * p.HOP_LENGTH : -4 * p.HOP_LENGTH]
    spectrum = np.abs(np.fft.rfft(played * np.blackman(len(played)))) ** 2
    hz = np.fft.rfftfreq(len(played), 1 / RATE)
    outside = spectrum[np.abs(hz - p.tone_hz()[tone]) > 5].sum()
    # Half the value at 0 Hz left images of the tone at -25 dB.
    assert 10 * np.log10(outside / spectrum.sum()) < -45
    assert rms_db(played) == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.05)


def test_the_seed_decides_the_noise():
    packed = np.zeros((8, p.NUM_PARAMETERS), np.float32)
    packed[:, p.SIZES[0] + p.SIZES[1] :][:, : p.SIZES[2]] = 0.4
    parameters = p.Parameters.from_array(packed)
    np.testing.assert_array_equal(synthesize(parameters, 1), synthesize(parameters, 1))
    assert np.abs(synthesize(parameters, 1) - synthesize(parameters, 2)).max() > 0.01


def test_silence_is_silent():
    silent = p.Parameters.from_array(np.zeros((10, p.NUM_PARAMETERS), np.float32))
    assert np.abs(synthesize(silent)).max() < 1e-6
    assert synthesize(
        p.Parameters.from_array(np.zeros((0, p.NUM_PARAMETERS), np.float32))
    ).shape == (2, 0)


@pytest.mark.parametrize("cents", [-40.0, 0.0, 33.0])
def test_tones_are_played_at_the_wanted_concert_pitch(cents):
    level = np.zeros((30, 2, p.NUM_TONES), np.float32)
    level[:, :, 69 - p.LOWEST_MIDI] = p.compress(np.float32(0.3))
    silent = [np.zeros((30, *shape), np.float32) for shape in ((96,), (4, 32), (16,), (16,))]
    sound = Synthesizer(tuning_cents=cents).add(p.Parameters(level, *silent))[0]
    spectrum = np.abs(np.fft.rfft(sound[4096:] * np.hanning(len(sound) - 4096)))
    hz = spectrum.argmax() * p.SAMPLE_RATE / (len(sound) - 4096)
    assert hz == pytest.approx(440 * 2 ** (cents / 1200), abs=0.8)
