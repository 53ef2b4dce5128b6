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
