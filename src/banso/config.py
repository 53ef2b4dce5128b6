"""All settings, as frozen dataclasses, and the one loader that fills them from TOML.

Field comments give units and sources. Derived values are properties, so nothing is said twice.
"""

import dataclasses
import difflib
import hashlib
import json
import tomllib
import types
import typing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from banso.errors import ConfigError

ConfigT = TypeVar("ConfigT")
MIXINGS = ("scheduled", "scheduled_reverse", "learned", "fixed", "local_only", "global_only")


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentFormat:
    """What the latents of a codec look like; a property of the bundle."""

    sample_rate: int = 44_100  # Hz
    hop_length: int = 2_048  # samples per latent frame
    num_channels: int = 64

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.hop_length


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecConfig:
    """The learned half of the codec: parameters to latents and back."""

    num_channels: int = 64
    encoder_dim: int = 384
    encoder_layers: int = 3
    decoder_dim: int = 512
    decoder_layers: int = 4
    kernel_size: int = 5  # frames
    observation_std: float = 0.03  # level units; the error that the likelihood calls normal

    def __post_init__(self) -> None:
        _require(self.kernel_size % 2 == 1, f"kernel_size must be odd, not {self.kernel_size}")
        _require(self.observation_std > 0, "observation_std must be positive")


@dataclass(frozen=True, kw_only=True, slots=True)
class RendererConfig:
    """The network that shapes the codec's synthesis; see `banso.model.renderer`."""

    dim: int = 384  # width at the latents' frame rate
    layers: int = 4
    step_dim: int = 192  # width at the synthesis' own rate, four steps a frame
    step_layers: int = 2
    kernel_size: int = 5  # frames, or steps

    def __post_init__(self) -> None:
        _require(self.kernel_size % 2 == 1, f"kernel_size must be odd, not {self.kernel_size}")

    @property
    def context_frames(self) -> int:
        """How far to each side what it says of a frame depends on parameters."""
        reach = self.kernel_size // 2
        return self.layers * reach + -(-self.step_layers * reach // 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvelopeConfig:
    """The network that hears the band's envelope in latents; see `banso.model.envelope`."""

    dim: int = 384
    layers: int = 5
    kernel_size: int = 5  # frames

    def __post_init__(self) -> None:
        _require(self.kernel_size % 2 == 1, f"kernel_size must be odd, not {self.kernel_size}")

    @property
    def context_frames(self) -> int:
        """How far to each side what it says of a frame depends on latents."""
        return self.layers * (self.kernel_size // 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class DetailConfig:
    """The second level of latents, of the envelope's detail; see `banso.model.detail`."""

    num_channels: int = 192
    dim: int = 192
    layers: int = 3
    encoder_dim: int = 256
    encoder_layers: int = 3
    kernel_size: int = 5  # frames

    def __post_init__(self) -> None:
        _require(self.kernel_size % 2 == 1, f"kernel_size must be odd, not {self.kernel_size}")

    @property
    def context_frames(self) -> int:
        """How far to each side what it says of a frame depends on latents and detail."""
        return 2 * self.layers * (self.kernel_size // 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserConfig:
    """The denoiser and the encoder of its conditioning; see `banso.model.denoiser`."""

    num_channels: int = 64
    num_styles: int = 16  # slots for style names
    encoder_dim: int = 256
    encoder_layers: int = 3
    full_dim: int = 160  # width at the latents' own frame rate
    half_dim: int = 256  # width at half the frame rate
    quarter_dim: int = 320
    half_layers: int = 1  # on the way down, and again on the way up
    quarter_layers: int = 4
    num_heads: int = 4
    window_frames: int = 16  # of the local view, at the latents' frame rate (0.74 s)
    mixing: str = "scheduled"
    fixed_global: float = 0.5  # share of the global view when `mixing` is fixed
    rope: bool = True
    film: str = "frame"  # "song": what is aligned is averaged over time, as SAMUeL's code does

    def __post_init__(self) -> None:
        _require(self.film in ("frame", "song"), f"film '{self.film}' is unknown")
        if self.mixing not in MIXINGS:
            raise ConfigError(f"mixing '{self.mixing}' is unknown; choose {', '.join(MIXINGS)}")
        for dim in (self.encoder_dim, self.half_dim, self.quarter_dim):
            _require(dim % (2 * self.num_heads) == 0, f"{dim} channels do not split into heads")
        _require(self.window_frames % 8 == 0, "window_frames must be a multiple of 8")
        _require(0 <= self.fixed_global <= 1, "fixed_global must lie in [0, 1]")


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerConfig:
    """Defaults of the sampling loop; Karras et al. 2022, arXiv:2206.00364, equation 5."""

    num_steps: int = 9
    guidance_scale: float = 2.0
    guidance_sigma_min: float = 1.0  # below this noise level there is no guidance
    guidance_folded: bool = False  # the network has learned it: one evaluation a step
    order: int = 2  # 1 for a network that has learned where each step ends
    sigma_min: float = 0.1
    sigma_max: float = 40.0
    rho: float = 7.0
    window_frames: int = 1_024  # 47.55 s
    overlap_frames: int = 256  # known tail on which the next window is conditioned
    # What the network's estimates are wrong by on average, and at which noise levels, rising.
    bias_sigmas: tuple[float, ...] = ()
    bias: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        _require(0 < self.sigma_min < self.sigma_max, "sigma_min must lie between 0 and sigma_max")
        _require(self.guidance_sigma_min >= 0, "guidance_sigma_min must not be negative")
        _require(self.order in (1, 2), f"order must be 1 or 2, not {self.order}")
        _require(self.num_steps >= 1, f"num_steps must be at least 1, not {self.num_steps}")
        _require(
            0 <= self.overlap_frames < self.window_frames,
            "overlap_frames must be shorter than window_frames",
        )
        _require(
            len(self.bias) == len(self.bias_sigmas) and len({len(row) for row in self.bias}) <= 1,
            "bias must have a row for each of bias_sigmas, all of the same length",
        )
        _require(
            all(low < high for low, high in pairwise((0.0, *self.bias_sigmas))),
            "bias_sigmas must be positive and rise",
        )

    @property
    def dropped_frames(self) -> int:
        """Frames at the end of a window that the next one writes again, a twelfth of the new ones.

        Not knowing how the music goes on, a window dies away there, and the next then began with a
        hit: sudden change at the seams of four songs was 7 dB above elsewhere. 64 frames are 3 s.
        """
        return (self.window_frames - self.overlap_frames) // 12


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """One training run; its length is a time budget, so the same file serves any machine."""

    data: str = "work/cache"
    run: str = "runs/default"
    start_from: str = ""  # checkpoint or bundle whose weights are taken over as far as they fit
    freeze_encoder: bool = False  # of the codec: latents stay what a denoiser has learned
    freeze_codec: bool = False  # train what hears the envelope alone
    minutes: float = 60.0
    max_steps: int = 1_000_000
    batch_size: int = 16
    crop_frames: int = 512
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    weight_decay: float = 0.01
    ema_decay: float = 0.999
    compile: bool = False  # on CUDA: fuse the networks' blocks; a minute at the beginning
    precision: str = "bf16"  # bf16 (autocast) or fp32
    seed: int = 0
    checkpoint_minutes: float = 5.0
    log_steps: int = 50
    validation_steps: int = 500
    max_transpose: int = 3  # semitones either way, in the parameter domain
    drop_all: float = 0.1  # probability that every condition is dropped, for guidance
    drop_chords: float = 0.5
    drop_beats: float = 0.5
    drop_style: float = 0.5
    drop_parts: float = 0.5  # probability that "the whole band" is left unsaid
    drop_others: float = 0.4  # probability that parts already there are not heard
    keep_known: float = 0.4  # probability that a prefix or part of the latents is given
    sigma_mean: float = 0.0  # of log sigma in training; Karras et al. 2022, table 1
    sigma_std: float = 1.6
    envelope_weight: float = 0.3  # of the envelope's error, nats per parameter and dB
    side_weight: float = 0.33  # of the side signal's envelope beside the mid signal's
    detail_kl_weight: float = 0.25  # of the detail's divergence from its prior
    auxiliary_weight: float = 0.2  # of predicting chords and beats from the encoding

    def __post_init__(self) -> None:
        _require(self.precision in ("bf16", "fp32"), f"precision '{self.precision}' is unknown")
        _require(self.minutes > 0, "minutes must be positive")


@dataclass(frozen=True, kw_only=True, slots=True)
class DistillConfig:
    """How a student learns to take in one step what its teacher takes in several.

    The student's own steps, and the guidance that is folded in, are the section `sampler`.
    """

    substeps: int = 3  # of the teacher, within one step of the student
    sigma_min: float = 0.1  # the teacher's last level before 0
    reuse: int = 4  # batches that learn from one way of the teacher
    remembered: int = 64  # ways that are kept for it
    huber: float = 0.1  # error up to which the loss is quadratic; 0 for the squared error

    def __post_init__(self) -> None:
        _require(self.substeps >= 1, f"substeps must be at least 1, not {self.substeps}")
        _require(self.sigma_min > 0, "sigma_min of the teacher must be positive")
        _require(self.reuse >= 1, f"reuse must be at least 1, not {self.reuse}")
        _require(self.remembered >= 1, f"remembered must be at least 1, not {self.remembered}")
        _require(self.huber >= 0, "huber must not be negative")


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """One TOML file of `configs/`."""

    codec: CodecConfig = field(default_factory=CodecConfig)
    envelope: EnvelopeConfig = field(default_factory=EnvelopeConfig)
    detail: DetailConfig = field(default_factory=DetailConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)


def load_config(path: Path | None = None, overrides: typing.Sequence[str] = ()) -> Experiment:
    """Read an experiment.

    Args:
        path: TOML file; None gives the defaults.
        overrides: Such as `train.batch_size=8`; they win over the file.

    Returns:
        The checked settings.

    Raises:
        ConfigError: If a key is unknown or a value has the wrong type or is out of range.
    """
    data = {} if path is None else read_toml(path)
    return from_dict(Experiment, _overridden(data, overrides))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        ConfigError: If it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read configuration {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error


def with_overrides(experiment: Experiment, overrides: typing.Sequence[str]) -> Experiment:
    """Change settings of an experiment by overrides such as `sampler.num_steps=8`.

    Raises:
        ConfigError: As `load_config`.
    """
    return from_dict(Experiment, _overridden(to_dict(experiment), overrides))


def _overridden(data: dict[str, Any], overrides: typing.Sequence[str]) -> dict[str, Any]:
    for override in overrides:
        key, separator, text = override.partition("=")
        section, dot, name = key.partition(".")
        if not separator or not dot:
            raise ConfigError(f"'{override}' must look like train.batch_size=8")
        data.setdefault(section, {})[name] = _literal(text)
    return data


def from_dict(kind: type[ConfigT], data: dict[str, Any], where: str = "") -> ConfigT:
    """Build a configuration dataclass from nested dictionaries.

    Raises:
        ConfigError: If a key is unknown or a value has the wrong type or is out of range.
    """
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise ConfigError(f"unknown setting '{where}{key}'{hint}")
        if dataclasses.is_dataclass(hints[key]):
            if not isinstance(value, dict):
                raise ConfigError(f"'{where}{key}' is a section, not the value {value!r}")
            values[key] = from_dict(typing.cast(type, hints[key]), value, f"{where}{key}.")
        else:
            values[key] = _typed(hints[key], value, where + key)
    return kind(**values)


def from_record(kind: type[ConfigT], data: dict[str, Any]) -> ConfigT:
    """Read what `to_dict` gave some time ago; settings that are gone since are left out.

    Raises:
        ConfigError: If a value has the wrong type or is out of range.
    """
    return from_dict(kind, _still_known(kind, data))


def to_dict(config: Any) -> dict[str, Any]:
    """Nested dictionaries of a configuration; `from_dict` reads them back."""
    return dataclasses.asdict(config)


def config_hash(config: Any) -> str:
    """First 12 hex digits of the SHA-256 of a configuration."""
    text = json.dumps(to_dict(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _still_known(kind: type, data: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {
        key: _still_known(hints[key], value) if dataclasses.is_dataclass(hints[key]) else value
        for key, value in data.items()
        if key in hints
    }


def _typed(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = hint if isinstance(hint, type) else typing.get_origin(hint) or types.NoneType
    if expected is tuple and isinstance(value, list | tuple):
        return tuple(_typed(typing.get_args(hint)[0], each, where) for each in value)
    if type(value) is not expected:
        raise ConfigError(f"'{where}' must be {expected.__name__}, not {value!r}")
    return value


def _literal(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
