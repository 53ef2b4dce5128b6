"""Bands by the published network, trained on our data, as a row of an evaluation."""

import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from banso.audio import Audio
from banso.errors import BundleError, ConfigError
from banso.eval.gallery import Rendition
from banso.eval.hearing import Array
from banso.eval.observation import name_of
from banso.eval.published import sample_published
from banso.eval.sets import EvalItem
from banso.eval.suite import System
from banso.model.published import NUM_FRAMES, NUM_STEPS, PublishedNetwork, probe
from banso.runtime import OnnxCodec

ROW = "published"
_FRAME_MULTIPLE = 8  # the network halves its frames three times
_TOLERANCE = 0.02  # of latents of unit size; half precision costs a tenth of it


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """A trained published network.

    Attributes:
        network: With averaged weights.
        codec_mark: What its codec makes of `probe`, to find out whether a bundle has the same.
        identity: Names the checkpoint.
    """

    network: PublishedNetwork
    codec_mark: Array
    identity: str


def load_published(path: Path) -> Published:
    """Read a checkpoint of `banso train published`.

    Raises:
        ConfigError: If it is missing or of another network.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        mark = content["hyper_parameters"]["codec_mark"]
        weights = {
            name.removeprefix("model."): value for name, value in content["state_dict"].items()
        }
        network = PublishedNetwork()
        network.load_state_dict(weights)
    except (OSError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise ConfigError(f"{path} is no checkpoint of banso train published: {error}") from error
    sizes = [float(value.double().abs().sum()) for value in weights.values()]
    return Published(network.eval(), np.array(mark, dtype=np.float32), name_of(sizes))


def published_system(
    published: Published,
    codec: OnnxCodec,
    bundle_hash: str,
    *,
    seed: int = 0,
    num_steps: int = NUM_STEPS,
) -> System:
    """Let the published network accompany voices, through the codec of a bundle.

    It knows no songs longer than its window: each 47.55 s are made on their own.

    Args:
        published: The network.
        codec: Of the bundle; the one whose latents the network learned.
        bundle_hash: Names the bundle.
        seed: Of the noise.
        num_steps: Of the sampler; published are 800.

    Raises:
        BundleError: If the codec is another one.
    """
    latents = codec.encode(probe())
    mark = latents[len(latents) // 2]
    if mark.shape != published.codec_mark.shape or not np.allclose(
        mark, published.codec_mark, atol=_TOLERANCE * float(np.abs(mark).max())
    ):
        raise BundleError(
            "the published network learned latents of another codec than the bundle's"
        )

    def make(item: EvalItem) -> Rendition:
        start = time.perf_counter()
        voice = Audio(item.read_vocals(), item.sample_rate).to_stereo().resampled(codec.sample_rate)
        made = _accompany(published.network, codec.encode(voice.samples), seed, num_steps)
        stream = codec.decode_stream()
        samples = np.concatenate([stream.add(made), stream.finish()], axis=1)
        samples = samples[:, : voice.num_samples]
        seconds = time.perf_counter() - start
        return Rendition(
            samples=np.pad(samples, ((0, 0), (0, voice.num_samples - samples.shape[1]))),
            sample_rate=codec.sample_rate,
            made_in_seconds=seconds,
        )

    identity = name_of("published", published.identity, bundle_hash, seed, num_steps)
    return System(row=ROW, make=make, identity=identity, swapped=True)


def _accompany(network: PublishedNetwork, voice: Array, seed: int, num_steps: int) -> Array:
    """Latents [frames, channels] of a band for latents of a voice, window by window."""
    pieces = []
    for number, start in enumerate(range(0, len(voice), NUM_FRAMES)):
        piece = voice[start : start + NUM_FRAMES]
        padded = np.pad(piece, ((0, -len(piece) % _FRAME_MULTIPLE), (0, 0)))
        noise = np.random.default_rng([seed, number]).standard_normal(padded.shape, np.float32)
        sampled = sample_published(
            network,
            torch.from_numpy(padded)[None],
            torch.from_numpy(noise)[None],
            num_steps=num_steps,
            seed=seed,
        )
        pieces.append(sampled[0, : len(piece)].numpy())
    return np.concatenate(pieces).astype(np.float32)
