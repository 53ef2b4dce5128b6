"""What hears the envelope says the same in torch and ONNX Runtime; the codec plays what it says."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import runtime  # noqa: E402
from banso.bundle import load_bundle  # noqa: E402
from banso.codec import envelope as e  # noqa: E402
from banso.codec.parameters import HOP_LENGTH  # noqa: E402
from banso.config import (  # noqa: E402
    EnvelopeConfig,
    Experiment,
    RendererConfig,
)
from banso.errors import BundleError  # noqa: E402
from banso.eval import bundles  # noqa: E402
from banso.eval.codecs import Clip  # noqa: E402
from banso.model.renderer import RendererNetwork  # noqa: E402
from banso.train.envelope_export import add_envelope  # noqa: E402
from banso.train.export import relative_error  # noqa: E402
from banso.train.loop import save_weights  # noqa: E402
from banso.train.module import CodecModule  # noqa: E402
from banso.train.quantize import quantize_bundle  # noqa: E402
from banso.train.renderer_export import add_renderer  # noqa: E402
from tiny_networks import latents, played, tiny_networks  # noqa: E402

pytestmark = pytest.mark.lab

# Relative to the largest value; measured 2e-7 (torch 2.13, ORT 1.32).
TOLERANCE = 2e-6
CONFIG = EnvelopeConfig(dim=32, layers=2)


@pytest.fixture(scope="module")
def plain(tiny_bundle):
    return tiny_bundle


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    module = CodecModule(Experiment(codec=tiny_networks()[1].config, envelope=CONFIG))
    torch.nn.init.normal_(module.envelope.project.weight, std=0.02)
    path = tmp_path_factory.mktemp("checkpoint") / "codec.ckpt"
    save_weights(module, path)
    return path


@pytest.fixture(scope="module")
def shaping(plain, checkpoint, tmp_path_factory):
    bundle, parity = add_envelope(plain, checkpoint, tmp_path_factory.mktemp("shaping") / "bundle")
    assert parity.worst < TOLERANCE
    return bundle


def test_the_bundle_says_what_it_holds(plain, shaping):
    opened = load_bundle(shaping.folder)
    assert opened.manifest.envelope == CONFIG
    assert opened.manifest.training["envelope"] == {"minutes": 60.0}
    names = [t.name for t in opened.manifest.graphs[runtime.CODEC_ENVELOPE_FILE].inputs]
    assert names == ["latents", "parameters"]
    assert plain.manifest.envelope is None


def test_what_is_played_is_as_loud_as_it_says(plain, tmp_path):
    given, levels = np.repeat(latents(1), 40, axis=0), []
    for bias in (0.0, 0.3):  # of 20 dB each
        module = CodecModule(Experiment(codec=plain.manifest.codec, envelope=CONFIG))
        torch.nn.init.constant_(module.envelope.project.bias, bias)
        save_weights(module, tmp_path / "codec.ckpt")
        bundle, _ = add_envelope(plain, tmp_path / "codec.ckpt", tmp_path / f"bundle-{bias}")
        levels.append(e.measure_envelope(played(runtime.load_codec(bundle), given)).mid[4:-4])
    louder = levels[1] - levels[0]
    audible = levels[0] > levels[0].max() - 40
    # All of the difference above 2 kHz, half of it below 500 Hz.
    assert np.median(louder[..., 50:][audible[..., 50:]]) == pytest.approx(6, abs=0.5)
    assert np.median(louder[..., :12][audible[..., :12]]) == pytest.approx(3, abs=0.5)


def test_pieces_play_the_same_as_the_whole(shaping):
    codec, given = runtime.load_codec(shaping), latents(90)
    whole = played(codec, given)
    assert whole.shape == (2, 90 * HOP_LENGTH)
    pieces = np.split(given, [3, 4, 50])
    assert relative_error(whole, played(codec, *pieces)) < TOLERANCE


def test_a_renderer_and_an_envelope_go_together(shaping, tmp_path):
    torch.manual_seed(1)
    network = RendererNetwork(RendererConfig(dim=16, layers=3, step_dim=12, step_layers=1))
    torch.nn.init.normal_(network.project.weight, std=0.1)
    both, _ = add_renderer(shaping, network.eval(), tmp_path / "both")
    assert both.manifest.envelope == CONFIG
    codec, given = runtime.load_codec(both), latents(70)
    whole = played(codec, given)
    assert relative_error(whole, played(codec, *np.split(given, [20]))) < TOLERANCE
    assert np.abs(whole - played(runtime.load_codec(both, renderer=False), given)).max() > 1e-3
    assert np.abs(whole - played(runtime.load_codec(both, envelope=False), given)).max() > 1e-3


def test_whole_numbers_say_nearly_the_same(shaping, tmp_path):
    quantized = quantize_bundle(shaping, tmp_path / "whole")
    assert quantized.num_matrices[runtime.CODEC_ENVELOPE_FILE] == 6
    given, rows = latents(50), []
    for bundle in (shaping, quantized.bundle):
        codec = runtime.load_codec(bundle)
        feeds = {"latents": given[None], "parameters": codec.decode_parameters(given)[None]}
        rows.append(runtime.load_codec(shaping)._envelope.run(**feeds)["envelope"])
        rows.append(codec._envelope.run(**feeds)["envelope"])
    assert np.abs(rows[3] - rows[2]).mean() < 1.0


def test_the_report_shows_the_codec_without_too(shaping, tmp_path, monkeypatch):
    samples = 0.1 * np.random.default_rng(0).standard_normal((2, 44_100)).astype(np.float32)
    clips = [Clip(name="noise", samples=samples)]
    monkeypatch.setattr(bundles, "band_clips", lambda *args: clips)
    text = bundles.evaluate_codec(shaping.folder, tmp_path, (), tmp_path / "report")
    assert "banso, envelope off" in text


def test_a_codec_of_waveforms_has_no_envelope(checkpoint, plain, tmp_path):
    manifest = dataclasses.replace(plain.manifest, codec_kind="waveform")
    with pytest.raises(BundleError, match="gives sound"):
        add_envelope(dataclasses.replace(plain, manifest=manifest), checkpoint, tmp_path / "x")
