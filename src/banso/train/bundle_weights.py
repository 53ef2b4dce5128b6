"""A bundle's graphs back to weights, so that training goes on where a shipped model stands.

The exporter transposes the matrices of linear layers and gives them names of its own. On export
they are named after the parameters that they hold (`name_weights`), and so they can be found again.
"""

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from banso.bundle import Bundle
from banso.errors import ConfigError
from banso.model.codec import CodecVAE
from banso.runtime import CODEC_DECODER_FILE, CODEC_ENCODER_FILE, DENOISER_FILE, ENCODER_FILE

_TRANSPOSED = "_transposed"
_HALF = "_float16"
# A matrix in whole numbers, and the step of each column.
INTEGER, SCALE = "_int8", "_scale"
_CODEC_PREFIX = "codec."
_CODEC_FILES = (CODEC_ENCODER_FILE, CODEC_DECODER_FILE)
_DENOISER_FILES = (ENCODER_FILE, DENOISER_FILE)


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


def is_layer_weight(tensor: onnx.TensorProto) -> bool:
    """Whether a constant of a graph is the matrix of a linear layer, on its own side of a cast."""
    name = tensor.name.removesuffix(_HALF)
    return len(tensor.dims) == 2 and name.endswith(".weight" + _TRANSPOSED)


def read_weights(bundle: Bundle, network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Read the parameters that the graphs of a bundle hold.

    Args:
        bundle: Verified.
        network: Whose parameters are wanted, codec or denoiser.

    Returns:
        Parameters by their names in the network, float32. What is needed for training only (the
        codec's spread, the encoder's heads) is in no graph.

    Raises:
        ConfigError: If the graphs do not name their weights.
    """
    state: dict[str, torch.Tensor] = {}
    for file in _CODEC_FILES if isinstance(network, CodecVAE) else _DENOISER_FILES:
        for stored, array in _constants(onnx.load(bundle.path(file))).items():
            name = stored.removesuffix(_HALF).removeprefix(_CODEC_PREFIX)
            value = torch.from_numpy(array)
            if name.endswith(_TRANSPOSED):
                state[name.removesuffix(_TRANSPOSED)] = value.T.contiguous()
            else:
                state[name] = value
    if not any(name.endswith(".weight") and v.ndim == 2 for name, v in state.items()):
        raise ConfigError(
            f"the graphs of bundle {bundle.manifest.name} do not name their weights; "
            "start from a checkpoint, or from a bundle of a later version"
        )
    return state


def _constants(model: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """Values of a graph's constants by name, those in whole numbers times their steps."""
    values = {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
    }
    return {
        name.removesuffix(INTEGER): value * values[name.removesuffix(INTEGER) + SCALE]
        if name.endswith(INTEGER)
        else value
        for name, value in values.items()
    }
