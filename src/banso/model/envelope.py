"""Hears what envelope the band is to have: how loud each mel band is, moment by moment.

It begins with what the decoded parameters add up to, which is right where partials neither beat nor
hide each other, and corrects it by a small convolutional network that also hears the latents. What
it says goes to the filter of `banso.codec.envelope`.

References:
    Liu et al. 2022, arXiv:2201.03545 (block).
"""

import numpy as np
import torch
from torch import Tensor, nn

from banso.codec import parameters as p
from banso.codec.envelope import (
    ENVELOPE_SIZES,
    NUM_ENVELOPE,
    RANGE_DB,
    SILENCE_DB,
    band_shares,
    tone_shares,
)
from banso.config import EnvelopeConfig
from banso.model.codec import Block

# The middle and spread of what the network hears of levels, dB.
_MIDDLE_DB, _SPREAD_DB = -65.0, 20.0
_SILENCE = 10 ** (SILENCE_DB / 10)
_TONES, _CENTS, _NOISE, _PAN, _SIDE = p.PARAMETER_GROUPS


class EnvelopeNetwork(nn.Module):
    """Latents and what they decode to, to packed envelopes [batch, frames, NUM_ENVELOPE] in dB.

    Args:
        config: Of the network.
        num_channels: Of the latents.
    """

    tones: Tensor
    noise: Tensor
    stereo: Tensor
    blend: Tensor

    def __init__(self, config: EnvelopeConfig, num_channels: int) -> None:
        super().__init__()
        self.config = config
        self.widen = nn.Linear(num_channels + NUM_ENVELOPE, config.dim)
        self.blocks = nn.Sequential(
            *(Block(config.dim, config.kernel_size) for _ in range(config.layers))
        )
        self.norm = nn.LayerNorm(config.dim)
        self.project = nn.Linear(config.dim, NUM_ENVELOPE)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        noise, stereo = band_shares(p.NUM_NOISE_BANDS), band_shares(p.NUM_STEREO_BANDS)
        shares = {"tones": tone_shares(), "noise": noise, "stereo": stereo}
        # What is the same all over a band, at the mel bands.
        shares["blend"] = stereo / np.maximum(stereo.sum(0), 1e-12)
        for name, values in shares.items():
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, latents: Tensor, parameters: Tensor) -> Tensor:
        """Levels as `banso.codec.envelope.Envelope` packs them.

        Args:
            latents: [batch, frames, channels].
            parameters: Packed, as the codec decodes these latents [batch, frames, 448].

        Returns:
            [batch, frames, NUM_ENVELOPE], dB.
        """
        added_up = self.added_up(parameters.float())
        heard = (added_up - _MIDDLE_DB) / _SPREAD_DB
        hidden = self.norm(self.blocks(self.widen(torch.cat([latents, heard], dim=-1))))
        correction: Tensor = self.project(hidden)
        return added_up + _SPREAD_DB * correction.float()

    def added_up(self, parameters: Tensor) -> Tensor:
        """Levels [batch, frames, NUM_ENVELOPE] if powers simply added up, dB."""
        tones, noise, side = (_power(parameters[..., group]) for group in (_TONES, _NOISE, _SIDE))
        tones = tones.unflatten(-1, (p.TONES_PER_FRAME, p.NUM_TONES)) @ self.tones
        noise = noise.unflatten(-1, (p.NOISE_PER_FRAME, p.NUM_NOISE_BANDS)) @ self.noise
        mid = tones.repeat_interleave(p.NOISE_PER_FRAME // p.TONES_PER_FRAME, -2) + noise
        pan = parameters[..., _PAN] @ self.blend
        both = torch.cat([mid.flatten(-2), pan.square() * mid.mean(-2) + side @ self.stereo], -1)
        return 10 * torch.log10(both.clamp(min=_SILENCE))

    @torch.no_grad()
    def rescale(self, ratio: Tensor) -> None:
        """Go on as before if every channel [channels] of the latents is divided by a ratio."""
        self.widen.weight[:, : len(ratio)] *= ratio


def _power(level: Tensor) -> Tensor:
    """Square of the amplitude of compressed levels."""
    return level.clamp(min=1e-3) ** (2 / p.COMPRESSION)


def level_distance(
    found: Tensor, wanted: Tensor, loudest: Tensor, *, audible_only: bool = False
) -> Tensor:
    """Mean absolute difference of levels in dB, of what can be heard beside the loudest place.

    Args:
        found: Levels [batch, frames, bands], dB.
        wanted: Likewise.
        loudest: Level of the loudest place of each whole recording's mid signal [batch], dB.
        audible_only: Leave out what is at the floor in both, as codecs are compared.
    """
    floor = (loudest - RANGE_DB)[:, None, None]
    difference = (torch.maximum(found, floor) - torch.maximum(wanted, floor)).abs()
    if not audible_only:
        return difference.mean()
    heard = ((found > floor) | (wanted > floor)).float()
    return (difference * heard).sum() / heard.sum().clamp(min=1)


def mid_and_side_distance(
    found: Tensor, wanted: Tensor, loudest: Tensor, *, audible_only: bool = False
) -> tuple[Tensor, Tensor]:
    """The `level_distance` of the mid and of the side part of packed envelopes."""
    parts = zip(found.split(ENVELOPE_SIZES, -1), wanted.split(ENVELOPE_SIZES, -1), strict=True)
    mid, side = (level_distance(*part, loudest, audible_only=audible_only) for part in parts)
    return mid, side
