"""What banso hands back: an accompaniment or files, and how they came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from banso.audio import Audio
from banso.fit import Candidate
from banso.leadsheet import LeadSheet
from banso.options import OutputPaths
from banso.regions import Region
from banso.stopwatch import Timings


@dataclass(frozen=True, slots=True)
class BundleName:
    """Which model made something: its name and its hash, hexadecimal."""

    name: str
    hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """How an accompaniment came about.

    Attributes:
        seed: Of the noise; with the same bundle and options it makes the same again.
        num_evaluations: How often the denoising network ran.
        timings: Seconds by phase.
        bundle: The model.
        lead_sheet: Beats and chords that were obeyed, given or planned; None if there were none.
        lufs: Integrated loudness of the accompaniment as delivered; -inf if silent.
        tuning_hz: Frequency of the band's A4.
        parts: What was written, if not the whole band.
        candidates: All variations, best first; empty if there was one rendition only.
        regions: What was made anew, if the rest was there before.
    """

    seed: int
    num_evaluations: int
    timings: Timings
    bundle: BundleName
    lead_sheet: LeadSheet | None
    lufs: float
    tuning_hz: float = 440.0
    parts: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    regions: tuple[Region, ...] = ()

    @property
    def comment(self) -> str:
        """What the metadata of a file says of it."""
        return (
            f"AI-generated accompaniment; bundle {self.bundle.name} {self.bundle.hash}; "
            f"seed {self.seed}"
        )


@dataclass(frozen=True, slots=True)
class Accompaniment:
    """An accompaniment in memory, stereo at 44.1 kHz, sample by sample as long as the voice.

    Attributes:
        audio: The accompaniment, loudness matched to the voice, true peak at most -1 dBTP.
        provenance: How it came about.
        stems: Each part on its own, if asked for; they add up to the accompaniment exactly.
        alternatives: Further variations, best first, if all were to be kept.
    """

    audio: Audio
    provenance: Provenance
    stems: Mapping[str, Audio] = field(default_factory=dict)
    alternatives: tuple["Accompaniment", ...] = ()


@dataclass(frozen=True, slots=True)
class FileResult:
    """Written files.

    Attributes:
        paths: Where they are.
        duration_seconds: How much music is in them.
        provenance: How it came about.
        alternatives: Further variations, best first, if all were to be kept.
    """

    paths: OutputPaths
    duration_seconds: float
    provenance: Provenance
    alternatives: tuple["FileResult", ...] = ()
