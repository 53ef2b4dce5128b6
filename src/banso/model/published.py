"""The published network, to be better than: SAMUeL's U-Net, from the paper's facts.

As published:
    64 channels x 1 024 frames of latents, 47.55 s; a U-Net over time with 64 → 128 → 256 → 512
    channels on 1 024 → 512 → 256 → 128 frames, stride-2 convolutions down and transposed ones up;
    residual blocks of GroupNorm(1), SiLU and FiLM; cross-attention of 8 heads at the bottleneck,
    queries from the noisy latents, keys and values from the voice's. Local view of 16 frames, 8
    back and 7 ahead, zero-padded and without RoPE; global view of all, RoPE on q and k; context
    √g · global + √(1-g) · local with g = 1 - t/(T-1), as the code has it (its text differs).
    Cosine schedule (s = 0.008), T = 800, v-objective; ancestral sampling over all steps, guidance
    3, hence 1 600 evaluations. FiLM sees the voice *averaged over time* and padded keys are not
    masked: flaws, kept because they are what the network is.
Not known, hence chosen:
    Blocks per scale, skips, width of the embeddings. Three blocks everywhere come within 1 % of
    the published size and cost: 15 710 144 parameters for 15 571 904, 2.75 GMAC for 2.75.
Not as published:
    Errors of the code are put right, which favours the baseline: v has one sign in objective and
    sampler, the local view keeps time in order, the condition is really dropped, the average of the
    weights is used, and no song is in two splits. Its latents are those of our codec, which are
    scaled channel by channel as the published ones are z-scored, so that both learn from the same.

It is trained by `banso.train.published` and sampled by `banso.eval.published`.

References:
    Cheung, Zhang & Chan 2025, arXiv:2507.19991, and its code. Ho et al. 2020, arXiv:2006.11239,
    algorithm 2 (ancestral sampling). Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17 (cosine
    schedule). Salimans & Ho 2022, arXiv:2202.00512, app. D (v). Perez et al. 2018,
    arXiv:1709.07871 (FiLM). Su et al. 2021, arXiv:2104.09864 (RoPE).
"""

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NUM_STEPS = 800
NUM_FRAMES = 1024
NUM_CHANNELS = 64

_WIDTHS = (64, 128, 256, 512)
_NUM_HEADS = 8
_BLOCKS_PER_SCALE = 3
_WINDOW = 16
_EMBEDDING = 256


class SoftAlignment(nn.Module):
    """Cross-attention √g · global + √(1-g) · local, queries from the accompaniment's latents.

    Global attention sees everything, with RoPE on queries and keys; local attention sees 8 frames
    before to 7 after, zero-padded at the ends as published, without RoPE.
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor, g: Tensor) -> Tensor:
        """Attend from [batch, frames, dim] to a context of the same shape, g [batch] in [0, 1]."""
        batch, frames, dim = x.shape
        q, k, v = (
            part.view(batch, frames, self.num_heads, -1).transpose(1, 2)
            for part in (self.query(x), *self.key_value(context).chunk(2, dim=-1))
        )
        seen = nn.functional.scaled_dot_product_attention(_rotate(q), _rotate(k), v)
        weight = g.view(-1, 1, 1, 1)
        mixed = weight.sqrt() * seen + (1 - weight).sqrt() * self._local(q, k, v)
        out: Tensor = self.project(mixed.transpose(1, 2).reshape(batch, frames, dim))
        return out

    def _local(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        before, after = _WINDOW // 2, _WINDOW // 2 - 1
        keys, values = (
            nn.functional.pad(x, (0, 0, before, after)).unfold(2, _WINDOW, 1) for x in (k, v)
        )
        scores = torch.einsum("bhtd,bhtdw->bhtw", q, keys) / math.sqrt(q.shape[-1])
        return torch.einsum("bhtw,bhtdw->bhtd", scores.softmax(dim=-1), values)


class FilmBlock(nn.Module):
    """Residual block of two normalised convolutions, the second one modulated."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(1, dim) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv1d(dim, dim, 3, padding=1) for _ in range(2))
        self.film = nn.Linear(_EMBEDDING, 2 * dim)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Map [batch, dim, frames] to the same shape, with conditions [batch, features]."""
        scale, shift = self.film(conditions)[:, :, None].chunk(2, dim=1)
        y = self.convolutions[0](nn.functional.silu(self.norms[0](x)))
        y = self.norms[1](y) * (1 + scale) + shift
        out: Tensor = x + self.convolutions[1](nn.functional.silu(y))
        return out


class Stage(nn.Module):
    """The residual blocks of one scale."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FilmBlock(dim) for _ in range(_BLOCKS_PER_SCALE))

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        """Map [batch, dim, frames] to the same shape, with conditions [batch, features]."""
        for block in self.blocks:
            x = block(x, conditions)
        return x


class Encoder(nn.Module):
    """The way down: blocks, then a stride-2 convolution, at each scale."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(dim) for dim in _WIDTHS[:-1])
        self.downs = nn.ModuleList(
            nn.Conv1d(wide, wider, 4, stride=2, padding=1) for wide, wider in pairwise(_WIDTHS)
        )

    def forward(self, x: Tensor, conditions: Tensor) -> list[Tensor]:
        """Map [batch, 64, frames] to four scales [batch, width, frames / 2^i]."""
        scales = []
        for stage, down in zip(self.stages, self.downs, strict=True):
            scales.append(stage(x, conditions))
            x = down(scales[-1])
        return [*scales, x]


class PublishedNetwork(nn.Module):
    """SAMUeL's denoiser: v from noisy latents, time step and vocal latents."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_time = nn.Sequential(
            nn.Linear(_EMBEDDING, _EMBEDDING), nn.SiLU(), nn.Linear(_EMBEDDING, _EMBEDDING)
        )
        self.embed_context = nn.Linear(NUM_CHANNELS, _EMBEDDING)
        self.encoder = Encoder()
        self.context_encoder = Encoder()
        self.norm = nn.LayerNorm(_WIDTHS[-1])
        self.attention = SoftAlignment(_WIDTHS[-1], _NUM_HEADS)
        self.middle = Stage(_WIDTHS[-1])
        rising = _WIDTHS[::-1]
        self.ups = nn.ModuleList(
            nn.ConvTranspose1d(wide, narrow, 4, stride=2, padding=1)
            for wide, narrow in pairwise(rising)
        )
        self.merges = nn.ModuleList(nn.Conv1d(2 * dim, dim, 1) for dim in rising[1:])
        self.stages = nn.ModuleList(Stage(dim) for dim in rising[1:])
        self.output = nn.Conv1d(NUM_CHANNELS, NUM_CHANNELS, 3, padding=1)

    def forward(self, noisy: Tensor, step: Tensor, vocals: Tensor) -> Tensor:
        """Predict v.

        Args:
            noisy: Latents [batch, frames, 64]; frames divisible by 8.
            step: Integer diffusion step [batch], 0 the cleanest, 799 the noisiest.
            vocals: Latents of the voice [batch, frames, 64].

        Returns:
            v [batch, frames, 64].
        """
        conditions = self.embed_time(_sinusoids(step)) + self.embed_context(vocals.mean(dim=1))
        *skips, x = self.encoder(noisy.transpose(1, 2), conditions)
        context = self.context_encoder(vocals.transpose(1, 2), conditions)[-1]
        g = 1 - step.to(x.dtype) / (NUM_STEPS - 1)
        aligned = self.attention(self.norm(x.transpose(1, 2)), context.transpose(1, 2), g)
        x = self.middle(x + aligned.transpose(1, 2), conditions)
        for up, merge, stage in zip(self.ups, self.merges, self.stages, strict=True):
            x = stage(merge(torch.cat([up(x), skips.pop()], dim=1)), conditions)
        out: Tensor = self.output(x).transpose(1, 2)
        return out


def cosine_alphas(num_steps: int = NUM_STEPS) -> Tensor:
    """Cumulative signal power ᾱ per step [num_steps], cleanest first.

    References:
        Nichol & Dhariwal 2021, eq. 17, s = 0.008, and their clip of β at 0.999.
    """
    t = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - f[1:] / f[:-1]).clamp(max=0.999)
    return (1 - betas).cumprod(dim=0)


def probe() -> NDArray[np.float32]:
    """Return a fixed sound [2, samples] at 44.1 kHz, by whose latents a codec is known again."""
    time = np.arange(2 * 44_100) / 44_100
    tones = [np.sin(2 * np.pi * hz * time) for hz in (110.0, 277.2, 659.3)]
    wave = 0.1 * np.sum(tones, axis=0) * (0.5 + 0.5 * np.sin(2 * np.pi * 3 * time))
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


def _sinusoids(step: Tensor) -> Tensor:
    """Sinusoidal embedding of a step [batch] → [batch, 256] (Vaswani et al. 2017, §3.5)."""
    rates = torch.exp(-math.log(10000) * torch.arange(_EMBEDDING // 2) / (_EMBEDDING // 2))
    angles = step[:, None] * rates.to(step.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _rotate(x: Tensor) -> Tensor:
    """Rotary position embedding of [batch, heads, frames, dim] (Su et al. 2021, eq. 34)."""
    half = x.shape[-1] // 2
    rates = 10000 ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[2], device=x.device)[:, None] * rates
    a, b = x[..., :half], x[..., half:]
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)
