"""The networks that listen and play: `OnnxDenoiser`."""

import numpy as np

from banso.conditioning import KNOWN, NUM_CONDITIONS, PARTS
from banso.runtime.session import Array, Session
from banso.sampler import Denoiser

# In this order both as outputs of the encoder and as inputs of the denoiser.
CONTEXT_NAMES = ("context_full", "half_keys", "half_values", "quarter_keys", "quarter_values")


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
