"""The learned half of the codec: harmonic-plus-noise parameters to 64 latent channels and back.

A variational autoencoder that starts as a principal component analysis: encoder and decoder are
the linear projection plus a small convolutional correction that is zero at first. The loss lives
in the parameters' own units (levels close to loudness), so no waveform is needed to train it.

Latents are scaled per channel by the inverse of the posterior's spread, which makes a unit error
in any channel about equally audible; the denoiser above then spends its effort where the ear is,
instead of on channels that hardly matter.

References:
    Kingma and Welling 2014, arXiv:1312.6114, equation 10 (objective). Liu et al. 2022,
    arXiv:2201.03545 (block). Kato et al. 2020, arXiv:1910.04329 (isometric latents).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from banso.codec import parameters as p
from banso.codec.bass_tracks import NUM_BASS
from banso.config import CodecConfig

_TONES, _CENTS, _NOISE, _PAN, _SIDE = p.PARAMETER_GROUPS
# Weights of the groups in the loss. Cents and pan are weighted by level on top of that: where
# nothing sounds they do not matter. Bass tones, with the tones below C5 the foundation of every
# chord, weigh more, and noise less: the first law is that the notes stay.
_BASS_WEIGHT, _MIDDLE_WEIGHT = 1.6, 1.25
_MIDDLE_TONES = 48
_WEIGHTS = (1.0, 0.7, 0.5, 0.6, 0.6)
# What is heard of many numbers together: a squared error says nothing of it that is not said of
# each number, and makes everything a little too soft. Nats per parameter.
_CHROMA_WEIGHT, _BAND_WEIGHT = 4.0, 0.03
# Over so many frames chroma is averaged, 0.23 s: what a chord takes to be heard.
_CHROMA_FRAMES = 5


def mixed_over_time(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """Depthwise convolution of [batch, frames, dim] over time, the length kept.

    On CUDA it is a sum of shifted rows: the library's own kernels for so small groups, and their
    transposes, take longer.
    """
    if not x.is_cuda:
        out: Tensor = convolution(x.transpose(1, 2)).transpose(1, 2)
        return out
    return sum_of_shifted(x, convolution)


def sum_of_shifted(x: Tensor, convolution: nn.Conv1d) -> Tensor:
    """The same as `mixed_over_time` on any device."""
    taps = convolution.weight[:, 0].to(x.dtype).unbind(1)
    reach, frames = len(taps) // 2, x.shape[1]
    padded = nn.functional.pad(x, (0, 0, reach, reach))
    bias = torch.zeros_like(taps[0]) if convolution.bias is None else convolution.bias.to(x.dtype)
    out = torch.addcmul(bias, padded[:, :frames], taps[0])
    for shift, tap in enumerate(taps[1:], start=1):
        out = torch.addcmul(out, padded[:, shift : shift + frames], tap)
    return out


class Block(nn.Module):
    """ConvNeXt block over time: depthwise convolution, then a two-layer network per frame."""

    def __init__(self, dim: int, kernel_size: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, 2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, dim] to the same shape."""
        y = self.norm(mixed_over_time(x, self.mix))
        out: Tensor = x + self.narrow(nn.functional.gelu(self.widen(y)))
        return out


class Correction(nn.Module):
    """A stack of blocks whose output starts at zero."""

    def __init__(self, sizes: tuple[int, int, int], num_layers: int, kernel_size: int) -> None:
        super().__init__()
        num_in, dim, num_out = sizes
        self.widen = nn.Linear(num_in, dim)
        self.blocks = nn.Sequential(*(Block(dim, kernel_size) for _ in range(num_layers)))
        self.norm = nn.LayerNorm(dim)
        self.project = nn.Linear(dim, num_out)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [batch, frames, num_in] to [batch, frames, num_out]."""
        out: Tensor = self.project(self.norm(self.blocks(self.widen(x))))
        return out


@dataclass(frozen=True, slots=True)
class CodecLoss:
    """Terms of the objective, each a scalar tensor.

    Attributes:
        total: What is minimised, nats per parameter.
        reconstruction: Mean weighted squared error in level units.
        kl: Kullback-Leibler divergence from the unit Gaussian, nats per frame.
        chroma: One minus the cosine of the amplitudes per pitch class.
        band_db: Mean absolute difference of the power in the noise bands, tones and noise
            together, in dB.
        latents: Scaled latents of the posterior sample [batch, frames, channels].
        decoded: Packed parameters that they decode to [batch, frames, 448].
    """

    total: Tensor
    reconstruction: Tensor
    kl: Tensor
    chroma: Tensor
    band_db: Tensor
    latents: Tensor
    decoded: Tensor


class CodecVAE(nn.Module):
    """Parameters [batch, frames, 448] to latents [batch, frames, 64] and back."""

    mean: Tensor
    latent_scale: Tensor
    weights: Tensor
    stereo_tones: Tensor
    stereo_noise: Tensor
    noise_tones: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        width, channels = p.NUM_PARAMETERS, config.num_channels
        self.analyse = nn.Linear(width, channels)
        # The correction has a bias for both.
        self.synthesise = nn.Linear(channels, width, bias=False)
        self.encoder = Correction(
            (width, config.encoder_dim, 2 * channels), config.encoder_layers, config.kernel_size
        )
        self.decoder = Correction(
            (channels, config.decoder_dim, width), config.decoder_layers, config.kernel_size
        )
        self.log_std = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("latent_scale", torch.ones(channels))
        self.register_buffer("weights", _loss_weights())
        tones, noise = _stereo_membership()
        self.register_buffer("stereo_tones", tones)
        self.register_buffer("stereo_noise", noise)
        self.register_buffer("noise_tones", _noise_membership(), persistent=False)

    def encode(self, parameters: Tensor) -> Tensor:
        """Latents of packed parameters: posterior means in scaled units.

        Args:
            parameters: [batch, frames, 448] as `Parameters.to_array` packs them.

        Returns:
            [batch, frames, 64], mean square about 1 over channels.
        """
        return self._posterior(self.weighted(parameters))[0] * self.latent_scale

    def decode(self, latents: Tensor) -> Tensor:
        """Packed parameters [batch, frames, 448] of scaled latents [batch, frames, 64]."""
        return self._unweighted(self._decode_weighted(latents / self.latent_scale))

    def draw(self, parameters: Tensor) -> Tensor:
        """Scaled latents [batch, frames, channels] drawn from the posterior."""
        mean, log_std = self._posterior(self.weighted(parameters))
        return (mean + log_std.exp() * torch.randn_like(mean)) * self.latent_scale

    def forward(self, parameters: Tensor) -> CodecLoss:
        """Evidence bound of packed parameters [batch, frames, 448], with one posterior sample."""
        x = self.weighted(parameters)
        mean, log_std = self._posterior(x)
        sample = mean + log_std.exp() * torch.randn_like(mean)
        decoded = self._decode_weighted(sample)
        squared = (decoded - x).square().mean()
        kl = (0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std).sum(-1).mean()
        total = squared / (2 * self.config.observation_std**2) + kl / p.NUM_PARAMETERS
        # In full precision: a level is raised to a power of 6.7.
        with torch.autocast(x.device.type, enabled=False):
            restored = self._levels_of(decoded.float())
            chroma, band_db = heard_difference(self._levels_of(x), restored, self.noise_tones)
        total = total + _CHROMA_WEIGHT * chroma + _BAND_WEIGHT * band_db
        latents, packed = sample * self.latent_scale, self._unweighted(decoded)
        return CodecLoss(total, squared, kl, chroma, band_db, latents, packed)

    def _levels_of(self, weighted: Tensor) -> tuple[Tensor, Tensor]:
        """Levels of tones [..., 2, 96] and of noise [..., 4, 32] in their own units."""
        packed = nn.functional.relu(weighted / self.weights)
        tones = packed[..., _TONES].unflatten(-1, (p.TONES_PER_FRAME, p.NUM_TONES))
        noise = packed[..., _NOISE].unflatten(-1, (p.NOISE_PER_FRAME, p.NUM_NOISE_BANDS))
        return tones, noise

    def weighted(self, parameters: Tensor) -> Tensor:
        """Parameters in units in which a squared error is a matter of loudness."""
        level, band_level = self._levels(parameters)
        parts = [
            parameters[..., _TONES],
            parameters[..., _CENTS] * level,
            parameters[..., _NOISE],
            parameters[..., _PAN] * band_level,
            parameters[..., _SIDE],
        ]
        return torch.cat(parts, dim=-1) * self.weights

    def _unweighted(self, weighted: Tensor) -> Tensor:
        packed = weighted / self.weights
        parts = [packed[..., group] for group in p.PARAMETER_GROUPS]
        tones, noise, side = (nn.functional.relu(parts[i]) for i in (0, 2, 4))
        level, band_level = self._levels(torch.cat([tones, parts[1], noise, *parts[3:]], dim=-1))
        cents = (parts[1] / (level + 0.02)).clamp(-1, 1)
        pan = (parts[3] / (band_level + 0.02)).clamp(-1, 1)
        return torch.cat([tones, cents, noise, pan, side], dim=-1)

    def _levels(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        """Level of each tone over the frame [..., 96] and of each stereo band [..., 16]."""
        tones = parameters[..., _TONES].unflatten(-1, (p.TONES_PER_FRAME, p.NUM_TONES)).mean(-2)
        noise = parameters[..., _NOISE].unflatten(-1, (p.NOISE_PER_FRAME, -1)).mean(-2)
        # Small numbers are kept away from zero: the gradient of a root at zero is infinite.
        power = (tones.clamp(min=1e-3) ** (2 / p.COMPRESSION)) @ self.stereo_tones / 2
        power = power + (noise.clamp(min=1e-3) ** (2 / p.COMPRESSION)) @ self.stereo_noise
        return tones, power.clamp(min=1e-12) ** (p.COMPRESSION / 2)

    def freeze_encoder(self) -> None:
        """Train the decoder alone from now on, so that latents keep their meaning."""
        self.analyse.requires_grad_(False)
        self.encoder.requires_grad_(False)
        self.log_std.requires_grad_(False)

    def _posterior(self, weighted: Tensor) -> tuple[Tensor, Tensor]:
        centred = weighted - self.mean
        shift, log_scale = self.encoder(centred).chunk(2, dim=-1)
        return self.analyse(centred) + shift, (self.log_std + log_scale).clamp(-8, 2)

    def _decode_weighted(self, sample: Tensor) -> Tensor:
        out: Tensor = self.synthesise(sample) + self.decoder(sample) + self.mean
        return out

    @torch.no_grad()
    def start_from_components(self, parameters: Tensor) -> float:
        """Set the linear part to the principal components of a data sample.

        Args:
            parameters: [items, 448]; a few ten thousand frames.

        Returns:
            Share of the variance that the components hold, in [0, 1].
        """
        x = self.weighted(parameters)
        self.mean.copy_(x.mean(0))
        covariance = torch.cov((x - self.mean).double().T)
        values, vectors = torch.linalg.eigh(covariance)
        keep = slice(-self.config.num_channels, None)
        top, basis = values[keep].flip(0), vectors[:, keep].flip(1)
        noise = self.config.observation_std**2
        std = top.sqrt()
        self.analyse.weight.copy_((basis / std).T.float())
        self.synthesise.weight.copy_((basis * std).float())
        self.analyse.bias.zero_()
        self.log_std.copy_(0.5 * torch.log(noise / (top + noise)).float())
        return float(top.sum() / values.sum())

    @torch.no_grad()
    def set_latent_scale(self, parameters: Tensor) -> None:
        """Fix the scale of the latents from the posterior's spread on [batch, frames, 448]."""
        mean, log_std = self._posterior(self.weighted(parameters))
        scale = (-log_std).flatten(0, 1).mean(0).exp()
        scaled = mean.flatten(0, 1) * scale
        self.latent_scale.copy_(scale / scaled.square().mean().sqrt())


def _loss_weights() -> Tensor:
    """Weight of every parameter [448]."""
    tones = torch.ones(p.NUM_TONES)
    tones[:_MIDDLE_TONES] = _MIDDLE_WEIGHT
    tones[:NUM_BASS] = _BASS_WEIGHT
    per_group = (torch.full((size,), w) for size, w in zip(p.SIZES, _WEIGHTS, strict=True))
    weights = torch.cat(list(per_group))
    weights[_TONES] *= tones.repeat(p.TONES_PER_FRAME)
    weights[_CENTS] *= tones
    return weights


def heard_difference(
    true: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor], noise_tones: Tensor
) -> tuple[Tensor, Tensor]:
    """Difference of chroma and of band levels; see `CodecLoss`."""
    chromas, bands = [], []
    for tones, noise in (true, other):
        amplitude = tones.clamp(min=1e-3) ** (1 / p.COMPRESSION)
        classes = amplitude.mean(-2).unflatten(-1, (-1, 12)).sum(-2)
        chromas.append(
            nn.functional.avg_pool1d(classes.transpose(1, 2), _CHROMA_FRAMES, 1, 0).transpose(1, 2)
        )
        power = (amplitude.square() / 2) @ noise_tones
        power = power.repeat_interleave(p.NOISE_PER_FRAME // p.TONES_PER_FRAME, -2)
        bands.append(power + noise.clamp(min=1e-3) ** (2 / p.COMPRESSION))
    cosine = nn.functional.cosine_similarity(chromas[0], chromas[1], dim=-1, eps=1e-4)
    loud = (chromas[0].norm(dim=-1) > 1e-3).float()
    chroma = ((1 - cosine) * loud).sum() / loud.sum().clamp(min=1)
    # As far down as 70 dB below the loudest place, as the distance of spectrograms is measured.
    floor = bands[0].detach().amax(dim=(-3, -2, -1), keepdim=True).clamp(min=1e-9) * 1e-7
    decibels = [10 * torch.log10(band.clamp(min=1e-12) + floor) for band in bands]
    return chroma, (decibels[0] - decibels[1]).abs().mean()


def _noise_membership() -> Tensor:
    """Which noise band each tone lies in [96, 32]."""
    return torch.from_numpy(_tones_inside(_edges_hz(p.NUM_NOISE_BANDS)))


def _stereo_membership() -> tuple[Tensor, Tensor]:
    """Which share of each tone [96, 16] and noise band [32, 16] lies in each stereo band."""
    stereo, noise = _edges_hz(p.NUM_STEREO_BANDS), _edges_hz(p.NUM_NOISE_BANDS)
    overlap = np.minimum(noise[1:, None], stereo[1:]) - np.maximum(noise[:-1, None], stereo[:-1])
    share = np.clip(overlap, 0, None) / np.diff(noise)[:, None]
    return torch.from_numpy(_tones_inside(stereo)), torch.from_numpy(share.astype(np.float32))


def _edges_hz(num_bands: int) -> NDArray[np.float64]:
    """Edges of bands that the synthesis' window can resolve [bands + 1]."""
    return p.band_edges_hz(num_bands, 2 * p.SAMPLE_RATE / (2 * p.SYNTHESIS_HOP))


def _tones_inside(edges_hz: NDArray[np.float64]) -> NDArray[np.float32]:
    """One where a tone lies in a band [96, bands], zero elsewhere."""
    tones = p.tone_hz()[:, None]
    return ((tones >= edges_hz[:-1]) & (tones < edges_hz[1:])).astype(np.float32)
