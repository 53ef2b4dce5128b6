"""A trained envelope network into a bundle: one more ONNX graph, and proof that it equals it."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.export import Dim

from banso import bundle as b
from banso import runtime
from banso.codec.parameters import NUM_PARAMETERS
from banso.errors import BundleError
from banso.model.envelope import EnvelopeNetwork
from banso.train.export import (
    MAX_RELATIVE_ERROR,
    Array,
    Parity,
    exported_graph,
    relative_error,
    rounded,
)
from banso.train.loop import load_envelope, load_settings
from banso.train.renderer_export import with_graph

_PARITY_FRAMES = (1, 16, 300)


def add_envelope(bundle: b.Bundle, checkpoint: Path, out: Path) -> tuple[b.Bundle, Parity]:
    """Write a bundle again with what hears the envelope in its latents.

    Args:
        bundle: With a codec of ours; an envelope network that it has is replaced.
        checkpoint: Of `fit_codec`, trained on this codec's latents.
        out: Folder of the new bundle; may be the old one's.

    Returns:
        The new bundle, and how closely the graph agrees with the network.

    Raises:
        ConfigError: If there is no such checkpoint. BundleError: If the codec has no parameters, or
            the graph differs from the network by more than `MAX_RELATIVE_ERROR`.
    """
    network, channels = rounded(load_envelope(checkpoint)), bundle.manifest.latents.num_channels
    axes = {0: Dim("batch", min=1, max=1_024), 1: Dim("frames", min=1, max=1_000_000)}
    model = exported_graph(network, _noise(2, 64, channels), (axes, axes), ("envelope",))
    facts = {"envelope": {"minutes": load_settings(checkpoint).train.minutes}}
    manifest = dataclasses.replace(
        bundle.manifest, envelope=network.config, training=bundle.manifest.training | facts
    )
    made = with_graph(bundle, runtime.CODEC_ENVELOPE_FILE, model, out, manifest)
    parity = envelope_parity(made, network)
    if not parity.worst <= MAX_RELATIVE_ERROR:
        raise BundleError(f"bundle {out} differs from its envelope network: {parity.errors}")
    return made, parity


def envelope_parity(
    bundle: b.Bundle, network: EnvelopeNetwork, lengths: Sequence[int] = _PARITY_FRAMES
) -> Parity:
    """Compare a bundle's envelope network with a network on noise of several lengths.

    Args:
        bundle: With an envelope network.
        network: As `rounded` gives it.
        lengths: Frames.
    """
    session = runtime.Session(bundle.path(runtime.CODEC_ENVELOPE_FILE), 1)
    errors = []
    for index, num_frames in enumerate(lengths):
        given = _noise(1 + index % 2, num_frames, bundle.manifest.latents.num_channels)
        with torch.no_grad():
            wanted = network(*(torch.from_numpy(value) for value in given.values())).numpy()
        errors.append(relative_error(wanted, session.run(**given)["envelope"]))
    return Parity({runtime.CODEC_ENVELOPE_FILE: max(errors)})


def _noise(batch: int, num_frames: int, channels: int) -> dict[str, Array]:
    random = np.random.default_rng(num_frames)
    latents = random.standard_normal((batch, num_frames, channels), dtype=np.float32)
    parameters = np.abs(random.standard_normal((batch, num_frames, NUM_PARAMETERS))) / 2
    return {"latents": latents, "parameters": parameters.astype(np.float32)}
