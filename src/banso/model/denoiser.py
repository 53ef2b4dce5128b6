"""The denoiser: an hourglass over time that aligns noisy latents with the encoded voice.

Two parts. `ConditioningEncoder` hears the voice and reads the plan, once a window. `Hourglass`
runs at every step, at the latents' frame rate, half of it and a quarter of it; at the two lower
rates soft alignment attention fetches the context and modulates every frame by it (FiLM).

References:
    Cheung, Zhang, Chan 2025, arXiv:2507.19991 (method). Perez et al. 2018, arXiv:1709.07871
    (FiLM). Nawrot et al. 2022, arXiv:2110.13711 (hourglass).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from banso.conditioning import KNOWN, NUM_CONDITIONS
from banso.config import DenoiserConfig
from banso.model.attention import SelfAttention, SoftAlignmentAttention
from banso.model.codec import Block, mixed_over_time
from banso.schedule import preconditioning

_SCALES = 4  # the lowest rate is a quarter; lengths must be multiples of it


@dataclass(frozen=True, slots=True)
class Encoding:
    """What the encoder found; every step of a window reuses it.

    Attributes:
        full: Context at the latents' frame rate [batch, frames, full_dim].
        half_keys: [batch, blocks, frames / 2, half_dim]; one entry for each alignment block.
        half_values: The same shape.
        quarter_keys: [batch, blocks, frames / 4, quarter_dim].
        quarter_values: The same shape.
        harmony: Logits [batch, frames / 4, 25] of chord tones and bass, or none; for training.
        pulse: Sine and cosine of beat and bar phase [batch, frames / 2, 4]; for training.
    """

    full: Tensor
    half_keys: Tensor
    half_values: Tensor
    quarter_keys: Tensor
    quarter_values: Tensor
    harmony: Tensor
    pulse: Tensor


class Resample(nn.Module):
    """Halve (by a linear map of frame pairs) or double the frame rate."""

    def __init__(self, num_in: int, num_out: int, *, up: bool) -> None:
        super().__init__()
        self.up = up
        self.project = nn.Linear(num_in, 2 * num_out) if up else nn.Linear(2 * num_in, num_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, num_in] to twice or half the frames with num_out channels."""
        if self.up:
            out: Tensor = self.project(x).unflatten(-1, (2, -1)).flatten(1, 2)
            return out
        out = self.project(x.unflatten(1, (-1, 2)).flatten(2))
        return out


class EncoderBlock(nn.Module):
    """Transformer block: full self-attention with RoPE, then a network per frame."""

    def __init__(self, dim: int, num_heads: int, rope: bool) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, num_heads, rope)
        self.convolution = Block(dim, 5)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map [batch, frames, dim] to the same shape; `mask` as in `SelfAttention`."""
        x = x + self.attention(self.attention_norm(x), mask)
        out: Tensor = self.convolution(x)
        return out


class AlignedBlock(nn.Module):
    """One block of the hourglass: mix frames, align with the voice, modulate, transform.

    FiLM is per frame: an average of the context over time would throw the alignment away, and is
    there to show that (`film = "song"`).
    """

    def __init__(self, dim: int, config: DenoiserConfig, *, scale: int, attention: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.mix: SelfAttention | nn.Conv1d = (
            SelfAttention(dim, config.num_heads, config.rope)
            if attention
            else nn.Conv1d(dim, dim, 7, padding=3, groups=dim)
        )
        self.align_norm = nn.LayerNorm(dim)
        self.align = SoftAlignmentAttention(
            dim,
            config.num_heads,
            config.window_frames // scale,
            mixing=config.mixing,
            fixed_global=config.fixed_global,
            rope=config.rope,
        )
        self.averages = config.film == "song"
        self.context_norm = nn.LayerNorm(dim)
        self.film = nn.Linear(dim, 2 * dim)
        self.out_norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.widen = nn.Linear(dim, 3 * dim)
        self.narrow = nn.Linear(3 * dim, dim)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        keys: Tensor,
        values: Tensor,
        sigma: Tensor,
        mask: Tensor | None,
    ) -> Tensor:
        """Transform noisy latents' representation.

        Args:
            x: [batch, frames, dim].
            level: Embedded noise level [batch, 1, dim].
            keys: Of the voice at this rate [batch, frames, dim].
            values: The same shape.
            sigma: Noise level [batch].
            mask: [batch, frames], True for real frames; None for all.

        Returns:
            [batch, frames, dim].
        """
        y = self.norm(x) + level
        if isinstance(self.mix, SelfAttention):
            x = x + self.mix(y, mask)
        else:
            x = x + mixed_over_time(y, self.mix)
        context = self.align(self.align_norm(x) + level, keys, values, sigma, mask)
        if self.averages:
            context = context.mean(dim=1, keepdim=True)
        x = x + context
        scale, shift = self.film(silu(self.context_norm(context) + level)).chunk(2, dim=-1)
        y = self.out_norm(x) * (1 + scale) + shift
        out: Tensor = x + self.narrow(nn.functional.gelu(self.widen(y)))
        return out


class ConditioningEncoder(nn.Module):
    """Conditioning to context for the hourglass; runs once a window."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        dim = config.encoder_dim
        self.config = config
        self.embed = nn.Linear(NUM_CONDITIONS, config.full_dim)
        self.full = Block(config.full_dim, 7)
        self.down_half = Resample(config.full_dim, dim, up=False)
        self.half_in = nn.Sequential(Block(dim, 7), Block(dim, 7))
        self.down_quarter = Resample(dim, dim, up=False)
        self.quarter = nn.ModuleList(
            EncoderBlock(dim, config.num_heads, config.rope) for _ in range(config.encoder_layers)
        )
        self.up_half = Resample(dim, dim, up=True)
        self.half_out = Block(dim, 7)
        self.up_full = Resample(dim, config.full_dim, up=True)
        self.half_norm, self.quarter_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.half_context = nn.Linear(dim, 2 * 2 * config.half_layers * config.half_dim)
        self.quarter_context = nn.Linear(dim, 2 * config.quarter_layers * config.quarter_dim)
        self.harmony = nn.Linear(dim, 25)
        self.pulse = nn.Linear(dim, 4)

    def forward(self, conditioning: Tensor, mask: Tensor | None = None) -> Encoding:
        """Encode a window.

        Args:
            conditioning: [batch, frames, NUM_CONDITIONS]; frames a multiple of 4.
            mask: [batch, frames], True for real frames; None for all.

        Returns:
            Contexts at three rates.
        """
        quarter_mask = None if mask is None else mask[:, ::_SCALES]
        full = self.full(self.embed(conditioning))
        half = self.half_in(self.down_half(full))
        quarter = self.down_quarter(half)
        for block in self.quarter:
            quarter = block(quarter, quarter_mask)
        quarter = self.quarter_norm(quarter)
        half = self.half_norm(self.half_out(half + self.up_half(quarter)))
        half_keys, half_values = self._blocks(self.half_context(half), 2 * self.config.half_layers)
        keys, values = self._blocks(self.quarter_context(quarter), self.config.quarter_layers)
        return Encoding(
            full=full + self.up_full(half),
            half_keys=half_keys,
            half_values=half_values,
            quarter_keys=keys,
            quarter_values=values,
            harmony=self.harmony(quarter),
            pulse=self.pulse(half),
        )

    @staticmethod
    def _blocks(context: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """[batch, frames, 2 * blocks * dim] to keys and values [batch, blocks, frames, dim]."""
        keys, values = context.unflatten(-1, (2, blocks, -1)).permute(2, 0, 3, 1, 4)
        return keys, values


class Hourglass(nn.Module):
    """Noisy latents and context to an estimate of the clean latents; runs at every step."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        full, half, quarter = config.full_dim, config.half_dim, config.quarter_dim
        self.embed = nn.Linear(config.num_channels, full)
        self.full_in = Block(full, 7)
        self.down_half = Resample(full, half, up=False)
        self.half_in = self._blocks(config.half_layers, half, scale=2, attention=False)
        self.down_quarter = Resample(half, quarter, up=False)
        self.quarter = self._blocks(config.quarter_layers, quarter, scale=4, attention=True)
        self.up_half = Resample(quarter, half, up=True)
        self.half_out = self._blocks(config.half_layers, half, scale=2, attention=False)
        self.up_full = Resample(half, full, up=True)
        self.full_out = Block(full, 7)
        self.norm = nn.LayerNorm(full)
        self.project = nn.Linear(full, config.num_channels)
        self.level = nn.Sequential(nn.Linear(64, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU())
        self.full_level = nn.Linear(256, full)
        self.half_level = nn.Linear(256, half)
        self.quarter_level = nn.Linear(256, quarter)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def _blocks(self, count: int, dim: int, *, scale: int, attention: bool) -> nn.ModuleList:
        blocks = (
            AlignedBlock(dim, self.config, scale=scale, attention=attention) for _ in range(count)
        )
        return nn.ModuleList(blocks)

    def forward(
        self, noisy: Tensor, sigma: Tensor, encoding: Encoding, mask: Tensor | None = None
    ) -> Tensor:
        """Denoise.

        Args:
            noisy: Clean latents plus sigma times unit noise [batch, frames, channels].
            sigma: Noise level [batch].
            encoding: Of the window's conditioning.
            mask: [batch, frames], True for real frames; None for all.

        Returns:
            Estimate of the clean latents [batch, frames, channels].

        References:
            Karras et al. 2022, arXiv:2206.00364, equation 7.
        """
        scale = preconditioning(sigma[:, None, None])
        output = self.network(scale.input * noisy, sigma, encoding, mask)
        denoised: Tensor = scale.skip * noisy + scale.out * output
        return denoised

    def network(self, x: Tensor, sigma: Tensor, encoding: Encoding, mask: Tensor | None) -> Tensor:
        """The raw network: scaled latents [batch, frames, channels] to minus the velocity."""
        half_mask, quarter_mask = (None, None) if mask is None else (mask[:, ::2], mask[:, ::4])
        level = self.level(_embed_level(sigma))[:, None]
        half_level, quarter_level = self.half_level(level), self.quarter_level(level)
        keys, values = encoding.half_keys.unbind(1), encoding.half_values.unbind(1)
        full = self.full_in(self.embed(x) + encoding.full + self.full_level(level))
        half = self.down_half(full)
        for i, block in enumerate(self.half_in):
            half = block(half, half_level, keys[i], values[i], sigma, half_mask)
        quarter = self.down_quarter(half)
        for i, block in enumerate(self.quarter):
            key, value = encoding.quarter_keys[:, i], encoding.quarter_values[:, i]
            quarter = block(quarter, quarter_level, key, value, sigma, quarter_mask)
        half = half + self.up_half(quarter)
        for i, block in enumerate(self.half_out, start=self.config.half_layers):
            half = block(half, half_level, keys[i], values[i], sigma, half_mask)
        full = self.full_out(full + self.up_full(half))
        out: Tensor = self.project(self.norm(full))
        return out


class DenoiserNetwork(nn.Module):
    """Encoder and hourglass together: the network that is trained."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ConditioningEncoder(config)
        self.hourglass = Hourglass(config)

    def forward(
        self, noisy: Tensor, sigma: Tensor, conditioning: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Denoise latents [batch, frames, channels] at levels [batch] under conditioning.

        Args:
            noisy: As in `Hourglass.forward`; frames a multiple of 4.
            sigma: Noise level [batch].
            conditioning: [batch, frames, NUM_CONDITIONS].
            mask: [batch, frames], True for real frames; None for all.

        Returns:
            Estimate of the clean latents; where latents are known, exactly those.
        """
        denoised = self.hourglass(noisy, sigma, self.encoder(conditioning, mask), mask)
        return keep_known(denoised, conditioning)

    @property
    def num_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


def keep_known(denoised: Tensor, conditioning: Tensor) -> Tensor:
    """Put the latents that are already fixed into an estimate."""
    known = conditioning[..., KNOWN]
    return denoised + known[..., :1] * (known[..., 1:] - denoised)


def denoise_at(
    network: DenoiserNetwork, noisy: Tensor, sigma: float, encoding: Encoding, conditioning: Tensor
) -> Tensor:
    """Denoise a batch at one level, known latents kept, in single precision.

    Args:
        network: Its hourglass runs.
        noisy: As in `Hourglass.forward` [batch, frames, channels].
        sigma: Noise level of all items.
        encoding: Of the conditioning.
        conditioning: [batch, frames, NUM_CONDITIONS].

    Returns:
        Estimate of the clean latents, the same shape as `noisy`.
    """
    level = torch.full((len(noisy),), sigma, device=noisy.device)
    return keep_known(network.hourglass(noisy, level, encoding), conditioning).float()


def _embed_level(sigma: Tensor) -> Tensor:
    """Sines and cosines [batch, 64] of a quarter of log sigma (Karras et al. 2022, c_noise)."""
    rates = torch.exp(torch.linspace(0.0, math.log(100.0), 32, device=sigma.device))
    phase = sigma.log()[:, None] / 4 * rates
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
