"""Networks in whole numbers: faster on CPUs, and files half as large.

Matrices of weights become whole numbers of 7 bits, with one scale for each column; what
they are multiplied with becomes whole numbers of 8 bits on the fly, with one scale for each call.
Everything else, attention included, stays in float32; so do matrices that are no layer's weights:
the codec sums up powers by one, and what is soft would be nothing.

References:
    Jacob et al. 2018, "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", CVPR, section 2.1.
    onnxruntime.ai, "Quantize ONNX models": processors without VNNI add two products in 16 bits,
    which weights of 8 bits would make overflow.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from banso import runtime
from banso.bundle import Bundle, write_bundle
from banso.errors import BundleError
from banso.train.bundle_weights import INTEGER, SCALE, is_layer_weight
from banso.train.graphs import described

# What a bundle encodes is compared with what it made itself, so its encoder stays exact.
QUANTIZED_FILES = (
    runtime.ENCODER_FILE,
    runtime.DENOISER_FILE,
    runtime.CODEC_DECODER_FILE,
    runtime.CODEC_ENVELOPE_FILE,
    runtime.CODEC_DETAIL_FILE,
)
_LARGEST = 63
# Below that a matrix is not worth it.
_LEAST_NUMBERS = 1_024


@dataclass(frozen=True, slots=True)
class Quantized:
    """What came of it.

    Attributes:
        bundle: In whole numbers.
        num_matrices: How many matrices are, by file name.
    """

    bundle: Bundle
    num_matrices: dict[str, int]


def quantize_bundle(bundle: Bundle, out: Path) -> Quantized:
    """Write a bundle again with weights in whole numbers.

    Args:
        bundle: As trained.
        out: Folder of the new bundle.

    Raises:
        BundleError: If there is nothing to be quantized, or the bundle cannot be written.
    """
    files = bundle.contents()
    graphs, counts = dict(bundle.manifest.graphs), {}
    for name in QUANTIZED_FILES:
        if name in files:
            model = onnx.load_from_string(files[name])
            counts[name] = quantize_graph(model)
            files[name], graphs[name] = model.SerializeToString(), described(model)
    if not sum(counts.values()):
        raise BundleError(f"bundle {bundle.name} has no matrices in floating point")
    manifest = dataclasses.replace(bundle.manifest, graphs=graphs)
    return Quantized(write_bundle(out, manifest, files), counts)


def quantize_graph(model: onnx.ModelProto) -> int:
    """Multiply by constant matrices in whole numbers; changes the model in place.

    Returns:
        How many matrices are now in whole numbers.
    """
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    casts = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in constants
    }
    nodes: list[onnx.NodeProto] = []
    inputs: dict[str, list[str]] = {}
    done = 0
    for node in graph.node:
        source = casts.get(node.input[1], node.input[1]) if node.op_type == "MatMul" else ""
        if source in constants and _is_worth_it(constants[source]):
            _store(graph, node.input[1], constants[source])
            nodes += _multiplied(node, inputs)
            done += 1
        else:
            nodes.append(node)
    _replace_nodes(graph, nodes)
    onnx.checker.check_model(model)
    return done


def _is_worth_it(tensor: onnx.TensorProto) -> bool:
    return is_layer_weight(tensor) and int(np.prod(tensor.dims)) >= _LEAST_NUMBERS


def _store(graph: onnx.GraphProto, name: str, tensor: onnx.TensorProto) -> None:
    """Add a matrix in whole numbers and its columns' scales, unless they are there."""
    if all(stored.name != name + INTEGER for stored in graph.initializer):
        whole, scale = to_integers(numpy_helper.to_array(tensor).astype(np.float32))
        graph.initializer.append(numpy_helper.from_array(whole, name + INTEGER))
        graph.initializer.append(numpy_helper.from_array(scale, name + SCALE))


def to_integers(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix [rows, columns] to whole numbers of each column's step [columns]."""
    step = np.maximum(np.abs(matrix).max(axis=0), 1e-12) / _LARGEST
    return np.rint(matrix / step).astype(np.int8), step.astype(np.float32)


def _multiplied(node: onnx.NodeProto, inputs: dict[str, list[str]]) -> list[onnx.NodeProto]:
    """A product in whole numbers, in the pattern that ONNX Runtime computes in one go."""
    given, weights = node.input
    out = node.output[0]
    nodes = []
    if given not in inputs:
        inputs[given] = [given + ending for ending in ("_integer", "_step", "_zero_point")]
        nodes.append(helper.make_node("DynamicQuantizeLinear", [given], inputs[given]))
    whole, step, zero = inputs[given]
    product = [whole, weights + INTEGER, zero]
    return [
        *nodes,
        helper.make_node("MatMulInteger", product, [out + "_integer"]),
        helper.make_node("Cast", [out + "_integer"], [out + "_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [step, weights + SCALE], [out + "_scale"]),
        helper.make_node("Mul", [out + "_float", out + "_scale"], [out]),
    ]


def _replace_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Put nodes in a graph's place, and leave out what nothing needs any more."""
    wanted = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            kept.append(node)
    constants = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(constants)
