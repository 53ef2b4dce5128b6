import numpy as np
import pytest

from banso.codec import envelope as e
from banso.codec import parameters as p
from banso.codec.mel import mel_triangles

RATE = p.SAMPLE_RATE
INSIDE = slice(2, -2)


def noise(frames=40, seed=0, width=0.3):
    """Left and right, the side signal softer than mid."""
    mid, side = 0.1 * np.random.default_rng(seed).standard_normal((2, frames * p.HOP_LENGTH))
    return np.stack([mid + width * side, mid - width * side]).astype(np.float32)


def filtered(waveform, wanted, cuts=(), cents=0.0):
    shaper, starts = e.EnvelopeFilter(cents), (0, *cuts)
    pieces = [
        shaper.add(
            waveform[:, a * p.HOP_LENGTH : b * p.HOP_LENGTH],
            e.Envelope(wanted.mid[a:b], wanted.side[a:b]),
        )
        for a, b in zip(starts, (*cuts, len(wanted.side)), strict=True)
    ]
    return np.concatenate([*pieces, shaper.finish()], axis=1)


def test_an_envelope_is_the_mel_spectrogram_that_everybody_computes():
    librosa = pytest.importorskip("librosa")
    waveform = noise()
    found = e.measure_envelope(waveform)
    mel = librosa.feature.melspectrogram(
        y=(waveform[0] + waveform[1]) / 2, sr=RATE, n_fft=2048, hop_length=512, n_mels=80,
        fmax=16_000,
    )  # fmt: skip
    offset = found.mid.reshape(-1, 80) - 10 * np.log10(mel[:, :160].T)
    assert np.ptp(offset) < 1e-3


def test_a_full_scale_sine_has_about_no_decibels_in_its_band():
    for hz in (220.0, 880.0):
        sine = np.sin(2 * np.pi * hz * np.arange(20 * p.HOP_LENGTH) / RATE).astype(np.float32)
        assert abs(e.measure_envelope(np.stack([sine, sine])).mid[INSIDE].max()) < 3


def test_packing_loses_nothing():
    wanted = e.measure_envelope(noise())
    again = e.Envelope.from_array(wanted.to_array())
    np.testing.assert_array_equal(again.mid, wanted.mid)
    np.testing.assert_array_equal(again.side, wanted.side)
    assert wanted.to_array().shape == (40, e.NUM_ENVELOPE)


def test_what_has_its_envelope_stays_as_it_is():
    waveform = noise()
    found = filtered(waveform, e.measure_envelope(waveform))
    np.testing.assert_allclose(found, waveform, atol=1e-5)


@pytest.mark.parametrize("cuts", [(1,), (1, 2, 7, 8), (39,), (5, 5, 20)])
def test_pieces_make_the_same_as_the_whole(cuts):
    waveform, wanted = noise(), e.measure_envelope(noise(seed=1))
    whole = filtered(waveform, wanted)
    assert whole.shape == waveform.shape
    np.testing.assert_allclose(filtered(waveform, wanted, cuts), whole, atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_shortest_songs_keep_their_length(frames):
    waveform = noise(frames)
    found = filtered(waveform, e.measure_envelope(noise(frames, seed=1)))
    assert found.shape == waveform.shape
    assert np.isfinite(found).all()


def test_without_sound_there_is_nothing_to_return():
    assert e.EnvelopeFilter().finish().shape == (2, 0)


def test_it_comes_to_have_the_envelope_of_another():
    waveform, other = noise(), noise(seed=1) * np.linspace(0.2, 1, 40 * p.HOP_LENGTH)
    wanted = e.measure_envelope(other.astype(np.float32))
    found = e.measure_envelope(filtered(waveform, wanted))
    before = e.measure_envelope(waveform)
    for kind in ("mid", "side"):
        off = [np.abs(getattr(x, kind) - getattr(wanted, kind))[INSIDE] for x in (before, found)]
        # Bands above 2 kHz, and those below 500 Hz, in which it makes up half.
        assert off[1][..., 50:].mean() < off[0][..., 50:].mean() / 3
        assert off[1][..., :12].mean() < off[0][..., :12].mean() / 1.5


def test_silence_is_not_filled():
    silence = np.zeros((2, 10 * p.HOP_LENGTH), np.float32)
    assert not filtered(silence, e.measure_envelope(noise(10))).any()


def test_gains_have_a_limit():
    waveform = noise()
    soft = e.measure_envelope(waveform * np.float32(1e-4))
    middle = slice(2 * p.HOP_LENGTH, -2 * p.HOP_LENGTH)
    found = filtered(waveform, soft)[:, middle]
    assert found.std() == pytest.approx(waveform[:, middle].std() / 10, rel=0.05)


def test_envelopes_move_with_the_tuning():
    level = np.full((20, p.NOISE_PER_FRAME, e.NUM_MELS), -60.0, np.float32)
    level[..., 40:] = -30
    wanted = e.Envelope(level, level[:, 0])
    step = [e.measure_envelope(filtered(noise(20), wanted, cents=c)).mid for c in (-50, 0, 50)]
    low, middle, high = (s[INSIDE, :, 40].mean() for s in step)
    assert low > middle > high


def test_shares_say_what_is_measured():
    tone = 48
    sine = 0.5 * np.sin(2 * np.pi * p.tone_hz()[tone] * np.arange(20 * p.HOP_LENGTH) / RATE)
    found = e.measure_envelope(np.stack([sine, sine]).astype(np.float32)).mid[INSIDE].mean((0, 1))
    band = int(found.argmax())
    assert found[band] == pytest.approx(10 * np.log10(0.25 * e.tone_shares()[tone, band]), abs=0.05)
    loud = 10 ** (e.measure_envelope(noise(200)).mid / 10)
    per_band = 0.01 * np.diff(p.band_edges_hz(32, 86.1)) / (RATE / 2)
    wanted = per_band @ e.band_shares(32)
    np.testing.assert_allclose(loud.mean((0, 1))[2:78], wanted[2:78], rtol=0.15)


def test_triangles_cover_the_spectrum_up_to_16_khz():
    covered = mel_triangles(2048, 80).sum(axis=0) > 0
    hz = np.arange(1025) * RATE / 2048
    assert covered[(hz > 25) & (hz < 15_900)].all()
    assert not covered[hz > 16_000].any()
