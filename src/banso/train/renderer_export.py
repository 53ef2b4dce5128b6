"""A trained renderer into a bundle: one more ONNX graph, and proof that it equals the network."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch.export import Dim

from banso import bundle as b
from banso import runtime
from banso.codec.parameters import NUM_PARAMETERS
from banso.errors import BundleError
from banso.model.renderer import RendererNetwork
from banso.train.export import (
    MAX_RELATIVE_ERROR,
    Array,
    Parity,
    exported_graph,
    relative_error,
    rounded,
)
from banso.train.graphs import described
from banso.train.renderer import load_renderer, read_training

_PARITY_FRAMES = (1, 16, 300)


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
    network = rounded(network)
    model = exported_graph(
        network,
        {"parameters": _noise(2, 64)},
        ({0: Dim("batch", min=1, max=1_024), 1: Dim("frames", min=1, max=1_000_000)},),
        ("gains",),
    )
    facts = {"renderer": facts} if facts else {}
    manifest = dataclasses.replace(
        bundle.manifest, renderer=network.config, training=bundle.manifest.training | facts
    )
    made = with_graph(bundle, runtime.CODEC_RENDERER_FILE, model, out, manifest)
    parity = renderer_parity(made, network)
    if not parity.worst <= MAX_RELATIVE_ERROR:
        raise BundleError(f"bundle {out} differs from its renderer: {parity.errors}")
    return made, parity


def with_graph(
    bundle: b.Bundle, file: str, model: onnx.ModelProto, out: Path, manifest: b.Manifest
) -> b.Bundle:
    """Write a bundle again with one more graph for its codec.

    Args:
        bundle: With a codec of ours.
        file: Of the graph; one of that name is replaced.
        model: The graph.
        out: Folder of the new bundle; may be the old one's.
        manifest: Of the new bundle, but for the graph.

    Raises:
        BundleError: If the codec has no parameters that the graph could be about.
    """
    if bundle.manifest.codec_kind != "parameters":
        raise BundleError(f"the codec of bundle {bundle.name} gives sound; it takes no {file}")
    files = {name: bundle.path(name).read_bytes() for name in bundle.manifest.files}
    files[file] = model.SerializeToString()
    graphs = bundle.manifest.graphs | {file: described(model)}
    return b.write_bundle(out, dataclasses.replace(manifest, graphs=graphs), files)


def add_checkpoint(bundle: b.Bundle, renderer: Path, out: Path) -> tuple[b.Bundle, Parity]:
    """Add the renderer of a training run; see `add_renderer`.

    Raises:
        ConfigError: If there is no such checkpoint. BundleError: As for `add_renderer`.
    """
    return add_renderer(bundle, load_renderer(renderer), out, read_training(renderer))


def renderer_parity(
    bundle: b.Bundle, network: RendererNetwork, lengths: Sequence[int] = _PARITY_FRAMES
) -> Parity:
    """Compare a bundle's renderer with a network on noise of several lengths.

    Args:
        bundle: With a renderer.
        network: As `rounded` gives it.
        lengths: Frames.
    """
    session = runtime.Session(bundle.path(runtime.CODEC_RENDERER_FILE), 1)
    errors = []
    for index, num_frames in enumerate(lengths):
        parameters = _noise(1 + index % 2, num_frames)
        with torch.no_grad():
            wanted = network(torch.from_numpy(parameters)).numpy()
        errors.append(relative_error(wanted, session.run(parameters=parameters)["gains"]))
    return Parity({runtime.CODEC_RENDERER_FILE: max(errors)})


def _noise(batch: int, num_frames: int) -> Array:
    random = np.random.default_rng(num_frames)
    shape = (batch, num_frames, NUM_PARAMETERS)
    return np.asarray(np.abs(random.standard_normal(shape)) / 2, dtype=np.float32)
