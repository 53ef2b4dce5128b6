"""A bundle's graphs back to weights, so that training goes on where a shipped model stands.

The exporter transposes the matrices of linear layers and gives them names of its own. On export
they are named after the parameters that they hold (`name_weights`), and so they can be found again.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from banso.bundle import Bundle
from banso.errors import ConfigError

_TRANSPOSED = "_transposed"
_HALF = "_float16"


def name_weights(model: onnx.ModelProto, state: dict[str, torch.Tensor]) -> onnx.ModelProto:
    """Name the constants of a graph after the parameters whose values they hold.

    Args:
        model: As exported; changed in place.
        state: The network's parameters by name.

    Returns:
        The same model.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    by_shape: dict[tuple[int, ...], list[str]] = {}
    for name, value in state.items():
        if value.ndim == 2 and name not in known:
            by_shape.setdefault(tuple(reversed(value.shape)), []).append(name)
    renamed = {}
    for tensor in model.graph.initializer:
        for name in by_shape.get(tuple(tensor.dims), []):
            if np.array_equal(numpy_helper.to_array(tensor), state[name].numpy().T):
                renamed[tensor.name] = tensor.name = name + _TRANSPOSED
                break
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    return model


def read_weights(bundle: Bundle, files: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Read the parameters that some graphs of a bundle hold.

    Args:
        bundle: Verified.
        files: Of its graphs.

    Returns:
        Parameters by the names that the graphs give them, float32.

    Raises:
        ConfigError: If the graphs do not name their weights.
    """
    state: dict[str, torch.Tensor] = {}
    for file in files:
        model = onnx.load(Path(bundle.path(file)))
        for tensor in model.graph.initializer:
            name = tensor.name.removesuffix(_HALF)
            value = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
            if name.endswith(_TRANSPOSED):
                state[name.removesuffix(_TRANSPOSED)] = value.T.contiguous()
            elif "." in name:
                state[name] = value
    if not any(value.ndim == 2 for value in state.values()):
        raise ConfigError(
            f"the graphs of bundle {bundle.manifest.name} do not name their weights; "
            "start from a checkpoint, or from a bundle of a later version"
        )
    return state
