import numpy as np
import pytest
import soundfile

from banso.fileformats import FileFormat, encoding_of, to_integers
from banso.files import AudioReader, read_audio, write_audio


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_what_is_read_is_written_back_bit_by_bit(tmp_path, suffix):
    samples = np.random.default_rng(0).uniform(-1, 1, (44_100, 2))
    first, second = tmp_path / f"first.{suffix}", tmp_path / f"second.{suffix}"
    soundfile.write(first, samples, 44_100, subtype="PCM_24")
    write_audio(second, read_audio(first))
    for one, two in zip(
        AudioReader(first).exact_blocks(), AudioReader(second).exact_blocks(), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_samples_are_rounded_and_clipped_to_their_bits():
    block = np.array([[0.0, 2**-23, 0.4 * 2**-23, 1.5, -1.0, -2.0]], np.float32)
    wanted = np.array([[0, 1, 0, 2**23 - 1, -(2**23), -(2**23)]]) * 256
    np.testing.assert_array_equal(to_integers(block, 24), wanted)
    np.testing.assert_array_equal(to_integers(to_integers(block, 24), 24), wanted)


def test_only_wav_counts_its_bytes():
    assert encoding_of("WAV", "FLOAT") == FileFormat("WAV", "FLOAT", 32)
    assert encoding_of("FLAC", "PCM_24").bits_per_sample == 0
    assert encoding_of("WAV", "MS_ADPCM").bits_per_sample == 0
