"""A bundle's graphs back to weights, so that training goes on where a shipped model stands.

The exporter transposes the matrices of linear layers and gives them names of its own. On export
they are named after the parameters that they hold (`name_weights`), and so they can be found again.
"""

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from banso.bundle import Bundle
from banso.errors import ConfigError
from banso.model.codec import CodecVAE
from banso.runtime import CODEC_DECODER_FILE, CODEC_ENCODER_FILE, DENOISER_FILE, ENCODER_FILE

_TRANSPOSED = "_transposed"
_HALF = "_float16"
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
        for tensor in onnx.load(bundle.path(file)).graph.initializer:
            name = tensor.name.removesuffix(_HALF).removeprefix(_CODEC_PREFIX)
            value = torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32))
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
