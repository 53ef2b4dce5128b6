"""A trained detail network into a bundle: two more ONNX graphs, and proof that they equal it."""

import functools
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from banso import bundle as b
from banso import runtime
from banso.codec.envelope import NUM_ENVELOPE
from banso.errors import BundleError
from banso.model.detail import DetailNetwork
from banso.train.codec_graphs import add_graph, with_network
from banso.train.detail import load_detail
from banso.train.export import Array, Parity, rounded
from banso.train.loop import load_settings


class _Direction(nn.Module):
    """One of the ways through a detail network, `encode` or `decode`."""

    def __init__(self, network: DetailNetwork, way: str) -> None:
        super().__init__()
        self.network, self.way = network, way

    def forward(self, latents: Tensor, other: Tensor) -> Tensor:
        out: Tensor = getattr(self.network, self.way)(latents, other)
        return out


def add_detail(bundle: b.Bundle, checkpoint: Path, out: Path) -> tuple[b.Bundle, Parity]:
    """Write a bundle again with the detail of its envelope.

    Args:
        bundle: With a codec of ours that has an envelope; a detail that it has is replaced.
        checkpoint: Of `fit_detail`, trained above this codec and its envelope.
        out: Folder of the new bundle; may be the old one's.

    Returns:
        The new bundle, and how closely the graphs agree with the network.

    Raises:
        ConfigError: If there is no such checkpoint. BundleError: If the codec has no envelope, or
            a graph differs from the network by more than `MAX_RELATIVE_ERROR`.
    """
    if not bundle.has(runtime.CODEC_ENVELOPE_FILE):
        raise BundleError(f"bundle {bundle.name} has no envelope that detail could be added to")
    network, channels = rounded(load_detail(checkpoint)), bundle.manifest.latents.num_channels
    facts = {"minutes": load_settings(checkpoint).train.minutes}
    manifest = with_network(bundle.manifest, "detail", network.config, facts)
    detail, missing = ("detail", network.config.num_channels), ("missing", NUM_ENVELOPE)
    errors: dict[str, float] = {}
    for file, way, (given, width), (output, _) in (
        (runtime.CODEC_DETAIL_FILE, "decode", detail, missing),
        (runtime.CODEC_DETAIL_ENCODER_FILE, "encode", missing, detail),
    ):
        examples = functools.partial(_noise, {"latents": channels, given: width})
        graph = _Direction(network, way).eval()
        bundle, parity = add_graph(manifest, bundle, out, file, graph, examples, output)
        manifest = bundle.manifest
        errors |= parity.errors
    return bundle, Parity(errors)


def _noise(widths: dict[str, int], batch: int, num_frames: int) -> dict[str, Array]:
    random = np.random.default_rng(num_frames)
    return {
        name: random.standard_normal((batch, num_frames, width), dtype=np.float32)
        for name, width in widths.items()
    }
