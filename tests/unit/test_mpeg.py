"""MP3 files that tell their length, that do not, and that lack their end."""

import numpy as np
import pytest
import soundfile

from banso.errors import AudioError
from banso.files import AudioReader, read_audio
from banso.mpeg import ToldMp3, examine_mp3
from conftest import sing

# What the encoder puts in front; a file that tells its length tells this too, and loses it.
ENCODER_DELAY = 576
VARIABLE = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
CONSTANT = {"bitrate_mode": "CONSTANT", "compression_level": 0.7}
# 24 to 56 kbit/s: frames keep much of themselves in the frames before them, and are too small to
# tell a length.
FRUGAL = {"bitrate_mode": "CONSTANT", "compression_level": 0.9}


def music(sample_rate=44_100, num_channels=2):
    """Eight seconds, first almost silent, then busy: no frame is like the average."""
    voice = sing(8.0, sample_rate, num_channels, peak=0.5)
    noise = np.random.default_rng(0).normal(0, 0.1, voice.shape)
    half = np.arange(voice.shape[1]) < voice.shape[1] // 2
    return np.where(half, 0.001, 1.0) * (voice + noise)


def write_mp3(path, sample_rate=44_100, num_channels=2, options=VARIABLE):
    soundfile.write(path, music(sample_rate, num_channels).T, sample_rate, format="MP3", **options)
    return path


def without_length(path):
    """Return an MP3 file's bytes without the frame that tells the length."""
    data = path.read_bytes()
    second = data.index(data[:2], 4)
    assert b"Info" in data[:second] or b"Xing" in data[:second]
    return data[second:]


@pytest.mark.parametrize("num_channels", [1, 2])
# MPEG-1, MPEG-2 and MPEG-2.5: frames of different lengths.
@pytest.mark.parametrize("sample_rate", [44_100, 22_050, 8_000])
@pytest.mark.parametrize("options", [VARIABLE, CONSTANT], ids=["variable", "constant"])
def test_without_its_length_a_file_sounds_the_same(tmp_path, sample_rate, num_channels, options):
    told = write_mp3(tmp_path / "told.mp3", sample_rate, num_channels, options)
    untold = tmp_path / "untold.mp3"
    untold.write_bytes(without_length(told))
    known, found = read_audio(told), read_audio(untold)
    assert known.num_samples == 8 * sample_rate
    assert 0 <= found.num_samples - ENCODER_DELAY - known.num_samples < 2 * 1152
    aligned = found.samples[:, ENCODER_DELAY:][:, : known.num_samples]
    np.testing.assert_allclose(aligned, known.samples, atol=1e-6)


@pytest.mark.parametrize("sample_rate", [44_100, 22_050])
def test_blocks_of_a_low_bit_rate_join_without_a_click(tmp_path, sample_rate):
    path = write_mp3(tmp_path / "v.mp3", sample_rate, options=FRUGAL)
    with ToldMp3(path, examine_mp3(path)) as told:
        in_one_go = soundfile.read(told, dtype="float32")[0].T
    np.testing.assert_allclose(read_audio(path).samples, in_one_go, atol=1e-6)


def test_tags_and_rubbish_are_no_music(tmp_path):
    frames = without_length(write_mp3(tmp_path / "told.mp3"))
    plain = tmp_path / "plain.mp3"
    plain.write_bytes(frames)
    wanted = read_audio(plain).samples
    id3 = b"ID3\x04\0\0" + bytes([0, 0, 8, 0]) + bytes(1024)
    picture = np.random.default_rng(1).integers(0, 256, 20_000, np.uint8).tobytes()
    variants = {
        "tag in front": id3 + frames,
        "padding in front": id3 + bytes(500) + frames,
        "tag behind": frames + b"TAG" + bytes(125),
        "picture behind": frames + b"APETAGEX" + picture,
    }
    for name, data in variants.items():
        path = tmp_path / f"{name}.mp3"
        path.write_bytes(data)
        np.testing.assert_array_equal(read_audio(path).samples, wanted, err_msg=name)


def test_a_gap_in_the_middle_is_one_clear_error_and_no_short_song(tmp_path):
    frames = without_length(write_mp3(tmp_path / "told.mp3"))
    header = frames.index(frames[:2], 3 * len(frames) // 4)
    path = tmp_path / "gap.mp3"
    path.write_bytes(frames[:header] + bytes(100) + frames[header + 100 :])
    with pytest.raises(AudioError, match=r"gap\.mp3 is damaged: there is a gap in it"):
        read_audio(path)


@pytest.mark.parametrize("options", [VARIABLE, CONSTANT], ids=["variable", "constant"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
@pytest.mark.parametrize("share", [0.3, 0.8, 0.99])
def test_a_file_without_its_end_is_one_clear_error(tmp_path, capfd, options, told, share):
    path = write_mp3(tmp_path / "v.mp3", options=options)
    data = path.read_bytes() if told else without_length(path)
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(AudioError, match=r"v\.mp3 is truncated"):
        AudioReader(path)
    # Nor does the decoder add remarks of its own.
    assert not capfd.readouterr().err


def with_length(data, num_frames):
    """Let an MP3 file promise another number of frames."""
    place = data.index(b"Xing") + 8
    return data[:place] + num_frames.to_bytes(4, "big") + data[place + 4 :]


def test_a_lying_length_is_not_believed(tmp_path):
    path = write_mp3(tmp_path / "v.mp3")
    data = path.read_bytes()
    place = data.index(b"Xing") + 8
    num_frames = int.from_bytes(data[place : place + 4], "big")
    path.write_bytes(with_length(data, num_frames // 2))
    assert read_audio(path).duration_seconds >= 8
    path.write_bytes(with_length(data, 2 * num_frames))
    with pytest.raises(AudioError, match="is truncated"):
        AudioReader(path)


def test_a_length_in_another_way_is_understood(tmp_path):
    told = write_mp3(tmp_path / "told.mp3")
    plain, other = tmp_path / "plain.mp3", tmp_path / "other.mp3"
    data, frames = told.read_bytes(), without_length(told)
    plain.write_bytes(frames)
    place = data.index(b"Xing") + 8
    # Version, delay and quality, then bytes and frames, where MPEG-1 in stereo has its music.
    tag = b"VBRI" + bytes(6) + len(data).to_bytes(4, "big") + data[place : place + 4]
    first = (data[:4] + bytes(32) + tag).ljust(len(data) - len(frames), b"\0")
    other.write_bytes(first + frames)
    np.testing.assert_array_equal(read_audio(other).samples, read_audio(plain).samples)
    other.write_bytes(first + frames[: len(frames) // 2])
    with pytest.raises(AudioError, match="is truncated"):
        AudioReader(other)


def test_a_big_tag_behind_the_music_is_no_reason_for_remarks(tmp_path, capfd):
    path = write_mp3(tmp_path / "v.mp3")
    wanted = read_audio(path).samples
    path.write_bytes(path.read_bytes() + b"APETAGEX" + bytes(50_000))
    np.testing.assert_array_equal(read_audio(path).samples, wanted)
    assert not capfd.readouterr().err


@pytest.mark.parametrize("head", [b"", b"ID3\x04\0\0\0\0\0\x0a"])
def test_words_called_mp3_are_no_audio(tmp_path, capfd, head):
    path = tmp_path / "v.mp3"
    path.write_bytes(head + b"these are words, no sound\n" * 5_000)
    with pytest.raises(AudioError, match="no audio file that banso can read; it reads wav"):
        AudioReader(path)
    assert not capfd.readouterr().err


def test_another_kind_of_file_called_mp3_is_read(tmp_path):
    path = tmp_path / "v.mp3"
    soundfile.write(path, sing(1.0)[0], 44_100, format="WAV")
    assert read_audio(path).num_samples == 44_100


def test_an_untold_file_may_be_listened_to_twice(tmp_path):
    path = write_mp3(tmp_path / "v.mp3")
    path.write_bytes(without_length(path))
    reader = AudioReader(path)
    first, second = reader.read().samples, reader.read().samples
    np.testing.assert_array_equal(first, second)
    assert first.shape == (2, reader.num_samples)
