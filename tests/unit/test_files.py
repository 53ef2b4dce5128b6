import os

import numpy as np
import pytest
import soundfile

from banso.errors import AudioError
from banso.files import AudioReader, AudioWriter, read_audio, write_audio
from banso.outputs import OutputFiles
from banso.truncation import is_truncated
from conftest import sing


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_round_trip_keeps_24_bits(tmp_path, voice, suffix):
    path = tmp_path / f"v.{suffix}"
    write_audio(path, voice)
    back = read_audio(path)
    assert back.sample_rate == voice.sample_rate
    np.testing.assert_allclose(back.samples, voice.samples, atol=2**-23)


def test_reader_can_be_listened_to_again_and_resampled(vocals_file):
    reader = AudioReader(vocals_file(sample_rate=32_000, num_channels=2))
    lengths = [sum(b.shape[1] for b in reader.blocks(rate)) for rate in (None, 44_100, None)]
    assert lengths == [64_000, 88_200, 64_000]
    assert reader.duration_seconds == 2.0


def test_writing_refuses_and_leaves_things_alone(tmp_path, voice):
    path = tmp_path / "v.wav"
    path.write_bytes(b"precious")
    with pytest.raises(AudioError, match="exists already"):
        write_audio(path, voice)
    assert path.read_bytes() == b"precious"
    with pytest.raises(AudioError, match=r"\.wav, \.flac, \.mp3"):
        write_audio(tmp_path / "v.aac", voice)
    assert os.listdir(tmp_path) == ["v.wav"]  # noqa: PTH208 - hidden parts would show


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_all_files_appear_or_none(tmp_path, error):
    first, second = tmp_path / "new" / "a", tmp_path / "b"
    second.write_text("old")

    def write(fail):
        with OutputFiles([first, second], overwrite=True) as outputs:
            outputs.part(first).write_text("one")
            outputs.part(second).write_text("two")
            if fail:
                raise error

    with pytest.raises(error):
        write(fail=True)
    assert not first.exists()
    assert second.read_text() == "old"
    write(fail=False)
    assert (first.read_text(), second.read_text()) == ("one", "two")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "new"]


def test_a_failed_rename_puts_everything_back(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("old")

    def write():
        with OutputFiles([first, second], overwrite=True) as outputs:
            outputs.part(first).write_text("one")
            outputs.part(second).unlink()

    with pytest.raises(AudioError, match="cannot write"):
        write()
    assert first.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_name_too_long_is_found_before_any_work(tmp_path):
    with (
        pytest.raises(AudioError, match="too long"),
        OutputFiles([tmp_path / ("x" * 300)]),
    ):
        pytest.fail("entered")
    assert not list(tmp_path.iterdir())


def test_files_longer_than_wav_allows_become_rf64(tmp_path):
    for num_samples, container in ((100, "WAV"), (2**30, "RF64")):
        path = tmp_path / f"{container}.wav"
        with AudioWriter(path, 44_100, 2, "wav", num_samples) as writer:
            writer.write(np.zeros((2, 30_000), np.float32))
        assert soundfile.info(path).format == container
        assert not is_truncated(path)
        assert AudioReader(path).num_samples == 30_000


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_FFFF])
def test_recorders_that_do_not_tell_the_length_are_believed(vocals_file, size):
    path = vocals_file()
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert not is_truncated(path)
    assert AudioReader(path).num_samples == 88_200


def test_folders_pipes_and_many_channels_are_refused(tmp_path):
    with pytest.raises(AudioError, match="is a folder"):
        AudioReader(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AudioError, match="not a regular file"):
        AudioReader(tmp_path / "pipe")
    soundfile.write(tmp_path / "many.wav", np.zeros((44_100, 65)), 44_100)
    with pytest.raises(AudioError, match="65 channels"):
        AudioReader(tmp_path / "many.wav")


def test_audio_of_a_corrupt_middle_is_one_error(tmp_path):
    path = tmp_path / "v.flac"
    soundfile.write(path, sing(10.0)[0] + np.random.default_rng(0).normal(0, 0.01, 441_000), 44_100)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200_000] = bytes(200_000)
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"v\.flac"):
        read_audio(path)
