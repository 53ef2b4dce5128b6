"""What a bundle's denoiser is wrong by on average, found on songs that it was trained on.

A mean error of a tenth or two in every frame adds little to the training loss, but it is in all of
a band's sound: the balance of bass and treble, the width. It is measured along the sampler's own
way, at each noise level with those before it put right.

References:
    Ning et al. 2023, arXiv:2301.11706 (a sampler's errors add up, because the network is trained on
    noisy music, not on what it made itself).
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso import conditioning as c
from banso import runtime
from banso.bundle import Bundle, write_bundle
from banso.config import SamplerConfig, TrainConfig
from banso.data.cache import Example
from banso.errors import BundleError, DataError
from banso.generation import EvaluationCount, guided, sampled
from banso.sampler import ConditionalDenoiser, Denoiser
from banso.train.loop import load_examples

Array = NDArray[np.float32]

_CROP_FRAMES = 512
_DIGITS = 4  # after the point; latents spread by about 1


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A stretch of a song, as the denoiser is asked for it.

    Attributes:
        latents: Of the true band [frames, channels].
        conditioning: Voice, beats and chords [frames, NUM_CONDITIONS].
    """

    latents: Array
    conditioning: Array


@dataclasses.dataclass(frozen=True, slots=True)
class Bias:
    """What was found.

    Attributes:
        sampler: Settings that hold it.
        before: Mean error of the sampler's latents, root mean square over channels.
        after: The same without the bias, from other noise.
    """

    sampler: SamplerConfig
    before: float
    after: float


def remove_bias(
    bundle: Bundle, data: Path, out: Path, *, num_songs: int = 256
) -> tuple[Bundle, Bias]:
    """Write a bundle again with the bias of its denoiser, for the sampler to take off.

    Args:
        bundle: With a codec of ours; a bias that it knows is measured anew.
        data: Folder of cached items, as for `fit_denoiser`.
        out: Folder of the new bundle; may be the old one's.
        num_songs: The most training songs to measure on.

    Returns:
        The new bundle, and what was found.

    Raises:
        DataError: If there is no training song of a whole band that is long enough.
        BundleError: If the bundle has no denoiser, or its codec gives sound.
    """
    models = runtime.load_models(bundle)
    if not isinstance(models.codec, runtime.OnnxCodec):
        raise BundleError(
            f"the codec of bundle {bundle.name} gives sound; it takes no cached items"
        )
    training, _ = load_examples(TrainConfig(data=str(data)))
    crops = crops_of(training, models.codec.encode_parameters, num_songs)
    bias = measure_bias(models.denoiser, crops, bundle.manifest.sampler)
    manifest = dataclasses.replace(bundle.manifest, sampler=bias.sampler)
    return write_bundle(out, manifest, bundle.contents()), bias


def crops_of(
    songs: Sequence[Example], encode: Callable[[Array], Array], num_songs: int
) -> list[Crop]:
    """Middles of whole bands, evenly from all songs, with style and parts left open.

    Args:
        songs: To choose from.
        encode: Packed parameters [frames, NUM_PARAMETERS] to latents [frames, channels].
        num_songs: The most crops to return.

    Raises:
        DataError: If no whole band is long enough.
    """
    whole = [
        song
        for song in songs
        if song.others is None
        and len(song.parts) == len(c.PART_NAMES)
        and song.conditions.any()
        and len(song.parameters) >= _CROP_FRAMES
    ]
    if not whole:
        raise DataError(f"no training song has {_CROP_FRAMES} frames of a whole band and a voice")
    return [_crop(song, encode) for song in whole[:: -(-len(whole) // num_songs)]]


def measure_bias(
    denoiser: ConditionalDenoiser, crops: Sequence[Crop], config: SamplerConfig, seed: int = 0
) -> Bias:
    """Follow a sampler, and tell what its estimates are wrong by on average.

    Args:
        denoiser: To be measured.
        crops: All of the same length.
        config: Steps and guidance; a bias that it knows is not looked at.
        seed: Of the noise.
    """
    plain = dataclasses.replace(config, bias=(), bias_sigmas=())
    clean = np.stack([crop.latents for crop in crops])
    noise = np.random.default_rng(seed).standard_normal((2, *clean.shape), dtype=np.float32)
    found: dict[float, NDArray[np.float64]] = {}
    count = EvaluationCount()

    def all_of(settings: SamplerConfig) -> Denoiser:
        def denoise(noisy: Array, sigma: float) -> Array:
            # A song's encoding takes a few megabytes; to keep all of them would take gigabytes.
            estimates = (
                guided(denoiser, crop.conditioning[None], settings, count)(row[None], sigma)
                for crop, row in zip(crops, noisy, strict=True)
            )
            return np.concatenate(list(estimates))

        return denoise

    network = all_of(plain)

    def measuring(noisy: Array, sigma: float) -> Array:
        estimate = network(noisy, sigma)
        found[sigma] = _mean_error(estimate, clean).round(_DIGITS)
        return estimate - found[sigma].astype(np.float32)

    sampled(measuring, noise[0], plain)
    levels = sorted(found)
    corrected = dataclasses.replace(
        plain,
        bias_sigmas=tuple(levels),
        bias=tuple(tuple(found[level].tolist()) for level in levels),
    )
    before, after = (
        float(np.sqrt(np.square(_mean_error(sampled(each, noise[1], plain), clean)).mean()))
        for each in (network, all_of(corrected))
    )
    return Bias(corrected, before, after)


def _mean_error(estimate: Array, clean: Array) -> NDArray[np.float64]:
    """Mean over items and frames [channels]."""
    return np.asarray((estimate - clean).mean(axis=(0, 1), dtype=np.float64))


def _crop(song: Example, encode: Callable[[Array], Array]) -> Crop:
    start = (len(song.parameters) - _CROP_FRAMES) // 2
    rows = slice(start, start + _CROP_FRAMES)
    conditioning = np.zeros((_CROP_FRAMES, c.NUM_CONDITIONS), np.float32)
    conditioning[:, : c.STYLE.start] = song.conditions[rows, : c.STYLE.start]
    return Crop(encode(song.parameters[rows].astype(np.float32)), conditioning)
