"""What a user may choose about an accompaniment, checked where it enters."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log2
from pathlib import Path

from banso.audio import Audio
from banso.conditioning import PART_NAMES, check_parts
from banso.config import SamplerConfig
from banso.errors import ConfigError
from banso.fileformats import FORMATS
from banso.leadsheet import LeadSheet
from banso.wishes import Wishes

# Beyond this a voice is not balanced any more but muted or alone.
VOCAL_GAIN_RANGE_DB = (-40.0, 40.0)
MAX_SEED = 2**63 - 1
PLANS = ("none", "auto")
KEEPS = ("best", "all")
MAX_VARIATIONS = 16
CONCERT_PITCH_HZ = 440.0
# Half a semitone either way; beyond, the same notes have other names.
TUNING_RANGE_HZ = (428.0, 452.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class GenerationOptions:
    """What to generate.

    Attributes:
        style: Name of a style that the bundle knows; None lets the model choose.
        seed: Makes the result repeatable, 0 to 2**63 - 1; None draws one, which the result tells.
        num_steps: Sampler steps; None takes the bundle's own.
        guidance_scale: How strictly to follow the voice, 1.0 = no guidance; None as above. A bundle
            whose network has learned its guidance knows no other.
        lead_sheet: Beats and chords to obey, as far as known.
        plan: What to do about what is not given: `auto` finds key, beats and chords in the voice,
            `none` leaves them to the denoiser.
        bpm: Tempo to obey exactly; where the beats are is found in the voice.
        key: Key to stay in, such as `Am` or `F#:min`; narrows the choice of chords.
        chords: Progression to obey, a chord for each bar, again and again, such as `C Am F G`.
        count_in: Whether sticks count the singer in, if the recording leaves room for it.
        tuning_hz: Frequency of the band's A4, 428 to 452 Hz; None tunes the band to the voice, or
            to the parts that are there already.
        parts: Which of `drums`, `bass`, `harmony` and `extra` to write; none for the whole band, or
            for what the parts that are there already lack.
        others: A recording of parts that are there already, from the voice's first sample on.
        stems: Whether to play part after part, so that each has a sound of its own.
        variations: How many renditions to make, with seeds that count up.
        keep: `best` keeps the one that goes best with the voice, `all` keeps all, ranked.

    Raises:
        ConfigError: If a value is out of range.
    """

    style: str | None = None
    seed: int | None = None
    num_steps: int | None = None
    guidance_scale: float | None = None
    lead_sheet: LeadSheet | None = None
    plan: str = "auto"
    bpm: float | None = None
    key: str | None = None
    chords: str | None = None
    count_in: bool = False
    tuning_hz: float | None = None
    parts: tuple[str, ...] = ()
    others: Path | Audio | None = None
    stems: bool = False
    variations: int = 1
    keep: str = "best"

    def __post_init__(self) -> None:
        if self.plan not in PLANS:
            raise ConfigError(f"plan is '{self.plan}'; choose one of {', '.join(PLANS)}")
        if self.plan == "none" and self.key is not None:
            raise ConfigError("a key can be obeyed by a plan only; leave out key or plan none")
        # Checks them.
        _ = self.wishes
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed is {self.seed}; choose 0 to {MAX_SEED}")
        if self.num_steps is not None and not 1 <= self.num_steps <= 1000:
            raise ConfigError(f"num_steps is {self.num_steps}; choose 1 to 1000")
        scale = self.guidance_scale
        if scale is not None and not (isfinite(scale) and 0 <= scale <= 100):
            raise ConfigError(f"guidance_scale is {scale}; choose 0 to 100 (1 is no guidance)")

        lowest, highest = TUNING_RANGE_HZ
        if self.tuning_hz is not None and not lowest <= self.tuning_hz <= highest:
            raise ConfigError(
                f"tuning_hz is {self.tuning_hz}; choose {lowest:.0f} to {highest:.0f} "
                "(frequency of A4)"
            )
        check_parts(self.parts)
        if not 1 <= self.variations <= MAX_VARIATIONS:
            raise ConfigError(f"variations is {self.variations}; choose 1 to {MAX_VARIATIONS}")
        if self.keep not in KEEPS:
            raise ConfigError(f"keep is '{self.keep}'; choose one of {', '.join(KEEPS)}")
        if self.stems and self.others is not None and not self.parts:
            raise ConfigError("stems beside parts that are there already: name the parts to write")

    @property
    def wishes(self) -> Wishes:
        """What the plan must obey."""
        return Wishes(lead_sheet=self.lead_sheet, bpm=self.bpm, key=self.key, chords=self.chords)

    @property
    def tuning_cents(self) -> float | None:
        """How far above 440 Hz the band is to be tuned; None for as the voice is."""
        return None if self.tuning_hz is None else 1200 * log2(self.tuning_hz / CONCERT_PITCH_HZ)

    def sampler(self, own: SamplerConfig) -> SamplerConfig:
        """Return a bundle's own settings with steps and guidance as chosen here.

        Raises:
            ConfigError: If another guidance is asked for than the network has learned.
        """
        steps, scale = self.num_steps, self.guidance_scale
        if own.guidance_folded and scale not in (None, own.guidance_scale):
            raise ConfigError(
                f"guidance_scale is {scale}; this bundle's network has learned guidance "
                f"{own.guidance_scale:g} and knows no other: leave it out, or use another bundle"
            )
        return dataclasses.replace(
            own,
            num_steps=own.num_steps if steps is None else steps,
            guidance_scale=own.guidance_scale if scale is None else scale,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputOptions:
    """What to write, and where.

    Attributes:
        output_dir: Folder of the results; None puts them beside the recording.
        mix: Whether to write the mix of voice and accompaniment as well.
        vocal_gain_db: Gain on the voice in the mix, -40 to 40 dB.
        format: `wav` (24 bit), `flac` (24 bit) or `mp3` (320 kbit/s).
        report: Whether to write a picture (PNG) of the result as well.
        overwrite: Whether existing files may be replaced.

    Raises:
        ConfigError: If a value is unknown or out of range.
    """

    output_dir: Path | None = None
    mix: bool = True
    vocal_gain_db: float = 0.0
    format: str = "wav"
    report: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ConfigError(f"format is '{self.format}'; choose one of {', '.join(FORMATS)}")
        lowest, highest = VOCAL_GAIN_RANGE_DB
        if not lowest <= self.vocal_gain_db <= highest:
            raise ConfigError(
                f"vocal_gain_db is {self.vocal_gain_db}; choose {lowest:.0f} to {highest:.0f}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputPaths:
    """The files that one recording leads to; None where not asked for."""

    accompaniment: Path
    mix: Path | None
    report: Path | None
    stems: Mapping[str, Path] = dataclasses.field(default_factory=dict)

    def all(self) -> tuple[Path, ...]:
        """Return every file that is to be written."""
        single = (self.accompaniment, self.mix, self.report)
        return (*(p for p in single if p is not None), *self.stems.values())


def output_paths(
    vocals: Path,
    options: OutputOptions,
    generation: GenerationOptions | None = None,
    rank: int = 1,
) -> OutputPaths:
    """Return where the results for a recording go: `<name>.accompaniment.wav` and so on.

    Args:
        vocals: The recording.
        options: Which files are wanted, and where.
        generation: Which parts have files of their own: `<name>.drums.wav`.
        rank: Of several variations that are kept; `<name>.2.accompaniment.wav` is the second best.
    """
    folder = vocals.parent if options.output_dir is None else options.output_dir
    stem = folder / (vocals.stem if rank == 1 else f"{vocals.stem}.{rank}")
    parts: tuple[str, ...] = ()
    if generation is not None and generation.stems:
        parts = generation.parts or PART_NAMES
    return OutputPaths(
        accompaniment=Path(f"{stem}.accompaniment.{options.format}"),
        mix=Path(f"{stem}.mix.{options.format}") if options.mix else None,
        report=Path(f"{stem}.report.png") if options.report else None,
        stems={part: Path(f"{stem}.{part}.{options.format}") for part in parts},
    )


def repainted_paths(vocals: Path, previous: Path, options: OutputOptions) -> OutputPaths:
    """Return where a repainted accompaniment goes: as usual, in the previous file's own format."""
    paths = output_paths(vocals, options)
    own = f"{paths.accompaniment.name.removesuffix(options.format)}{previous.suffix.lstrip('.')}"
    return dataclasses.replace(paths, accompaniment=paths.accompaniment.with_name(own))


def kept_paths(
    vocals: Path, options: OutputOptions, generation: GenerationOptions
) -> tuple[OutputPaths, ...]:
    """Return where each rendition that is kept goes, best first."""
    number = generation.variations if generation.keep == "all" else 1
    return tuple(output_paths(vocals, options, generation, rank + 1) for rank in range(number))
