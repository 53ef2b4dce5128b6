import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="needs the train extra")

from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from banso import runtime
from banso.bundle import load_bundle
from banso.cli import app
from banso.codec.parameters import NUM_PARAMETERS
from banso.conditioning import NUM_CONDITIONS
from banso.errors import BundleError
from banso.runtime.session import Session
from banso.train import loop, quantize
from banso.train.bundle_weights import read_weights
from banso.train.graphs import with_half_weights
from banso.train.quantize import quantize_bundle, quantize_graph, to_integers

pytestmark = pytest.mark.lab

FIRST, SECOND = "layers.1.weight_transposed", "layers.2.weight_transposed"


@pytest.fixture(scope="module")
def exported(tiny_bundle):
    return tiny_bundle


@pytest.fixture
def small_too(monkeypatch):
    monkeypatch.setattr(quantize, "_LEAST_NUMBERS", 64)


def two_products(first, second):
    """A graph in which two matrices are multiplied with the same input."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["given", FIRST], ["one"]),
            helper.make_node("MatMul", ["given", SECOND], ["two"]),
            helper.make_node("Add", ["one", "two"], ["sum"]),
            helper.make_node("Identity", ["sum"], ["result"]),
        ],
        "two",
        [helper.make_tensor_value_info("given", TensorProto.FLOAT, ["rows", first.shape[0]])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, ["rows", first.shape[1]])],
        [numpy_helper.from_array(first, FIRST), numpy_helper.from_array(second, SECOND)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.ir_version = 10
    return with_half_weights(model)


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float16).astype(np.float32)


def test_whole_numbers_are_within_half_a_step_of_the_matrix():
    matrix = drawn(0, 50, 30) * np.geomspace(1e-3, 1e3, 30, dtype=np.float32)
    matrix[:, 7] = 0
    whole, step = to_integers(matrix)
    assert whole.dtype == np.int8
    assert np.abs(whole).max() == 63
    assert (np.abs(whole * step - matrix) <= 0.5001 * step).all()
    assert not (whole * step)[:, 7].any()


def test_products_are_what_they_were_within_both_roundings(tmp_path):
    model = two_products(drawn(1, 64, 32), drawn(2, 64, 32) * 10)
    (tmp_path / "exact.onnx").write_bytes(model.SerializeToString())
    assert quantize_graph(model) == 2
    (tmp_path / "whole.onnx").write_bytes(model.SerializeToString())
    kinds = [node.op_type for node in model.graph.node]
    # What both are multiplied with is rounded once, and no weight is kept twice.
    assert kinds.count("DynamicQuantizeLinear") == 1
    assert "MatMul" not in kinds
    stored = {t.name: t.data_type for t in model.graph.initializer}
    assert stored == {
        f"{FIRST}_int8": TensorProto.INT8, f"{FIRST}_scale": TensorProto.FLOAT,
        f"{SECOND}_int8": TensorProto.INT8, f"{SECOND}_scale": TensorProto.FLOAT,
    }  # fmt: skip
    given = drawn(3, 200, 64)
    exact, whole = (
        Session(tmp_path / f"{name}.onnx", 1).run(given=given)["result"]
        for name in ("exact", "whole")
    )
    error = np.sqrt(np.mean((whole - exact) ** 2) / np.mean(exact**2))
    # Steps of 1/63 and 1/255 of the range: independent errors of about 1 % each.
    assert 1e-3 < error < 0.02


@pytest.mark.parametrize(
    ("name", "size"), [("layers.1.weight_transposed", 8), ("sums_over_bands", 64), ("changing", 64)]
)
def test_other_matrices_stay_as_they_are(name, size):
    # A layer's own matrix if it is small, one that is no layer's, and one that is no constant.
    inputs = ["given", name]
    constants = [numpy_helper.from_array(drawn(1, size, size), name)]
    graph = helper.make_graph(
        [helper.make_node("MatMul", inputs, ["result"])],
        "one",
        [
            helper.make_tensor_value_info(given, TensorProto.FLOAT, [size, size])
            for given in (inputs if name == "changing" else inputs[:1])
        ],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [size, size])],
        [] if name == "changing" else constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    before = {node.op_type for node in model.graph.node}, len(model.graph.initializer)
    assert quantize_graph(model) == 0
    assert before == ({node.op_type for node in model.graph.node}, len(model.graph.initializer))


def test_a_bundle_says_nearly_the_same_in_whole_numbers(exported, tmp_path, small_too):
    made = quantize_bundle(exported, tmp_path / "whole")
    assert load_bundle(tmp_path / "whole").hash == made.bundle.hash != exported.hash
    assert made.bundle.manifest.graphs == exported.manifest.graphs
    encoder = runtime.CODEC_ENCODER_FILE
    assert made.bundle.manifest.files[encoder] == exported.manifest.files[encoder]
    there = set(quantize.QUANTIZED_FILES) & set(exported.manifest.files)
    assert set(made.num_matrices) == there
    assert all(made.num_matrices.values())
    latents = drawn(5, 1, 40, 64)
    exact, whole = (
        Session(bundle.path(runtime.CODEC_DECODER_FILE), 1).run(latents=latents)["parameters"]
        for bundle in (exported, made.bundle)
    )
    assert exact.shape == (1, 40, NUM_PARAMETERS)
    assert 0 < np.sqrt(np.mean((whole - exact) ** 2) / np.mean(exact**2)) < 0.05
    conditioning = np.abs(drawn(6, 1, 64, NUM_CONDITIONS))
    denoised = []
    for bundle in (exported, made.bundle):
        models = runtime.load_models(bundle, 1)
        denoised.append(models.denoiser.condition(conditioning)(drawn(7, 1, 64, 64), 0.8))
    difference = np.sqrt(np.mean((denoised[1] - denoised[0]) ** 2) / np.mean(denoised[0] ** 2))
    assert 0 < difference < 0.05


def test_training_goes_on_from_whole_numbers(exported, tmp_path, small_too):
    made = quantize_bundle(exported, tmp_path / "whole").bundle
    for load in (loop.load_denoiser, loop.load_codec):
        network = load(exported.folder)
        exact, whole = (read_weights(bundle, network) for bundle in (exported, made))
        assert exact.keys() <= whole.keys()
        for name, value in exact.items():
            # Rows of a layer's matrix are columns of the graph's.
            half_a_step = value.abs().amax(dim=-1, keepdim=True) / 63 / 2 if value.ndim == 2 else 0
            assert ((whole[name] - value).abs() <= half_a_step * 1.001 + 1e-9).all(), name
        load(made.folder)


def test_nothing_is_left_to_do(exported, tmp_path, small_too):
    once = quantize_bundle(exported, tmp_path / "once").bundle
    with pytest.raises(BundleError, match="no matrices"):
        quantize_bundle(once, tmp_path / "twice")
    assert not (tmp_path / "twice").exists()


def test_the_command(exported, tmp_path, small_too):
    run = CliRunner().invoke(
        app, ["bundle", "quantize", str(exported.folder), "--out", str(tmp_path / "whole")]
    )
    assert run.exit_code == 0, run.output
    assert f"tiny {load_bundle(tmp_path / 'whole').hash}" in run.output
    sizes = [
        sum(t.ByteSize() for t in onnx.load(folder / runtime.DENOISER_FILE).graph.initializer)
        for folder in (exported.folder, tmp_path / "whole")
    ]
    assert sizes[1] < sizes[0]
