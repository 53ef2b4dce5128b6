"""The planner: from a voice alone to how likely each chord is.

A small convolutional transformer over the vocal features. It answers frame by frame;
`banso.planning` makes one consistent lead sheet of the answers and of the voice's pulse.

References:
    McFee and Bello 2017, "Structured training for large-vocabulary chord recognition", ISMIR
    (framewise chord posteriors). Lim, Rhyu and Lee 2017, arXiv:1712.01011 (chords from a melody by
    a recurrent network).
"""

from torch import Tensor, nn

from banso import conditioning as c
from banso.config import PlannerConfig
from banso.model.codec import Block
from banso.model.denoiser import EncoderBlock, Resample

NUM_CHORDS = 25  # 12 major, 12 minor, none


class Planner(nn.Module):
    """Vocal features to framewise chords."""

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

    def forward(self, vocal: Tensor) -> Tensor:
        """Answer for a window.

        Args:
            vocal: The vocal group of the conditioning [batch, frames, 84]; frames a multiple of 4.

        Returns:
            Logits [batch, frames / 4, 25] over C to B major, C to B minor, none.
        """
        quarter = self.down_quarter(self.half_in(self.down_half(self.full_in(self.embed(vocal)))))
        for block in self.quarter:
            quarter = block(quarter, None)
        chord: Tensor = self.chord(self.norm(quarter))
        return chord
