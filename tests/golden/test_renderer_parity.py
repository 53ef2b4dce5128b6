"""A renderer in torch, in ONNX Runtime and in pieces says the same; without it nothing changes."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import runtime  # noqa: E402
from banso.bundle import load_bundle  # noqa: E402
from banso.codec import gains as g  # noqa: E402
from banso.codec.parameters import HOP_LENGTH, NUM_PARAMETERS, Parameters  # noqa: E402
from banso.codec.synthesis import Synthesizer, synthesize  # noqa: E402
from banso.config import RendererConfig  # noqa: E402
from banso.errors import BundleError  # noqa: E402
from banso.eval import bundles  # noqa: E402
from banso.eval.codecs import Clip  # noqa: E402
from banso.model.renderer import RendererNetwork  # noqa: E402
from banso.train.export import rounded  # noqa: E402
from banso.train.renderer_export import add_renderer, renderer_parity  # noqa: E402
from tiny_networks import latents, played  # noqa: E402

pytestmark = pytest.mark.lab

# Relative to the largest value; measured 2e-7 (torch 2.13, ORT 1.32).
TOLERANCE = 2e-6
CONFIG = RendererConfig(dim=16, layers=1, step_dim=12, step_layers=2)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = RendererNetwork(CONFIG).eval().requires_grad_(False)
    torch.nn.init.normal_(network.project.weight, std=0.1)
    return rounded(network)


@pytest.fixture(scope="module")
def plain(tiny_bundle):
    return tiny_bundle


@pytest.fixture(scope="module")
def rendering(plain, network, tmp_path_factory):
    out = tmp_path_factory.mktemp("rendering") / "bundle"
    bundle, parity = add_renderer(plain, network, out, {"seconds": 1.0})
    assert parity.worst < TOLERANCE
    return bundle


def relative(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def test_any_length_and_batch(rendering, network):
    assert renderer_parity(rendering, network, (1, 2, 513)).worst < TOLERANCE


def test_the_manifest_tells_of_the_renderer(plain, rendering):
    manifest = load_bundle(rendering.folder).manifest
    assert manifest.renderer == CONFIG
    assert manifest.training["renderer"] == {"seconds": 1.0}
    graph = manifest.graphs[runtime.CODEC_RENDERER_FILE]
    assert [tensor.name for tensor in (*graph.inputs, *graph.outputs)] == ["parameters", "gains"]
    assert graph.outputs[0].shape == ("batch", "frames", str(g.NUM_GAINS))
    assert plain.manifest.renderer is None


def test_the_codec_plays_what_the_networks_say(rendering, network):
    codec = runtime.load_codec(rendering, 1)
    assert codec.has_renderer
    given = latents(40)
    packed = codec.decode_parameters(given)
    assert packed.shape == (40, NUM_PARAMETERS)
    gains = network(torch.from_numpy(packed[None]))[0].numpy()
    wanted = Synthesizer().add(Parameters.from_array(packed), gains)
    found = played(codec, given)
    assert relative(found, wanted) < 1e-4
    assert relative(found, synthesize(Parameters.from_array(packed))) > 1e-2


@pytest.mark.parametrize("sizes", [(1,) * 12, (5, 3, 40), (300, 60)])
def test_pieces_equal_the_whole(rendering, sizes):
    codec = runtime.load_codec(rendering, 1)
    given = latents(sum(sizes))
    whole = played(codec, given)
    assert whole.shape == (2, sum(sizes) * HOP_LENGTH)
    assert relative(played(codec, *np.split(given, np.cumsum(sizes)[:-1])), whole) < 1e-4


def test_without_its_renderer_a_bundle_plays_as_before(plain, rendering):
    given = latents(30)
    before, off = runtime.load_codec(plain, 1), runtime.load_codec(rendering, 1, renderer=False)
    assert not before.has_renderer
    assert not off.has_renderer
    np.testing.assert_array_equal(played(off, given), played(before, given))
    wanted = synthesize(Parameters.from_array(before.decode_parameters(given)))
    assert relative(played(before, given), wanted) < 1e-5


def test_tuning_moves_what_is_rendered(rendering):
    codec = runtime.load_codec(rendering, 1)
    given = latents(20)
    assert relative(played(codec, given, tuning_cents=30.0), played(codec, given)) > 1e-2


def test_a_renderer_is_replaced_in_place(rendering, network):
    other = rounded(network)
    other.project.bias.add_(0.1)
    again, _ = add_renderer(rendering, other, rendering.folder.with_name("again"))
    assert renderer_parity(again, network).worst > 1e-3
    replaced, _ = add_renderer(again, network, again.folder)
    assert renderer_parity(replaced, network).worst < TOLERANCE


def test_a_codec_of_waveforms_takes_none(network, rendering, tmp_path):
    manifest = dataclasses.replace(rendering.manifest, codec_kind="waveform")
    foreign = dataclasses.replace(rendering, manifest=manifest)
    with pytest.raises(BundleError, match="takes no codec_renderer"):
        add_renderer(foreign, network, tmp_path / "out")


def test_a_renderer_for_another_synthesis_is_refused(rendering):
    graph = rendering.manifest.graphs[runtime.CODEC_RENDERER_FILE]
    (output,) = graph.outputs
    wider = dataclasses.replace(output, shape=(*output.shape[:-1], "2400"))
    graphs = rendering.manifest.graphs | {
        runtime.CODEC_RENDERER_FILE: dataclasses.replace(graph, outputs=(wider,))
    }
    manifest = dataclasses.replace(rendering.manifest, graphs=graphs)
    other = dataclasses.replace(rendering, manifest=manifest)
    with pytest.raises(BundleError, match="2400 gains"):
        runtime.load_codec(other, 1)
    assert not runtime.load_codec(other, 1, renderer=False).has_renderer


def test_the_report_shows_the_renderer_on_and_off(rendering, plain, tmp_path, monkeypatch):
    samples = 0.1 * np.random.default_rng(0).standard_normal((2, 3 * 44_100)).astype(np.float32)
    monkeypatch.setattr(bundles, "stem_clips", lambda folders: [Clip(name="a", samples=samples)])
    monkeypatch.setattr("banso.eval.codec_report.opus_codecs", dict)
    text = bundles.evaluate_codec(rendering.folder, None, [], tmp_path)
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| banso")]
    assert rows == ["banso", "banso, renderer off"]
    scores = [line for line in text.splitlines() if line.startswith("| banso")]
    assert scores[0].split("|")[2:] != scores[1].split("|")[2:]
    text = bundles.evaluate_codec(plain.folder, None, [], tmp_path)
    assert "renderer" not in text
