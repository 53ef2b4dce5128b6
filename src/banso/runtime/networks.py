"""The networks that listen and play: `OnnxDenoiser`, `OnnxPlanner`."""

import numpy as np

from banso.conditioning import KNOWN, NUM_CONDITIONS, PARTS
from banso.planning import PlanAnswers
from banso.runtime.session import Array, Session
from banso.sampler import Denoiser

# In this order both as outputs of the encoder and as inputs of the denoiser.
CONTEXT_NAMES = ("context_full", "half_keys", "half_values", "quarter_keys", "quarter_values")

# The planner attends over all it is given, so what is longer than 190 s is heard in parts, each
# with 24 s more on either side. Multiples of 16 frames.
_PLANNER_FRAMES, _PLANNER_CONTEXT = 4_096, 512


class OnnxDenoiser:
    """The denoiser of a bundle.

    Args:
        encoder: Graph `conditioning` -> contexts.
        hourglass: Graph `latents`, `sigma`, contexts, `known` -> `denoised`.
    """

    def __init__(self, encoder: Session, hourglass: Session) -> None:
        self._encoder, self._hourglass = encoder, hourglass
        # Groups are only ever added at the end; an older network is not told of newer ones.
        self._width = encoder.input_widths.get("conditioning", NUM_CONDITIONS)

    @property
    def knows_parts(self) -> bool:
        """Whether it can write single parts of a band and play along with others."""
        return self._width > PARTS.start

    def condition(self, conditioning: Array) -> Denoiser:
        """Encode the conditioning [batch, frames, features] once, for all steps to come."""
        context = self._encoder.run(conditioning=conditioning[..., : self._width])
        known = np.ascontiguousarray(conditioning[..., KNOWN])

        def denoise(noisy: Array, sigma: float) -> Array:
            levels = np.full(len(noisy), sigma, dtype=np.float32)
            return self._hourglass.run(latents=noisy, sigma=levels, known=known, **context)[
                "denoised"
            ]

        return denoise


class OnnxPlanner:
    """The planner of a bundle: chords, frame by frame, as it hears them in a voice.

    Args:
        planner: Graph `vocal` -> `chord`.
    """

    def __init__(self, planner: Session) -> None:
        self._planner = planner

    def answer(self, vocal: Array) -> PlanAnswers:
        """Answer for a whole song; time and memory grow no faster than its length.

        Args:
            vocal: The vocal group of the conditioning [frames, 84]; frames a multiple of 16.
        """
        frames, context = len(vocal), _PLANNER_CONTEXT
        step = _PLANNER_FRAMES - 2 * context if frames > _PLANNER_FRAMES else _PLANNER_FRAMES
        parts = []
        for start in range(0, frames, step):
            stop = min(start + step, frames)
            first = max(0, start - context)
            heard = self._planner.run(vocal=vocal[None, first : stop + context])["chord"][0]
            parts.append(heard[(start - first) // 4 : (stop - first) // 4])
        return PlanAnswers(np.concatenate(parts))
