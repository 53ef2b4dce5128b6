"""Public VAEs, on a tiny one with random weights: layout, odd lengths, export, reload."""

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the public-codecs extra")

import diffusers
import onnxruntime
import torch

from banso.errors import BundleError
from banso.model.oobleck import OobleckCodec, export_oobleck, load_oobleck

pytestmark = pytest.mark.lab

HOP = 8
# Measured 4.5e-7 at most, on outputs up to 1.1; ten times that may pass.
PARITY = 4.5e-6


@pytest.fixture(scope="module")
def codec():
    torch.manual_seed(0)
    vae = diffusers.AutoencoderOobleck(
        encoder_hidden_size=8,
        downsampling_ratios=[2, 4],
        channel_multiples=[1, 2],
        decoder_channels=8,
        decoder_input_channels=4,
        sampling_rate=16000,
    )
    return OobleckCodec(vae)


@pytest.fixture(scope="module")
def exported(codec, tmp_path_factory):
    return export_oobleck(codec, tmp_path_factory.mktemp("bundle"))


def noise(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def run(path, name, array):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {name: array})
    return out


def test_rates_are_read_from_the_network(codec):
    assert (codec.sample_rate, codec.hop_length, codec.num_channels) == (16000, HOP, 4)


@torch.no_grad()
def test_encode_is_the_posterior_mean_with_time_before_channels(codec):
    waveform = torch.from_numpy(noise(3, 2, 5 * HOP))
    mean = codec.vae.encode(waveform).latent_dist.mode()
    latents = codec.encode(waveform)
    assert latents.shape == (3, 5, 4)
    torch.testing.assert_close(latents, mean.transpose(1, 2))
    torch.testing.assert_close(codec.decode(latents), codec.vae.decode(mean).sample)


@torch.no_grad()
@pytest.mark.parametrize("num_samples", [1, HOP - 1, HOP, HOP + 1, 12 * HOP + 3])
def test_odd_lengths_are_filled_up_to_a_frame(codec, num_samples):
    waveform = torch.from_numpy(noise(1, 2, num_samples))
    num_frames = -(-num_samples // HOP)
    latents = codec.encode(waveform)
    padded = torch.nn.functional.pad(waveform, (0, num_frames * HOP - num_samples))
    assert latents.shape == (1, num_frames, 4)
    torch.testing.assert_close(latents, codec.encode(padded))
    assert codec.decode(latents).shape == (1, 2, num_frames * HOP)


@torch.no_grad()
@pytest.mark.parametrize(("batch", "frames"), [(1, 1), (1, 7), (2, 5), (3, 64)])
def test_onnx_equals_torch_at_any_batch_and_length(codec, exported, batch, frames):
    waveform, latents = noise(batch, 2, frames * HOP), noise(batch, frames, 4)
    expected = codec.encode(torch.from_numpy(waveform)).numpy()
    assert np.abs(run(exported.encoder, "waveform", waveform) - expected).max() < PARITY
    expected = codec.decode(torch.from_numpy(latents)).numpy()
    assert np.abs(run(exported.decoder, "latents", latents) - expected).max() < PARITY


def test_graphs_name_their_tensors_and_leave_sizes_open(exported):
    for path, names in (
        (exported.encoder, ("waveform", "latents")),
        (exported.decoder, ("latents", "waveform")),
    ):
        session = onnxruntime.InferenceSession(path)
        (given,), (made,) = session.get_inputs(), session.get_outputs()
        assert (given.name, made.name) == names
        time_axis = {"waveform": 2, "latents": 1}[given.name]
        assert isinstance(given.shape[0], str)
        assert isinstance(given.shape[time_axis], str)
    assert {p.name for p in exported.encoder.parent.iterdir()} == {"encoder.onnx", "decoder.onnx"}


@torch.no_grad()
@pytest.mark.parametrize("subfolder", ["", "vae"])
def test_a_named_folder_is_loaded(codec, tmp_path, subfolder):
    torch.manual_seed(1)
    vae = diffusers.AutoencoderOobleck.from_config(codec.vae.config)
    vae.save_pretrained(tmp_path / subfolder)
    waveform = torch.from_numpy(noise(1, 2, 4 * HOP))
    torch.testing.assert_close(
        load_oobleck(tmp_path).encode(waveform), OobleckCodec(vae).encode(waveform)
    )


def test_a_folder_without_weights_is_one_clear_error(tmp_path):
    with pytest.raises(BundleError, match="cannot load the codec"):
        load_oobleck(tmp_path)
