"""The planner: from a voice alone to how likely each beat, downbeat and chord is.

A small convolutional transformer over the vocal features. It answers frame by frame;
`banso.planning` makes one consistent lead sheet of the answers.

References:
    Foscarin et al. 2024, arXiv:2407.21658 (beats and downbeats as framewise activations, shift
    tolerant). McFee and Bello 2017, "Structured training for large-vocabulary chord recognition"
    (framewise chord posteriors).
"""

from dataclasses import dataclass

from torch import Tensor, nn

from banso import conditioning as c
from banso.config import PlannerConfig
from banso.model.codec import Block
from banso.model.denoiser import EncoderBlock, Resample

NUM_CHORDS = 25  # 12 major, 12 minor, none


@dataclass(frozen=True, slots=True)
class Plan:
    """Framewise answers of the planner, as logits.

    Attributes:
        beat: [batch, frames] that a beat falls into the frame.
        downbeat: [batch, frames], the same for the first beat of a bar.
        chord: [batch, frames / 4, 25] over C to B major, C to B minor, none.
    """

    beat: Tensor
    downbeat: Tensor
    chord: Tensor


class Planner(nn.Module):
    """Vocal features to framewise beats and chords."""

    def __init__(self, config: PlannerConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.dim
        num_features = c.VOCAL.stop - c.VOCAL.start
        self.embed = nn.Linear(num_features, dim // 2)
        self.full_in = Block(dim // 2, 7)
        self.down_half = Resample(dim // 2, dim, up=False)
        self.half_in = Block(dim, 7)
        self.down_quarter = Resample(dim, dim, up=False)
        self.quarter = nn.ModuleList(
            EncoderBlock(dim, config.num_heads, rope=True) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(dim)
        self.chord = nn.Linear(dim, NUM_CHORDS)
        self.up_half = Resample(dim, dim, up=True)
        self.half_out = Block(dim, 7)
        self.up_full = Resample(dim, dim // 2, up=True)
        self.full_out = Block(dim // 2, 7)
        self.full_norm = nn.LayerNorm(dim // 2)
        self.beat = nn.Linear(dim // 2, 2)

    def forward(self, vocal: Tensor) -> Plan:
        """Answer for a window.

        Args:
            vocal: The vocal group of the conditioning [batch, frames, 84]; frames a multiple of 4.
        """
        full = self.full_in(self.embed(vocal))
        half = self.half_in(self.down_half(full))
        quarter = self.down_quarter(half)
        for block in self.quarter:
            quarter = block(quarter, None)
        quarter = self.norm(quarter)
        half = self.half_out(half + self.up_half(quarter))
        full = self.full_norm(self.full_out(full + self.up_full(half)))
        beat, downbeat = self.beat(full).unbind(-1)
        return Plan(beat, downbeat, self.chord(quarter))
