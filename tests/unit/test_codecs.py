"""Round trips through codecs, and folders of stems."""

import shutil
import wave

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.errors import AudioError, DataError
from banso.eval.codecs import Clip, align, codec_table, compare_codecs, opus_roundtrip
from banso.eval.fidelity import si_sdr, stereo_width
from banso.eval.stems import load_stem_song, run_ffmpeg
from banso.leadsheet import ChordSpan, LeadSheet

pytestmark = pytest.mark.lab
needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")

RATE = 44100


def music(seconds=4.0, seed=0):
    time = np.arange(round(seconds * RATE)) / RATE
    pulse = np.exp(-8 * (time % 0.5))
    tones = sum(np.sin(2 * np.pi * hz * time) for hz in (261.63, 329.63, 392.0))
    hiss = 0.05 * np.random.default_rng(seed).standard_normal((2, len(time)))
    return (0.1 * pulse * (tones + hiss)).astype(np.float32)


def write_wav(path, samples):
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples.T * 32767).astype("<i2").tobytes())


@pytest.mark.parametrize("delay", [0, 312, 4000, -77])
def test_align_undoes_a_delay(delay):
    samples = music()
    delayed = np.pad(samples, ((0, 0), (delay, 0))) if delay > 0 else samples[:, -delay:]
    assert si_sdr(samples[:, 100:-5000], align(samples, delayed)[:, 100:-5000]) == 100


def test_align_takes_recordings_shorter_than_its_search():
    samples = music(0.05)
    assert align(samples, samples).shape == samples.shape


def test_a_perfect_and_a_silent_codec_get_the_extreme_scores():
    sheet = LeadSheet(
        beats=tuple(np.arange(0, 4, 0.5).tolist()), chords=(ChordSpan(0.0, 4.0, "C:maj"),)
    )
    clip = Clip(name="clip", samples=music(), sheet=sheet)
    results = compare_codecs([clip], {"same": lambda x: x, "silence": lambda x: 0 * x[:, 1000:]})
    same, silence = results["same"]["clip"], results["silence"]["clip"]
    assert same.chord_accuracy_ratio == same.beat_f1_ratio == 1
    assert same.chroma_cosine == pytest.approx(1, abs=1e-3)
    assert (same.log_mel_mid_db, same.log_mel_side_db, same.si_sdr_db) == (0, 0, 100)
    assert silence.chord_accuracy_ratio == silence.beat_f1_ratio == silence.beat_agreement == 0
    assert silence.log_mel_mid_db > 10
    assert (same.stereo_width_error_db, silence.stereo_width_error_db) == (
        0,
        pytest.approx(22, abs=9),
    )
    assert "| same | 1.000 | 1.000 |" in codec_table(results)


@pytest.mark.parametrize("side", [0.0, 0.01, 0.5, 1.0])
def test_width_is_how_loud_the_side_signal_is(side):
    mid, other = np.random.default_rng(0).standard_normal((2, 50_000))
    samples = np.stack([mid + side * other, mid - side * other])
    wanted = -60 if side == 0 else 20 * np.log10(side)
    assert stereo_width(samples) == pytest.approx(wanted, abs=0.1)


def test_silence_is_as_narrow_as_mono_and_a_lone_side_as_wide_as_can_be():
    time = np.sin(np.arange(1000))
    assert stereo_width(np.zeros((2, 1000))) == stereo_width(np.stack([time, time])) == -60
    assert stereo_width(np.stack([time, -time])) == 60


def test_without_a_score_the_ratios_are_blank():
    results = compare_codecs([Clip(name="stem", samples=music())], {"same": lambda x: x})
    assert "| same | – | – | 1.000 |" in codec_table(results)


@needs_ffmpeg
def test_opus_is_aligned_and_better_at_a_higher_rate():
    samples = music()
    low, high = (si_sdr(samples, opus_roundtrip(samples, kbits)) for kbits in (24, 128))
    assert high > low > 5


@needs_ffmpeg
def test_stems_are_added_by_role(tmp_path):
    write_wav(tmp_path / "Song_KICK.wav", 0.5 * music(1.0, 1))
    write_wav(tmp_path / "Song_PAD.wav", 0.25 * music(2.0, 1))
    write_wav(tmp_path / "Song_VOX LEAD.wav", music(1.5, 2))
    song = load_stem_song(tmp_path)
    assert song.vocals.shape == song.accompaniment.shape == (2, 2 * RATE)
    assert np.abs(song.vocals).max() == pytest.approx(10 ** (-3 / 20), abs=1e-4)
    assert not song.vocals[:, round(1.5 * RATE) :].any()
    expected = 0.25 * music(2.0, 1)
    expected[:, :RATE] += 0.5 * music(1.0, 1)
    assert si_sdr(expected, song.accompaniment) > 40


def test_a_folder_without_a_band_is_named(tmp_path):
    with pytest.raises(DataError, match="holds no stems"):
        load_stem_song(tmp_path)


def test_missing_ffmpeg_is_one_clear_line():
    with pytest.raises(AudioError, match="install ffmpeg"):
        run_ffmpeg(["-version"], ffmpeg="no-such-ffmpeg")


@needs_ffmpeg
def test_what_ffmpeg_says_is_passed_on(tmp_path):
    broken = tmp_path / "broken.m4a"
    broken.write_text("no audio")
    with pytest.raises(AudioError, match=r"ffmpeg failed: .*broken"):
        run_ffmpeg(["-i", str(broken), "-f", "null", "-"])
