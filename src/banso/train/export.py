"""Trained networks to a bundle: ONNX graphs, and the proof that they equal the networks.

Weights are rounded to float16 and stored as such; a cast in front of each makes the runtime
compute in float32, so the file is half as large and the arithmetic as exact as in training.
"""

import copy
import dataclasses
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim

from banso import bundle as b
from banso import runtime
from banso.codec.parameters import NUM_PARAMETERS
from banso.conditioning import KNOWN, NUM_CONDITIONS
from banso.config import LatentFormat
from banso.errors import BundleError
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork, Encoding, Hourglass
from banso.pipeline import FRAME_MULTIPLE
from banso.train.bundle_weights import name_weights
from banso.train.graphs import SMALL, described, with_half_weights
from banso.train.loop import load_codec, load_denoiser

Array = NDArray[np.float32]
NetworkT = TypeVar("NetworkT", bound=torch.nn.Module)

OPSET = 20  # the first with an exact GELU
MAX_RELATIVE_ERROR = 1e-3
_PARITY_FRAMES = (16, 64, 512, 1_024)
_KNOWN_WIDTH = KNOWN.stop - KNOWN.start


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest relative difference between a graph and its network, by graph.

    Attributes:
        errors: Largest absolute difference over the largest absolute value, by file name.
    """

    errors: dict[str, float]

    @property
    def worst(self) -> float:
        """The largest of all."""
        return max(self.errors.values())


class _Encoder(nn.Module):
    """The conditioning's encoder with tensors for outputs, and no heads that only train."""

    def __init__(self, network: DenoiserNetwork) -> None:
        super().__init__()
        self.encoder = network.encoder

    def forward(self, conditioning: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Contexts, in the order of `runtime.CONTEXT_NAMES`, of a window."""
        found = self.encoder(conditioning)
        keys = (found.half_keys, found.half_values, found.quarter_keys, found.quarter_values)
        return (found.full, *keys)


class _Denoiser(nn.Module):
    """The hourglass with preconditioning and known latents, over tensors only."""

    def __init__(self, hourglass: Hourglass) -> None:
        super().__init__()
        self.hourglass = hourglass

    def forward(
        self,
        latents: torch.Tensor,
        sigma: torch.Tensor,
        context_full: torch.Tensor,
        half_keys: torch.Tensor,
        half_values: torch.Tensor,
        quarter_keys: torch.Tensor,
        quarter_values: torch.Tensor,
        known: torch.Tensor,
    ) -> torch.Tensor:
        """Clean latents; see `Hourglass.forward` and `keep_known`."""
        # The training-only parts of the encoding are not looked at.
        encoding = Encoding(
            full=context_full,
            half_keys=half_keys,
            half_values=half_values,
            quarter_keys=quarter_keys,
            quarter_values=quarter_values,
            harmony=context_full,
            pulse=context_full,
        )
        denoised = self.hourglass(latents, sigma, encoding)
        out: torch.Tensor = denoised + known[..., :1] * (known[..., 1:] - denoised)
        return out


class _CodecEncoder(nn.Module):
    def __init__(self, codec: CodecVAE) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, parameters: torch.Tensor) -> torch.Tensor:
        """Latents of packed parameters."""
        return self.codec.encode(parameters)


class _CodecDecoder(nn.Module):
    def __init__(self, codec: CodecVAE) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Packed parameters of latents."""
        return self.codec.decode(latents)


def export_bundle(
    denoiser: DenoiserNetwork,
    codec: CodecVAE,
    out: Path,
    facts: b.Manifest,
) -> tuple[b.Bundle, Parity]:
    """Write trained networks as a bundle and compare it with them.

    Args:
        denoiser: With averaged weights.
        codec: With averaged weights and its latents' scale set.
        out: Folder of the bundle; a bundle that lies there is replaced.
        facts: What the networks do not tell: name, licence, commit, sampler, styles, data,
            training. What they tell is filled in.

    Returns:
        The bundle, and how closely it agrees with the networks.

    Raises:
        BundleError: If the graphs differ from the networks by more than `MAX_RELATIVE_ERROR`.
    """
    denoiser, codec = rounded(denoiser), rounded(codec)
    models = _graphs(denoiser, codec)
    config = codec.config
    manifest = dataclasses.replace(
        facts,
        latents=LatentFormat(num_channels=config.num_channels),
        codec_kind="parameters",
        codec_context_frames=config.decoder_layers * (config.kernel_size // 2),
        codec=config,
        denoiser=denoiser.config,
        graphs={file: described(model) for file, model in models.items()},
    )
    contents = {file: model.SerializeToString() for file, model in models.items()}
    bundle = b.write_bundle(out, manifest, contents)
    parity = measure_parity(bundle, denoiser, codec)
    if not parity.worst <= MAX_RELATIVE_ERROR:
        raise BundleError(f"bundle {out} differs from its networks: {parity.errors}")
    return bundle, parity


def export_checkpoints(
    codec: Path, denoiser: Path, out: Path, facts: b.Manifest
) -> tuple[b.Bundle, Parity]:
    """Write the networks of two training runs as a bundle; see `export_bundle`.

    Args:
        codec: Checkpoint of `fit_codec`.
        denoiser: Checkpoint of `fit_denoiser`.
        out: Folder of the bundle.
        facts: As for `export_bundle`.

    Raises:
        ConfigError: If a checkpoint is missing. BundleError: As for `export_bundle`.
    """
    return export_bundle(load_denoiser(denoiser), load_codec(codec), out, facts)


def rounded(network: NetworkT) -> NetworkT:
    """A copy of a network for inference, its weights rounded to what float16 can hold."""
    network = copy.deepcopy(network).float().cpu().eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.numel() >= SMALL:
            parameter.copy_(parameter.half().float())
    return network


def measure_parity(
    bundle: b.Bundle,
    denoiser: DenoiserNetwork,
    codec: CodecVAE,
    lengths: Sequence[int] = _PARITY_FRAMES,
) -> Parity:
    """Compare graphs with networks on noise of several lengths, one and two items at once.

    Args:
        bundle: Exported from the networks.
        denoiser: As `rounded` gives it.
        codec: As `rounded` gives it.
        lengths: Frames, multiples of 16.
    """
    errors: dict[str, float] = {}
    sessions = {file: runtime.Session(bundle.path(file), 1) for file in bundle.manifest.files}
    networks = _wrapped(denoiser, codec)
    for index, num_frames in enumerate(lengths):
        feeds = _noise_inputs(denoiser, codec, 1 + index % 2, num_frames)
        for file, network in networks.items():
            inputs = feeds[file]
            with torch.no_grad():
                wanted = network(*(torch.from_numpy(value) for value in inputs.values()))
            found = sessions[file].run(**inputs)
            tensors = wanted if isinstance(wanted, tuple) else (wanted,)
            pairs = zip(tensors, found.values(), strict=True)
            error = max(relative_error(w.numpy(), f) for w, f in pairs)
            errors[file] = max(errors.get(file, 0.0), error)
    return Parity(errors)


def _wrapped(denoiser: DenoiserNetwork, codec: CodecVAE) -> dict[str, nn.Module]:
    modules: dict[str, nn.Module] = {
        runtime.ENCODER_FILE: _Encoder(denoiser),
        runtime.DENOISER_FILE: _Denoiser(denoiser.hourglass),
        runtime.CODEC_ENCODER_FILE: _CodecEncoder(codec),
        runtime.CODEC_DECODER_FILE: _CodecDecoder(codec),
    }
    return {file: module.eval() for file, module in modules.items()}


def _noise_inputs(
    denoiser: DenoiserNetwork, codec: CodecVAE, batch: int, num_frames: int
) -> dict[str, dict[str, Array]]:
    """Inputs for each graph, by tensor name in the graph's order."""
    random = np.random.default_rng(num_frames)

    def noise(*shape: int) -> Array:
        return random.standard_normal(shape, dtype=np.float32)

    config, channels = denoiser.config, codec.config.num_channels
    half = (batch, 2 * config.half_layers, num_frames // 2, config.half_dim)
    quarter = (batch, config.quarter_layers, num_frames // 4, config.quarter_dim)
    shapes = ((batch, num_frames, config.full_dim), half, half, quarter, quarter)
    context = {name: noise(*s) for name, s in zip(runtime.CONTEXT_NAMES, shapes, strict=True)}
    known = noise(batch, num_frames, _KNOWN_WIDTH)
    known[..., 0] = known[..., 0] > 0
    parameters = np.abs(noise(batch, num_frames, NUM_PARAMETERS))
    return {
        runtime.ENCODER_FILE: {"conditioning": noise(batch, num_frames, NUM_CONDITIONS)},
        runtime.DENOISER_FILE: {
            "latents": noise(batch, num_frames, channels),
            "sigma": np.exp(noise(batch)),
            **context,
            "known": known,
        },
        runtime.CODEC_ENCODER_FILE: {"parameters": parameters},
        runtime.CODEC_DECODER_FILE: {"latents": noise(batch, num_frames, channels)},
    }


def relative_error(wanted: Array, found: Array) -> float:
    """Largest absolute difference over the largest absolute value wanted."""
    return float(np.abs(wanted - found).max() / max(float(np.abs(wanted).max()), 1e-12))


_OUTPUTS = {
    runtime.ENCODER_FILE: runtime.CONTEXT_NAMES,
    runtime.DENOISER_FILE: ("denoised",),
    runtime.CODEC_ENCODER_FILE: ("latents",),
    runtime.CODEC_DECODER_FILE: ("parameters",),
}


def _graphs(denoiser: DenoiserNetwork, codec: CodecVAE) -> dict[str, onnx.ModelProto]:
    """All graphs by file name."""
    feeds = _noise_inputs(denoiser, codec, 2, 4 * FRAME_MULTIPLE)
    models = {}
    for file, network in _wrapped(denoiser, codec).items():
        shapes = tuple(_axes(file, name, value) for name, value in feeds[file].items())
        models[file] = exported_graph(network, feeds[file], shapes, _OUTPUTS[file])
    return models


def _axes(file: str, name: str, value: Array) -> dict[int, Any]:
    """Axes of an input that may have any size: the batch, and frames at the input's own rate."""
    axes: dict[int, Any] = {0: Dim("batch", min=1, max=1_024)}
    if file in (runtime.CODEC_ENCODER_FILE, runtime.CODEC_DECODER_FILE):
        axes[1] = Dim("frames", min=1, max=1_000_000)
    elif value.ndim > 1:
        # Every rate a multiple of one symbol, so that the exporter knows how they belong together.
        divisor = {"half": 2, "quarter": 4}.get(name.partition("_")[0], 1)
        axes[value.ndim - 2] = FRAME_MULTIPLE // divisor * Dim("blocks", min=1, max=65_536)
    return axes


def exported_graph(
    network: nn.Module,
    inputs: dict[str, Array],
    shapes: tuple[dict[int, Any], ...],
    outputs: tuple[str, ...],
) -> onnx.ModelProto:
    """Export a network.

    Args:
        network: Ready for inference; takes and gives tensors only.
        inputs: Examples by name, in the network's order.
        shapes: For each input its axes that may have any size.
        outputs: Names.

    Raises:
        BundleError: If the exporter gives no graph.
    """
    examples = tuple(torch.from_numpy(value) for value in inputs.values())
    with torch.no_grad(), warnings.catch_warnings():
        # All are about the exporter's own internals.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            examples,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    if program is None:
        raise BundleError("the exporter gave no graph")
    return with_half_weights(name_weights(program.model_proto, network.state_dict()))
