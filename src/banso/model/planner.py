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
from banso.planning import NUM_TEMPI

NUM_CHORDS = 25  # 12 major, 12 minor, none


@dataclass(frozen=True, slots=True)
class Plan:
    """Answers of the planner.

    Attributes:
        beat: Logits [batch, frames] that a beat falls into the frame.
        downbeat: Logits [batch, frames], the same for the first beat of a bar.
        chord: Logits [batch, frames / 4, 25] over C to B major, C to B minor, none.
        phase: Expected sine and cosine of the beat's phase, then of the bar's
            [batch, frames / 2, 4]. The shorter such a vector, the less certain the phase.
        tempo: Logits [batch, NUM_TEMPI] over `planning.tempo_bins_bpm`, for the window.
    """

    beat: Tensor
    downbeat: Tensor
    chord: Tensor
    phase: Tensor
    tempo: Tensor


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
        self.tempo = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, NUM_TEMPI))
        self.up_half = Resample(dim, dim, up=True)
        self.half_out = Block(dim, 7)
        self.half_norm = nn.LayerNorm(dim)
        self.phase = nn.Linear(dim, 4)
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
        return Plan(
            beat,
            downbeat,
            chord=self.chord(quarter),
            phase=self.phase(self.half_norm(half)),
            tempo=self.tempo(quarter.mean(dim=1)),
        )
