"""Everything that an evaluation keeps of one recording, measured once.

A second of stereo is 353 kB; an observation of it is 2 kB. So sets of any size fit in memory, and
what was observed once is kept on disk under a name that says what it was made of: the recording,
and the code that looked at it. Change either, and it is observed again.
"""

import functools
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import banso
from banso.audio import Audio
from banso.bundle import load_bundle
from banso.eval.fidelity import seam_energy_db
from banso.eval.frechet import Moments, moments_of
from banso.eval.hearing import Array, Heard, hear
from banso.eval.near_copies import fingerprint
from banso.loudness import LoudnessMeter
from banso.runtime import OnnxCodec, OnnxWaveformCodec, load_codec

_SILENT_DB = -60.0
_LATENTS_LUFS = -20.0
_HEARD = ("chroma", "level_db", "onset_strength", "bass_strength")
_NUMBERS = ("seconds", "lufs", "peak", "silent_share", "seam_db", "made_in_seconds")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Observation:
    """What one recording of a band is like.

    Attributes:
        heard: Chroma, level and onsets.
        seconds: Its length.
        lufs: Integrated loudness; minus infinity if silent.
        peak: Largest sample, full scale 1.
        silent_share: Share of whole seconds below -60 dBFS.
        seam_db: Sudden change where windows meet, relative to elsewhere; NaN without seams.
        made_in_seconds: How long it took to generate; NaN for what was read from a file.
        moments: Sums over its latents, all at the same loudness; None without a codec.
        fingerprint: For finding near-copies [steps, 16]; empty without a codec.
    """

    heard: Heard
    seconds: float
    lufs: float
    peak: float
    silent_share: float
    seam_db: float
    made_in_seconds: float
    moments: Moments | None
    fingerprint: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Observer:
    """How to look at recordings; small, so that it travels to other processes.

    Attributes:
        bundle: Folder of the bundle whose codec makes latents; None for the one in the package.
        with_latents: Whether to make them.
    """

    bundle: Path | None = None
    with_latents: bool = True

    def observe(
        self,
        samples: Array,
        sample_rate: int,
        seam_seconds: Sequence[float] = (),
        made_in_seconds: float = float("nan"),
    ) -> Observation:
        """Measure a recording.

        Args:
            samples: Waveform [2, samples], full scale ±1.
            sample_rate: In Hz.
            seam_seconds: Where windows meet.
            made_in_seconds: How long it took to generate.

        Returns:
            What is kept of it.
        """
        meter = LoudnessMeter(sample_rate)
        meter.add(samples.astype(np.float32))
        latents = None
        if self.with_latents:
            # Bands are as loud as their singers; how loud is no question of quality.
            gain = 10 ** ((_LATENTS_LUFS - meter.integrated_lufs) / 20)
            level = samples * np.float32(gain if np.isfinite(gain) else 1.0)
            latents = _latents(level, sample_rate, self.bundle)
        return Observation(
            heard=hear(samples, sample_rate),
            seconds=samples.shape[1] / sample_rate,
            lufs=meter.integrated_lufs,
            peak=float(np.abs(samples).max(initial=0.0)),
            silent_share=_silent_share(samples, sample_rate),
            seam_db=seam_energy_db(samples, sample_rate, seam_seconds),
            made_in_seconds=made_in_seconds,
            moments=None if latents is None else moments_of(latents),
            fingerprint=_fingerprint(latents, self.bundle),
        )


class Store:
    """Observations on disk; a stopped evaluation goes on where it was.

    Args:
        folder: Where to; made when needed. None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def load(self, name: str) -> Observation | None:
        """Return what was kept under a name, or None; a damaged file counts as none."""
        if self._folder is None or not (self._folder / f"{name}.npz").is_file():
            return None
        try:
            with np.load(self._folder / f"{name}.npz", allow_pickle=False) as arrays:
                return _unpacked(dict(arrays))
        except (OSError, ValueError, KeyError, BadZipFile):
            return None

    def save(self, name: str, observation: Observation) -> None:
        """Keep an observation; the file appears complete or not at all."""
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{name}.part"
        with partial.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **_packed(observation))
        partial.replace(self._folder / f"{name}.npz")


def name_of(*ingredients: object) -> str:
    """Name what is made of some ingredients: strings, numbers and None in any nesting."""
    text = json.dumps(ingredients, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def analysis_digest() -> str:
    """Return a hash of the code that observes, so that no observation outlives it."""
    return _digest(
        "loudness.py", "audio.py", "codec/*.py", "runtime/codecs.py", "eval/hearing.py",
        "eval/observation.py", "eval/near_copies.py", "eval/fidelity.py", "eval/frechet.py",
    )  # fmt: skip


def generation_digest() -> str:
    """Return a hash of all code that accompanies; any change makes bands anew."""
    return _digest("*.py", "codec/*.py", "runtime/*.py", "eval/baseline.py")


@functools.cache
def _digest(*patterns: str) -> str:
    folder, digest = Path(banso.__file__).parent, hashlib.sha256()
    paths = {path for pattern in patterns for path in folder.glob(pattern)}
    for path in sorted(paths):
        if not path.name.startswith("cli"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _packed(observation: Observation) -> dict[str, np.ndarray]:
    arrays = {name: getattr(observation.heard, name) for name in _HEARD}
    arrays["fingerprint"] = observation.fingerprint
    arrays["numbers"] = np.array([getattr(observation, name) for name in _NUMBERS])
    if observation.moments is not None:
        moments = observation.moments
        arrays |= {"count": np.array(moments.count), "total": moments.total}
        arrays["squares"] = moments.squares
    return arrays


def _unpacked(arrays: dict[str, np.ndarray]) -> Observation:
    numbers = dict(zip(_NUMBERS, map(float, arrays["numbers"]), strict=True))
    moments = None
    if "count" in arrays:
        moments = Moments(int(arrays["count"]), arrays["total"], arrays["squares"])
    heard = Heard(**{name: arrays[name] for name in _HEARD})
    fingerprints = arrays["fingerprint"]
    return Observation(heard=heard, moments=moments, fingerprint=fingerprints, **numbers)


def _latents(samples: Array, sample_rate: int, bundle: Path | None) -> Array:
    codec = _codec(bundle)
    own = Audio(samples, sample_rate).resampled(codec.sample_rate)
    return codec.encode(own.samples)


def _fingerprint(latents: Array | None, bundle: Path | None) -> Array:
    codec = None if latents is None else _codec(bundle)
    if latents is None or not isinstance(codec, OnnxCodec):
        return np.zeros((0, 16), np.float32)
    return fingerprint(codec.decode_parameters(latents))


@functools.cache
def _codec(bundle: Path | None) -> OnnxCodec | OnnxWaveformCodec:
    # One thread: several of these run side by side.
    return load_codec(load_bundle(bundle), 1)


def _silent_share(samples: Array, sample_rate: int) -> float:
    whole = max(1, samples.shape[1] // sample_rate)
    blocks = np.array_split(samples[:, : whole * sample_rate], whole, axis=1)
    power = np.array([np.mean(np.square(block, dtype=np.float64)) for block in blocks])
    return float(np.mean(10 * np.log10(power + 1e-20) < _SILENT_DB))
