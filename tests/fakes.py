"""Stand-ins for a trained model: tiny, deterministic, and audible enough to be measured."""

import numpy as np

from banso.config import SamplerConfig
from banso.pipeline import Accompanist
from banso.results import BundleName

NUM_CHANNELS = 64
HOP_LENGTH = 2048


class FakeDenoiser:
    """Pulls latents towards a pattern made from the conditioning's chroma, keeping some noise."""

    def condition(self, conditioning):
        pattern = np.tile(conditioning[..., 62:74], 6)[..., :NUM_CHANNELS]

        def denoise(noisy, sigma):
            return (pattern + 0.5 * noisy / (1 + sigma**2)).astype(np.float32)

        return denoise


class _HeldDecoder:
    """Holds the last frame back until the next comes, as a decoder with overlap must."""

    def __init__(self):
        self._held = np.zeros((0, NUM_CHANNELS), np.float32)

    def add(self, latents):
        frames = np.concatenate((self._held, latents))
        self._held = frames[-1:]
        return self._sound(frames[:-1])

    def finish(self):
        return self._sound(self._held)

    @staticmethod
    def _sound(frames):
        carrier = np.sin(2 * np.pi * 16 * np.arange(HOP_LENGTH) / HOP_LENGTH)
        level = 0.1 * np.tanh(frames[:, :2].T)
        return (level[:, :, None] * carrier).reshape(2, -1).astype(np.float32)


class FakeCodec:
    sample_rate = 44_100
    hop_length = HOP_LENGTH
    num_channels = NUM_CHANNELS

    can_tune = True

    def decode_stream(self, *, tuning_cents=0.0):
        return _HeldDecoder()

    def encode(self, waveform, *, tuning_cents=0.0):
        """Undo what the decoder does to two of the channels; the others stay zero."""
        padded = np.pad(waveform, ((0, 0), (0, -waveform.shape[1] % HOP_LENGTH)))
        carrier = np.sin(2 * np.pi * 16 * np.arange(HOP_LENGTH) / HOP_LENGTH)
        level = padded.reshape(2, -1, HOP_LENGTH) @ carrier / (carrier @ carrier)
        latents = np.zeros((level.shape[1], NUM_CHANNELS), np.float32)
        latents[:, :2] = np.arctanh(np.clip(level / 0.1, -0.999, 0.999)).T
        return latents


def fake_accompanist(**sampler):
    """An `Accompanist` whose windows are short, so that short tests cross their seams."""
    values = {"num_steps": 3, "window_frames": 32, "overlap_frames": 16, **sampler}
    return Accompanist(
        FakeDenoiser(),
        FakeCodec(),
        bundle=BundleName("fake", "0123456789ab"),
        sampler=SamplerConfig(**values),
        styles=("pop", "rock"),
        knows_parts=True,
    )


def install():
    """Make every `Accompanist.from_bundle` return the fake; for processes without a bundle."""
    Accompanist.from_bundle = classmethod(
        lambda cls, path=None, num_threads=None: fake_accompanist()
    )
