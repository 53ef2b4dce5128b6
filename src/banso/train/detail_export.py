"""A trained detail network into a bundle: two more ONNX graphs, and proof that they equal it."""

import dataclasses
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from banso import bundle as b
from banso import runtime
from banso.codec.envelope import NUM_ENVELOPE
from banso.errors import BundleError
from banso.model.detail import DetailNetwork
from banso.train.codec_graphs import add_graph
from banso.train.detail import load_detail
from banso.train.export import Array, Parity, rounded
from banso.train.loop import load_settings


class _Decoder(nn.Module):
    """Latents and detail to what the envelope lacks."""

    def __init__(self, network: DetailNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor, detail: Tensor) -> Tensor:
        return self.network.decode(latents, detail)


class _Encoder(nn.Module):
    """Latents and what the envelope lacks to detail."""

    def __init__(self, network: DetailNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor, missing: Tensor) -> Tensor:
        return self.network.encode(latents, missing)


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
    facts = {"detail": {"minutes": load_settings(checkpoint).train.minutes}}
    manifest = dataclasses.replace(
        bundle.manifest, detail=network.config, training=bundle.manifest.training | facts
    )

    def decoded(batch: int, num_frames: int) -> dict[str, Array]:
        shapes = {"latents": channels, "detail": network.config.num_channels}
        return _noise(batch, num_frames, shapes)

    def encoded(batch: int, num_frames: int) -> dict[str, Array]:
        return _noise(batch, num_frames, {"latents": channels, "missing": NUM_ENVELOPE})

    errors: dict[str, float] = {}
    for file, graph, examples, output in (
        (runtime.CODEC_DETAIL_FILE, _Decoder(network), decoded, "missing"),
        (runtime.CODEC_DETAIL_ENCODER_FILE, _Encoder(network), encoded, "detail"),
    ):
        bundle, parity = add_graph(manifest, bundle, out, file, graph.eval(), examples, output)
        manifest = bundle.manifest
        errors |= parity.errors
    return bundle, Parity(errors)


def _noise(batch: int, num_frames: int, widths: dict[str, int]) -> dict[str, Array]:
    random = np.random.default_rng(num_frames)
    return {
        name: random.standard_normal((batch, num_frames, width), dtype=np.float32)
        for name, width in widths.items()
    }
