"""Write the golden arrays: what tiny seeded networks say, as torch computes it.

    python scripts/make_goldens.py

Run it only when a network is changed on purpose; the change then shows in the repository.
"""

import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.conditioning import KNOWN, NUM_CONDITIONS  # noqa: E402
from banso.train.export import rounded  # noqa: E402
from tiny_networks import tiny_networks  # noqa: E402

GOLDENS = ROOT / "tests" / "golden" / "networks.npz"
FRAMES = 48


def inputs() -> dict[str, np.ndarray]:
    """Noisy latents, levels, conditioning with known frames, parameters."""
    random = np.random.default_rng(1)
    conditioning = random.random((2, FRAMES, NUM_CONDITIONS), dtype=np.float32)
    conditioning[..., KNOWN.start] = np.arange(FRAMES) < 5
    return {
        "noisy": random.standard_normal((2, FRAMES, 64), dtype=np.float32),
        "sigma": np.array([0.3, 4.0], np.float32),
        "conditioning": conditioning,
        "parameters": random.random((1, FRAMES, NUM_PARAMETERS), dtype=np.float32),
    }


def outputs() -> dict[str, np.ndarray]:
    """What the networks say."""
    denoiser, codec = (rounded(network) for network in tiny_networks())
    given = {name: torch.from_numpy(value) for name, value in inputs().items()}
    latents = codec.encode(given["parameters"])
    return {
        "denoised": denoiser(given["noisy"], given["sigma"], given["conditioning"]).numpy(),
        "latents": latents.numpy(),
        "parameters": codec.decode(latents).numpy(),
    }


if __name__ == "__main__":
    np.savez_compressed(GOLDENS, **outputs())
    print(f"{GOLDENS.name}: {GOLDENS.stat().st_size / 1000:.0f} kB")
