"""A trained renderer into a bundle: one more ONNX graph, and proof that it equals the network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from banso import bundle as b
from banso import runtime
from banso.codec.parameters import NUM_PARAMETERS
from banso.model.renderer import RendererNetwork
from banso.train.codec_graphs import PARITY_FRAMES, add_graph, graph_parity, with_network
from banso.train.export import Array, Parity, rounded
from banso.train.renderer import load_renderer, read_training


def add_renderer(
    bundle: b.Bundle, network: RendererNetwork, out: Path, facts: dict[str, Any] | None = None
) -> tuple[b.Bundle, Parity]:
    """Write a bundle again with a renderer for its codec.

    Args:
        bundle: With a codec of ours; a renderer that it has is replaced.
        network: Trained on what this codec decodes.
        out: Folder of the new bundle; may be the old one's.
        facts: Of its training, for the record.

    Returns:
        The new bundle, and how closely the graph agrees with the network.

    Raises:
        BundleError: If the codec has no parameters to render, or the graph differs from the
            network by more than `MAX_RELATIVE_ERROR`.
    """
    manifest = with_network(bundle.manifest, "renderer", network.config, facts or {})
    file, network = runtime.CODEC_RENDERER_FILE, rounded(network)
    return add_graph(manifest, bundle, out, file, network, _noise, "gains")


def add_checkpoint(bundle: b.Bundle, renderer: Path, out: Path) -> tuple[b.Bundle, Parity]:
    """Add the renderer of a training run; see `add_renderer`.

    Raises:
        ConfigError: If there is no such checkpoint. BundleError: As for `add_renderer`.
    """
    return add_renderer(bundle, load_renderer(renderer), out, read_training(renderer))


def renderer_parity(
    bundle: b.Bundle, network: RendererNetwork, lengths: Sequence[int] = PARITY_FRAMES
) -> Parity:
    """Compare a bundle's renderer with a network, as `rounded` gives it, on so many frames."""
    return graph_parity(bundle, runtime.CODEC_RENDERER_FILE, network, _noise, lengths)


def _noise(batch: int, num_frames: int) -> dict[str, Array]:
    random = np.random.default_rng(num_frames)
    shape = (batch, num_frames, NUM_PARAMETERS)
    noise = np.asarray(np.abs(random.standard_normal(shape)) / 2, dtype=np.float32)
    return {"parameters": noise}
