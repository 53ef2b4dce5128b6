import dataclasses
import shutil

import numpy as np
import pytest

from banso import runtime
from banso.audio import Audio
from banso.bundle import load_bundle, write_bundle
from banso.codec.parameters import HOP_LENGTH, Parameters
from banso.codec.synthesis import synthesize
from banso.conditioning import KNOWN, NUM_CHANNELS, NUM_CONDITIONS, VOCAL
from banso.errors import BundleError
from banso.features import CHROMA
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

FIRST_CHROMA = VOCAL.start + 1 + CHROMA.start


@pytest.fixture
def models(debug_bundle):
    return runtime.load_models(load_bundle(debug_bundle), num_threads=1)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def tone(midi, seconds=2.0, sample_rate=44_100):
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    hz = 440 * 2 ** ((midi - 69) / 12)
    return 0.3 * sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 6)).astype(np.float32)


def test_the_denoiser_hears_the_conditioning(models):
    conditioning = np.zeros((2, 32, NUM_CONDITIONS), np.float32)
    conditioning[0, :, FIRST_CHROMA + 4] = 1
    conditioning[1, 16:, FIRST_CHROMA + 7] = 1
    denoised = models.denoiser.condition(conditioning)(100 * noise(2, 32, NUM_CHANNELS), 100.0)
    assert denoised[0, :, 4].mean() == pytest.approx(1, abs=0.01)
    assert denoised[1, 16:, 7].mean() == pytest.approx(1, abs=0.01)
    assert np.abs(denoised[1, :16]).max() < 0.01


def test_known_frames_come_back_exactly(models):
    conditioning = np.zeros((1, 16, NUM_CONDITIONS), np.float32)
    fixed = noise(8, NUM_CHANNELS)
    conditioning[0, :8, KNOWN.start] = 1
    conditioning[0, :8, KNOWN.start + 1 : KNOWN.stop] = fixed
    denoised = models.denoiser.condition(conditioning)(noise(1, 16, NUM_CHANNELS), 3.0)
    np.testing.assert_allclose(denoised[0, :8], fixed, atol=1e-6)
    assert np.abs(denoised[0, 8:]).max() < 0.1


def test_conditions_of_two_songs_do_not_mix(models):
    conditioning = np.zeros((1, 16, NUM_CONDITIONS), np.float32)
    silent = models.denoiser.condition(conditioning)
    conditioning[..., FIRST_CHROMA] = 1
    sung = models.denoiser.condition(conditioning)
    noisy = np.zeros((1, 16, NUM_CHANNELS), np.float32)
    assert np.abs(silent(noisy, 5.0)).max() < 1e-6
    assert sung(noisy, 5.0)[..., 0].min() > 0.9


@pytest.mark.parametrize("sizes", [(64,), (1,) * 20, (3, 1, 60), (700, 324)])
def test_streaming_equals_the_whole(models, sizes):
    latents = 0.5 * noise(sum(sizes), NUM_CHANNELS)
    stream = models.codec.decode_stream()
    pieces = [stream.add(part) for part in np.split(latents, np.cumsum(sizes)[:-1])]
    assert sum(p.shape[1] for p in pieces) == (sum(sizes) - 1) * HOP_LENGTH
    joined = np.concatenate([*pieces, stream.finish()], axis=1)
    whole = synthesize(Parameters.from_array(models.codec.decode_parameters(latents)))
    np.testing.assert_allclose(joined, whole, atol=1e-4)


def test_an_empty_song_decodes_to_nothing(models):
    assert models.codec.decode_stream().finish().shape == (2, 0)


def test_a_round_trip_keeps_length_and_note(models):
    waveform = np.tile(tone(64)[:50_001], (2, 1))
    again = models.codec.roundtrip(waveform)
    assert again.shape == waveform.shape
    spectrum = np.abs(np.fft.rfft(again[0, 8_192:40_960] * np.hanning(32_768)))
    loudest_hz = np.argmax(spectrum) * 44_100 / 32_768
    assert loudest_hz == pytest.approx(329.6, abs=2)


def test_encoding_is_loaded_only_when_wanted(debug_bundle, tmp_path):
    shutil.copytree(debug_bundle, tmp_path / "half")
    bundle = load_bundle(tmp_path / "half")
    codec = runtime.load_models(bundle, 1).codec
    bundle.path(runtime.CODEC_ENCODER_FILE).unlink()
    codec.decode_stream().add(noise(4, NUM_CHANNELS))
    with pytest.raises(BundleError, match=r"codec_encoder\.onnx"):
        codec.encode(np.zeros((2, 4_096), np.float32))


def test_a_file_that_is_no_graph_is_a_clear_error(debug_bundle, tmp_path):
    bundle = load_bundle(debug_bundle)
    files = bundle.contents()
    files[runtime.DENOISER_FILE] = b"this is no graph"
    broken = write_bundle(tmp_path / "broken", bundle.manifest, files)
    with pytest.raises(BundleError) as raised:
        runtime.load_models(broken, 1)
    assert "denoiser.onnx" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_codec_alone_cannot_accompany(debug_bundle, tmp_path):
    bundle = load_bundle(debug_bundle)
    names = (runtime.CODEC_ENCODER_FILE, runtime.CODEC_DECODER_FILE)
    files = {name: bundle.path(name).read_bytes() for name in names}
    alone = write_bundle(tmp_path / "codec", bundle.manifest, files)
    with pytest.raises(BundleError, match="codec only"):
        runtime.load_models(alone)
    assert runtime.load_codec(alone, 1).num_channels == NUM_CHANNELS


def test_the_manifest_decides_the_kind_of_codec(debug_bundle):
    bundle = load_bundle(debug_bundle)
    manifest = dataclasses.replace(bundle.manifest, codec_kind="waveform")
    other = dataclasses.replace(bundle, manifest=manifest)
    assert isinstance(runtime.load_codec(bundle, 1), runtime.OnnxCodec)
    assert isinstance(runtime.load_codec(other, 1), runtime.OnnxWaveformCodec)


def test_graphs_are_what_the_manifest_says(debug_bundle):
    bundle = load_bundle(debug_bundle)
    names = {"latents", "sigma", *runtime.CONTEXT_NAMES, "known"}
    graph = bundle.manifest.graphs[runtime.DENOISER_FILE]
    assert {tensor.name for tensor in graph.inputs} == names
    assert [tensor.name for tensor in graph.outputs] == ["denoised"]
    for name, described in bundle.manifest.graphs.items():
        session = runtime.Session(bundle.path(name), 1)
        assert session.output_names == tuple(tensor.name for tensor in described.outputs)


@pytest.mark.parametrize("sizes", [(40,), (7, 20, 13), (1,) * 12, (90, 60)])
def test_a_chunked_decoder_of_samples_has_exact_seams(sizes):
    # A stand-in for a VAE: five frames of reach, three samples a frame.
    kernel = np.hanning(13)[1:-1]

    def decode(latents):
        return np.repeat(np.convolve(np.pad(latents[:, 0], 5), kernel, mode="valid"), 3)[:, None]

    latents = noise(sum(sizes), 2)
    whole = decode(latents)
    decoder = runtime.ChunkedDecoder(decode, 5, piece_frames=8, rows_per_frame=3)
    pieces = []
    for part in np.split(latents, np.cumsum(sizes)[:-1]):
        pieces += decoder.add(part)
    pieces += decoder.finish()
    assert max(len(piece) for piece in pieces) <= 24
    np.testing.assert_allclose(np.concatenate(pieces), whole, atol=1e-5)


@pytest.mark.parametrize(("midi", "pitch"), [(60, 0), (64, 4), (57, 9)])
def test_the_accompaniment_plays_the_sung_note(debug_bundle, midi, pitch):
    # The debug bundle plays the voice's chroma in the octave from C4 to B4.
    accompanist = Accompanist.from_bundle(debug_bundle, num_threads=1)
    voice = Audio(tone(midi)[None], 44_100)
    result = accompanist.accompany(voice, GenerationOptions(seed=1))
    mono = result.audio.samples.mean(axis=0)[22_050:]
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(len(mono))))
    loudest_hz = np.argmax(spectrum) * 44_100 / len(mono)
    assert 12 * np.log2(loudest_hz / 261.63) == pytest.approx(pitch, abs=0.2)
    assert result.provenance.bundle.name == "debug"
    # Three windows, three steps; at the first two there is enough noise for guidance.
    assert result.provenance.num_evaluations == 3 * (3 + 2)
