"""One more graph for a bundle's codec, and the proof that it equals its network."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

from banso import bundle as b
from banso import runtime
from banso.config import DetailConfig, EnvelopeConfig, RendererConfig
from banso.errors import BundleError
from banso.train.export import MAX_RELATIVE_ERROR, Array, Parity, exported_graph, relative_error
from banso.train.graphs import described

#: Examples of what a network takes, by tensor name [batch, frames, ...], for so many of both.
Examples = Callable[[int, int], dict[str, Array]]

CodecPart = RendererConfig | EnvelopeConfig | DetailConfig

PARITY_FRAMES = (1, 16, 300)


def with_network(
    manifest: b.Manifest, kind: str, config: CodecPart, facts: dict[str, Any]
) -> b.Manifest:
    """Put settings of one of the codec's networks into a manifest, and facts of its training."""
    changes: dict[str, Any] = {kind: config}
    if facts:
        changes["training"] = manifest.training | {kind: facts}
    return dataclasses.replace(manifest, **changes)


def add_graph(
    manifest: b.Manifest,
    bundle: b.Bundle,
    out: Path,
    file: str,
    network: nn.Module,
    examples: Examples,
    output: str,
) -> tuple[b.Bundle, Parity]:
    """Write a bundle again with one more graph for its codec.

    Args:
        manifest: Of the new bundle, but for the graph.
        bundle: With a codec of ours.
        out: Folder of the new bundle; may be the old one's.
        file: Of the graph; one of that name is replaced.
        network: Rounded, see `banso.train.export.rounded`.
        examples: Of its inputs.
        output: Name of what it gives.

    Returns:
        The new bundle, and how closely the graph agrees with the network.

    Raises:
        BundleError: If the codec has no parameters that the graph could be about, or the graph
            differs from the network by more than `MAX_RELATIVE_ERROR`.
    """
    if bundle.manifest.codec_kind != "parameters":
        raise BundleError(f"the codec of bundle {bundle.name} gives sound; it takes no {file}")
    inputs = examples(2, 64)
    axes = {0: Dim("batch", min=1, max=1_024), 1: Dim("frames", min=1, max=1_000_000)}
    model = exported_graph(network, inputs, (axes,) * len(inputs), (output,))
    files = bundle.contents()
    files[file] = model.SerializeToString()
    graphs = bundle.manifest.graphs | {file: described(model)}
    made = b.write_bundle(out, dataclasses.replace(manifest, graphs=graphs), files)
    parity = graph_parity(made, file, network, examples)
    if not parity.worst <= MAX_RELATIVE_ERROR:
        raise BundleError(f"bundle {out} differs from its network: {parity.errors}")
    return made, parity


def graph_parity(
    bundle: b.Bundle,
    file: str,
    network: nn.Module,
    examples: Examples,
    lengths: Sequence[int] = PARITY_FRAMES,
) -> Parity:
    """Compare a graph with a network on noise of several lengths, one and two items at once.

    Args:
        bundle: With the graph.
        file: Of the graph.
        network: Rounded, see `banso.train.export.rounded`.
        examples: Of its inputs.
        lengths: Frames.
    """
    session = runtime.Session(bundle.path(file), 1)
    errors = []
    for index, num_frames in enumerate(lengths):
        given = examples(1 + index % 2, num_frames)
        with torch.no_grad():
            wanted = network(*(torch.from_numpy(value) for value in given.values())).numpy()
        (found,) = session.run(**given).values()
        errors.append(relative_error(wanted, found))
    return Parity({file: max(errors)})
