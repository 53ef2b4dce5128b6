"""Networks small enough to export in a test, with weights from a seed."""

import numpy as np
import torch

from banso.config import CodecConfig, DenoiserConfig
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork

DENOISER = DenoiserConfig(
    encoder_dim=16, encoder_layers=1, full_dim=12, half_dim=16, quarter_dim=16, quarter_layers=1,
    num_heads=2,
)  # fmt: skip
CODEC = CodecConfig(encoder_dim=16, encoder_layers=1, decoder_dim=16, decoder_layers=2)


def tiny_networks() -> tuple[DenoiserNetwork, CodecVAE]:
    """Denoiser and codec; every weight is drawn by numpy, so all versions of torch agree."""
    random = np.random.default_rng(0)
    networks = DenoiserNetwork(DENOISER), CodecVAE(CODEC)
    for network in networks:
        _draw(network, random)
    return networks


def _draw(network: torch.nn.Module, random: np.random.Generator) -> None:
    network.eval().requires_grad_(False)
    for parameter in network.parameters():
        spread = 0.5 / max(1, parameter[0].numel()) ** 0.5
        drawn = spread * random.standard_normal(parameter.shape)
        parameter.copy_(torch.from_numpy(drawn) + (1.0 if parameter.ndim == 1 else 0.0))


def latents(frames, seed=0):
    """Latents [frames, 64] of a song that never was."""
    return np.random.default_rng(seed).standard_normal((frames, 64), dtype=np.float32)


def played(codec, *pieces, **tuning):
    """Waveform [2, samples] of latents that arrive in pieces."""
    stream = codec.decode_stream(**tuning)
    return np.concatenate([*(stream.add(piece) for piece in pieces), stream.finish()], axis=1)
