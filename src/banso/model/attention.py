"""Soft alignment attention: a local and a global view of the voice, mixed by noise level.

References:
    Cheung, Zhang, Chan 2025, arXiv:2507.19991 (soft alignment attention). Su et al. 2021,
    arXiv:2104.09864, equation 34 (RoPE).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, pad, scaled_dot_product_attention

from banso.errors import ConfigError
from banso.schedule import global_share


def rope_angles(num_frames: int, head_dim: int, device: torch.device) -> Tensor:
    """Rotation angles [frames, head_dim / 2]; wavelengths from 6 to 6 000 frames."""
    rates = 1000.0 ** (-torch.arange(0, head_dim, 2, device=device) / head_dim)
    return torch.arange(num_frames, device=device)[:, None] * rates


def apply_rope(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate pairs of channels of [batch, heads, frames, head_dim] by [frames, head_dim / 2]."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


def split_heads(x: Tensor, num_heads: int) -> Tensor:
    """[batch, frames, dim] to [batch, heads, frames, head_dim]."""
    heads: Tensor = x.unflatten(-1, (num_heads, -1)).transpose(1, 2)
    return heads


def merge_heads(x: Tensor) -> Tensor:
    """[batch, heads, frames, head_dim] to [batch, frames, dim]."""
    return x.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Full attention of frames to each other, with RoPE."""

    def __init__(self, dim: int, num_heads: int, rope: bool = True) -> None:
        super().__init__()
        self.num_heads, self.rope = num_heads, rope
        self.project_in = nn.Linear(dim, 3 * dim, bias=False)
        self.project_out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mix frames.

        Args:
            x: [batch, frames, dim].
            mask: [batch, frames], True where a frame may be looked at; None for all.

        Returns:
            [batch, frames, dim].
        """
        q, k, v = (split_heads(part, self.num_heads) for part in self.project_in(x).chunk(3, -1))
        if self.rope:
            angles = rope_angles(x.shape[1], q.shape[-1], x.device)
            q, k = apply_rope(q, angles), apply_rope(k, angles)
        keep = None if mask is None else mask[:, None, None, :]
        out: Tensor = self.project_out(merge_heads(scaled_dot_product_attention(q, k, v, keep)))
        return out


class LocalAttention(nn.Module):
    """Attention of each frame to a window of frames around it, in blocks: linear in length.

    Args:
        window_frames: Size of the window; frame i sees i - window / 2 up to i + window / 2 - 1.
    """

    def __init__(self, window_frames: int) -> None:
        super().__init__()
        self.window_frames = window_frames

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend.

        Args:
            q: Queries [batch, heads, frames, head_dim].
            k: Keys, the same shape.
            v: Values, the same shape.
            mask: [batch, frames], True where a key may be looked at; None for all.

        Returns:
            [batch, heads, frames, head_dim]; zeros where a frame sees no key at all.
        """
        size, half = self.window_frames, self.window_frames // 2
        frames = q.shape[2]
        short = -frames % size
        q = pad(q, (0, 0, 0, short)).unflatten(2, (-1, size))
        k, v = (self._spans(x, short) for x in (k, v))
        allowed = torch.ones(1, 1, frames, 1, device=q.device, dtype=torch.bool)
        if mask is not None:
            allowed = mask[:, None, :, None]
        allowed = self._spans(allowed.to(q.dtype), short)[..., 0] > 0.5
        query = torch.arange(size, device=q.device)[:, None]
        key = torch.arange(2 * size, device=q.device)[None, :]
        distance = key - half - query
        near = (distance >= -half) & (distance < half)
        score = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
        visible = near & allowed[..., None, :]
        score = score.masked_fill(~visible, -1e4)
        weight = torch.softmax(score.float(), dim=-1).to(v.dtype) * visible
        return (weight @ v).flatten(2, 3)[:, :, :frames]

    def _spans(self, x: Tensor, short: int) -> Tensor:
        """Cut [batch, heads, frames, dim] into overlapping spans [.., blocks, 2 * window, dim]."""
        half = self.window_frames // 2
        x = pad(x, (0, 0, half, short + half)).unflatten(2, (-1, half))
        halves = [x[:, :, i : x.shape[2] - 3 + i : 2] for i in range(4)]
        return torch.cat(halves, dim=3)


class SoftAlignmentAttention(nn.Module):
    """Context from the voice: sqrt(g) times the global view plus sqrt(1 - g) times the local one.

    Square roots keep the variance of the sum when both views are uncorrelated.

    Args:
        dim: Channels of the queries and of the result.
        num_heads: Attention heads.
        window_frames: Window of the local view, in frames of this scale.
        mixing: How g follows from the noise level: `scheduled` (global on noise, local near
            clean latents), `scheduled_reverse` (as SAMUeL's code), `learned` (per head, starts as
            scheduled), `fixed`, `local_only`, `global_only`.
        fixed_global: g when fixed.
        rope: Whether the global view rotates queries and keys.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_frames: int,
        *,
        mixing: str = "scheduled",
        fixed_global: float = 0.5,
        rope: bool = True,
    ) -> None:
        super().__init__()
        self.num_heads, self.mixing = num_heads, mixing
        self.fixed_global, self.rope = fixed_global, rope
        self.query = nn.Linear(dim, dim, bias=False)
        self.local = LocalAttention(window_frames)
        self.project_out = nn.Linear(dim, dim, bias=False)
        if mixing == "learned":
            # g = sigmoid(slope * 2 log sigma + offset) is the schedule at slope 1, offset 0.
            self.slope = nn.Parameter(torch.ones(num_heads))
            self.offset = nn.Parameter(torch.zeros(num_heads))

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, sigma: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Align latents with the voice.

        Args:
            x: Noisy latents' representation [batch, frames, dim].
            keys: Of the voice at the same frames [batch, frames, dim].
            values: The same shape.
            sigma: Noise level [batch].
            mask: [batch, frames], True where the voice may be looked at; None for all.

        Returns:
            Aligned context per frame [batch, frames, dim].
        """
        q, k, v = (split_heads(y, self.num_heads) for y in (self.query(x), keys, values))
        far, near = (w.to(x.dtype)[..., None, None] for w in self._weights(sigma))
        context = torch.zeros_like(q)
        if self.mixing != "global_only":
            context = near * self.local(q, k, v, mask)
        if self.mixing != "local_only":
            context = context + far * self._global_view(q, k, v, mask)
        out: Tensor = self.project_out(merge_heads(context))
        return out

    def share(self, sigma: Tensor) -> Tensor:
        """Share g of the global view [batch, heads or 1] at noise levels [batch]."""
        if self.mixing == "scheduled":
            return torch.as_tensor(global_share(sigma))[:, None]
        if self.mixing == "scheduled_reverse":
            return 1 - torch.as_tensor(global_share(sigma))[:, None]
        if self.mixing == "learned":
            return torch.sigmoid(self._logit(sigma))
        constant = {"fixed": self.fixed_global, "local_only": 0.0, "global_only": 1.0}
        if self.mixing not in constant:
            raise ConfigError(f"mixing '{self.mixing}' is unknown")
        return torch.full_like(sigma[:, None], constant[self.mixing])

    def _weights(self, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of the global and of the local view, each [batch, heads or 1]."""
        if self.mixing == "learned":
            # Not the root of the share: where that is all or nothing, its gradient is infinite.
            logit = self._logit(sigma)
            return logsigmoid(logit).div(2).exp(), logsigmoid(-logit).div(2).exp()
        share = self.share(sigma)
        return share.sqrt(), (1 - share).sqrt()

    def _logit(self, sigma: Tensor) -> Tensor:
        """Log odds of the global view in learned mixing [batch, heads]."""
        return self.slope * 2 * sigma.log()[:, None] + self.offset

    def _global_view(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        if self.rope:
            angles = rope_angles(q.shape[2], q.shape[-1], q.device)
            q, k = apply_rope(q, angles), apply_rope(k, angles)
        keep = None if mask is None else mask[:, None, None, :]
        return scaled_dot_product_attention(q, k, v, keep)
