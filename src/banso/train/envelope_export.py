"""A trained envelope network into a bundle: one more ONNX graph, and proof that it equals it."""

from pathlib import Path

import numpy as np

from banso import bundle as b
from banso import runtime
from banso.codec.parameters import NUM_PARAMETERS
from banso.train.codec_graphs import add_graph, with_network
from banso.train.export import Array, Parity, rounded
from banso.train.loop import load_envelope, load_settings


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
    facts = {"minutes": load_settings(checkpoint).train.minutes}
    manifest = with_network(bundle.manifest, "envelope", network.config, facts)

    def noise(batch: int, num_frames: int) -> dict[str, Array]:
        random = np.random.default_rng(num_frames)
        latents = random.standard_normal((batch, num_frames, channels), dtype=np.float32)
        parameters = np.abs(random.standard_normal((batch, num_frames, NUM_PARAMETERS))) / 2
        return {"latents": latents, "parameters": parameters.astype(np.float32)}

    file = runtime.CODEC_ENVELOPE_FILE
    return add_graph(manifest, bundle, out, file, network, noise, "envelope")
