"""Torch, ONNX Runtime and the stored goldens say the same; the tolerances stand here alone."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import make_goldens  # noqa: E402

from banso import runtime  # noqa: E402
from banso.bundle import load_bundle, write_bundle  # noqa: E402
from banso.codec.parameters import HOP_LENGTH, Parameters  # noqa: E402
from banso.codec.synthesis import synthesize  # noqa: E402
from banso.errors import ConfigError  # noqa: E402
from banso.train import loop  # noqa: E402
from banso.train.export import measure_parity, rounded  # noqa: E402
from tiny_networks import CODEC, DENOISER, tiny_networks  # noqa: E402

pytestmark = pytest.mark.lab

# Relative to the largest value; at most ten times what was measured (torch 2.13, ORT 1.32).
# Measured: torch against goldens 0 on the same machine, ONNX against torch 2e-7 to 2e-5 with the
# full-size networks.
TORCH_TOLERANCE = 1e-5
ONNX_TOLERANCE = 2e-4


def relative(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.fixture(scope="module")
def goldens():
    with np.load(make_goldens.GOLDENS) as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def networks():
    return tiny_networks()


@pytest.fixture(scope="module")
def exported(tiny_export, tiny_bundle):
    assert tiny_export[1].worst < ONNX_TOLERANCE
    return tiny_bundle


def test_torch_says_what_it_said(goldens):
    for name, found in make_goldens.outputs().items():
        assert relative(found, goldens[name]) < TORCH_TOLERANCE, name


def test_onnx_says_the_same(exported, goldens):
    given = make_goldens.inputs()
    models = runtime.load_models(exported, 1)
    for item, sigma in enumerate(given["sigma"]):
        one = slice(item, item + 1)
        denoise = models.denoiser.condition(given["conditioning"][one])
        found = denoise(given["noisy"][one], float(sigma))
        assert relative(found, goldens["denoised"][one]) < ONNX_TOLERANCE
    session = runtime.Session(exported.path(runtime.CODEC_ENCODER_FILE), 1)
    latents = session.run(parameters=given["parameters"])["latents"]
    assert relative(latents, goldens["latents"]) < ONNX_TOLERANCE
    found = models.codec.decode_parameters(goldens["latents"][0])
    assert relative(found, goldens["parameters"][0]) < ONNX_TOLERANCE


def test_any_length_and_batch(exported, networks):
    denoiser, codec = (rounded(network) for network in networks)
    parity = measure_parity(exported, denoiser, codec, lengths=(16, 32, 528, 1_024))
    assert parity.worst < ONNX_TOLERANCE


def test_the_exported_codec_streams(exported):
    codec = runtime.load_codec(exported, 1)
    latents = np.random.default_rng(0).standard_normal((60, 64), dtype=np.float32)
    stream = codec.decode_stream()
    pieces = [stream.add(latents[:7]), stream.add(latents[7:40]), stream.add(latents[40:])]
    joined = np.concatenate([*pieces, stream.finish()], axis=1)
    whole = synthesize(Parameters.from_array(codec.decode_parameters(latents)))
    assert joined.shape == (2, 60 * HOP_LENGTH)
    assert relative(joined, whole) < 1e-4


def test_the_manifest_tells_what_was_exported(exported):
    manifest = load_bundle(exported.folder).manifest
    assert manifest.denoiser == DENOISER
    assert manifest.codec == CODEC
    assert manifest.codec_context_frames == 2 * 2
    graph = manifest.graphs[runtime.DENOISER_FILE]
    names = {tensor.name for tensor in graph.inputs}
    assert names == {"latents", "sigma", *runtime.CONTEXT_NAMES, "known"}
    assert graph.inputs[0].shape[0] == "batch"
    assert not graph.inputs[0].shape[1].isdigit()


def test_weights_are_stored_in_half_precision(exported, networks):
    count = sum(p.numel() for network in networks for p in network.parameters())
    onnx = pytest.importorskip("onnx")
    stored = 0
    for name in exported.manifest.files:
        model = onnx.load(exported.path(name))
        half = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
        stored += sum(int(np.prod(t.dims)) for t in half)
        # No paths or names of source files travel with the graphs.
        assert str(ROOT) not in str(model)
    assert stored > 0.9 * count


def test_a_network_that_differs_is_noticed(exported, networks):
    denoiser, codec = (rounded(network) for network in networks)
    denoiser.hourglass.project.bias.add_(0.5)
    parity = measure_parity(exported, denoiser, codec, lengths=(16,))
    assert parity.errors[runtime.DENOISER_FILE] > 1e-2
    assert parity.errors[runtime.ENCODER_FILE] < ONNX_TOLERANCE


def test_training_goes_on_from_the_graphs(exported, networks):
    denoiser, codec = (rounded(network) for network in networks)
    again = loop.load_denoiser(exported.folder), loop.load_codec(exported.folder)
    for wanted, found in zip((denoiser, codec), again, strict=True):
        state = found.state_dict()
        for name, value in wanted.state_dict().items():
            # What only training needs is in no graph: heads, and the spread of the latents.
            if not name.startswith(("encoder.harmony", "encoder.pulse", "log_std")):
                torch.testing.assert_close(state[name], value, msg=name)


def test_graphs_that_do_not_name_their_weights_are_refused(exported, tmp_path):
    stripped = {}
    for file in exported.manifest.files:
        model = onnx.load(exported.path(file))
        renamed = {
            t.name: f"val_{i}" for i, t in enumerate(model.graph.initializer) if len(t.dims) == 2
        }
        for tensor in model.graph.initializer:
            tensor.name = renamed.get(tensor.name, tensor.name)
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                node.input[index] = renamed.get(name, name)
        stripped[file] = model.SerializeToString()
    old = write_bundle(tmp_path / "old", exported.manifest, stripped)
    with pytest.raises(ConfigError, match="do not name their weights"):
        loop.load_codec(old.folder)
