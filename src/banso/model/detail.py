"""What the envelope of a band has besides what its latents tell: a second level of latents.

A codec's latents say how loud a band is, in each mel band and at each moment, as far as they have
room for it; what is read from them is smoother than music is. The rest is a few more numbers a
frame, the *detail*. Knowing the latents, these are drawn from a unit Gaussian: a band that is made
up draws them, a recording that is encoded has its own.

Together with the codec's latents it is a variational autoencoder of two levels, whose upper level
is learned first and stays as it is.

References:
    Sønderby et al. 2016, arXiv:1602.02282, equations 1 to 4 (levels of latents, each with a prior
    that hears the level above). Vahdat and Kautz 2020, arXiv:2007.03898, section 3.2 (posterior
    relative to such a prior). Liu et al. 2022, arXiv:2201.03545 (block).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from banso.codec.envelope import NUM_ENVELOPE
from banso.config import DetailConfig
from banso.model.codec import Correction

# What the networks hear of levels that are missing, dB.
_SPREAD_DB, _MOST_DB = 5.0, 30.0


@dataclass(frozen=True, slots=True)
class DetailOutput:
    """Of a batch of frames.

    Attributes:
        missing_db: What a sample of the posterior decodes to [batch, frames, NUM_ENVELOPE].
        kl: Kullback-Leibler divergence of posterior from prior, nats per frame.
    """

    missing_db: Tensor
    kl: Tensor


class DetailNetwork(nn.Module):
    """Latents and detail to what the envelope lacks, and back.

    Args:
        config: Of the network.
        num_channels: Of the codec's latents.
    """

    def __init__(self, config: DetailConfig, num_channels: int) -> None:
        super().__init__()
        self.config = config
        own, dim, kernel = config.num_channels, config.dim, config.kernel_size
        self.prior = Correction((num_channels, dim, 2 * own), config.layers, kernel)
        self.basis = nn.Linear(own, NUM_ENVELOPE, bias=False)
        self.decoder = Correction((num_channels + own, dim, NUM_ENVELOPE), config.layers, kernel)
        self.analyse = nn.Linear(NUM_ENVELOPE, own, bias=False)
        heard = num_channels + NUM_ENVELOPE
        self.encoder = Correction((heard, config.encoder_dim, own), config.encoder_layers, kernel)
        self.log_std = nn.Parameter(torch.full((own,), -1.0))

    def forward(self, latents: Tensor, missing_db: Tensor) -> DetailOutput:
        """Encode, draw from the posterior, decode.

        Args:
            latents: [batch, frames, channels].
            missing_db: What the envelope that is read from them lacks, as `EnvelopeNetwork` packs
                levels [batch, frames, NUM_ENVELOPE], dB.
        """
        mean, (center, log_spread) = self._posterior(latents, missing_db), self._prior(latents)
        drawn = mean + self.log_std.exp() * torch.randn_like(mean)
        ratio = (2 * (self.log_std - log_spread)).exp()
        offset = (mean - center) * (-log_spread).exp()
        kl = (0.5 * (ratio + offset.square() - 1) + log_spread - self.log_std).sum(-1).mean()
        return DetailOutput(self._decoded(latents, drawn), kl)

    def encode(self, latents: Tensor, missing_db: Tensor) -> Tensor:
        """Detail [batch, frames, own channels] of what is missing; arguments as `forward`."""
        center, log_spread = self._prior(latents)
        return (self._posterior(latents, missing_db) - center) * (-log_spread).exp()

    def decode(self, latents: Tensor, detail: Tensor) -> Tensor:
        """What the envelope lacks, dB [batch, frames, NUM_ENVELOPE].

        Args:
            latents: [batch, frames, channels].
            detail: From a unit Gaussian or from `encode` [batch, frames, own channels].
        """
        center, log_spread = self._prior(latents)
        return self._decoded(latents, center + log_spread.exp() * detail)

    @torch.no_grad()
    def start_from_components(self, missing_db: Tensor) -> float:
        """Begin as a principal component analysis of missing levels [frames, NUM_ENVELOPE].

        Returns:
            Share of the variance that the components hold.
        """
        rows = missing_db.double() / _SPREAD_DB
        variance, components = torch.linalg.eigh(rows.T @ rows / len(rows))
        kept = self.config.num_channels
        spread = variance[-kept:].clamp(min=1e-9).sqrt()
        self.analyse.weight.copy_(components[:, -kept:].T / spread[:, None])
        self.basis.weight.copy_(components[:, -kept:] * spread)
        return float(variance[-kept:].sum() / variance.sum())

    def _prior(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        center, log_spread = self.prior(latents).float().chunk(2, dim=-1)
        # Where it starts, and no further than what a few nats can mend.
        return center, math.log(4.0) * torch.tanh(log_spread)

    def _posterior(self, latents: Tensor, missing_db: Tensor) -> Tensor:
        heard = missing_db.clamp(-_MOST_DB, _MOST_DB) / _SPREAD_DB
        correction = self.encoder(torch.cat([latents, heard], dim=-1))
        mean: Tensor = (self.analyse(heard) + correction).float()
        return mean

    def _decoded(self, latents: Tensor, own: Tensor) -> Tensor:
        correction = self.decoder(torch.cat([latents, own], dim=-1))
        missing: Tensor = _SPREAD_DB * (self.basis(own) + correction).float()
        return missing
