"""ONNX graphs as files of a bundle: weights in half precision, and what the manifest says."""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from banso.bundle import Graph, Tensor

SMALL = 64  # numbers; shorter constants stay as they are


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store weights as float16 where that loses nothing, each with a cast to float32 behind it."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        value = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            half = value.astype(np.float16)
        if value.dtype == np.float32 and value.size >= SMALL and np.array_equal(half, value):
            stored = tensor.name + "_float16"
            kept.append(numpy_helper.from_array(half, stored))
            casts.append(
                helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT)
            )
        else:
            kept.append(tensor)
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:], model.graph.value_info[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    # Names of source files and lines, and of the exporter's inner steps, are nobody's business.
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]
    del model.metadata_props[:], model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    return model


def described(model: onnx.ModelProto) -> Graph:
    """What a bundle's manifest says about a graph."""

    def tensors(values: Iterable[onnx.ValueInfoProto]) -> tuple[Tensor, ...]:
        return tuple(
            Tensor(
                name=value.name,
                shape=tuple(
                    dim.dim_param or str(dim.dim_value) for dim in value.type.tensor_type.shape.dim
                ),
            )
            for value in values
        )

    opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
    graph = model.graph
    return Graph(opset=opset, inputs=tensors(graph.input), outputs=tensors(graph.output))
