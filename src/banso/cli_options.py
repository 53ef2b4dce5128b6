"""Options of `banso accompany` that choose among parts, regions and variations, as plain data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from banso.errors import ConfigError
from banso.fit import Candidate
from banso.leadsheet import LeadSheet
from banso.options import PLANS
from banso.regions import Region, parse_regions
from banso.results import FileResult
from banso.sheet_files import SUFFIXES, read_sheet_file

PartsOption = Annotated[
    str | None,
    typer.Option(help="Write these only, such as drums,bass; of drums, bass, harmony, extra."),
]
WithOption = Annotated[
    Path | None,
    typer.Option("--with", help="A part that is there already, from the same start, to play with."),
]
StemsOption = Annotated[
    bool, typer.Option("--stems", help="Write each part to a file of its own as well.")
]
RepaintOption = Annotated[
    str | None, typer.Option(help="Seconds to make anew, such as 12.0-18.5 or 3-5,40-44.")
]
FromOption = Annotated[
    Path | None, typer.Option("--from", help="The accompaniment to repaint, WAV or FLAC.")
]
VariationsOption = Annotated[
    int, typer.Option(min=1, max=16, help="Play so many times, with seeds that count up.")
]
PlanOption = Annotated[
    str,
    typer.Option(
        help="auto: find key, beats and chords in the voice; none; or a file to obey: .banso.txt, "
        ".mid, .lab."
    ),
]
BpmOption = Annotated[
    float | None, typer.Option(min=30, max=300, help="Tempo to keep to, in beats a minute.")
]
KeyOption = Annotated[str | None, typer.Option(help="Key to stay in, such as Am or F#.")]
ChordsOption = Annotated[
    str | None,
    typer.Option(help="Chords to obey, one a bar, again and again, such as 'C Am F G'."),
]
CountInOption = Annotated[
    bool,
    typer.Option("--count-in", help="Count the singer in, if there is room before the voice."),
]
KeepOption = Annotated[
    str, typer.Option(help="Of the variations: best, the one that fits the voice best; or all.")
]


@dataclass(frozen=True, slots=True)
class Repaint:
    """What is to be made anew.

    Attributes:
        previous: The accompaniment.
        regions: Where.
    """

    previous: Path
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the options say of the plan.

    Attributes:
        mode: One of `banso.options.PLANS`.
        sheet: A lead sheet from a file, or None.
        bpm: Tempo beside it, or None; a tempo that gave a file its beats is not told again.
    """

    mode: str
    sheet: LeadSheet | None
    bpm: float | None


def chosen_plan(plan: str, bpm: float | None) -> Plan:
    """Read `--plan` and `--bpm`.

    Raises:
        typer.BadParameter: If the plan is neither a word nor a file.
        DataError: If the file cannot be understood.
        ConfigError: If it has beats and a tempo is given too.
    """
    if plan in PLANS:
        return Plan(plan, None, bpm)
    path = Path(plan)
    if path.suffix.lower() not in SUFFIXES:
        words = ", ".join(PLANS)
        raise typer.BadParameter(
            f"'{plan}' is not one of {words}, nor a .banso.txt, .mid or .lab file",
            param_hint="--plan",
        )
    sheet = read_sheet_file(path, bpm)
    return Plan("auto", sheet, None if sheet.beats else bpm)


def chosen_parts(text: str | None) -> tuple[str, ...]:
    """Read a list of parts such as `drums,bass`; none for the whole band."""
    return tuple(part.strip() for part in text.split(",")) if text is not None else ()


def chosen_repaint(regions: str | None, previous: Path | None) -> Repaint | None:
    """Return what is to be made anew, or None.

    Raises:
        typer.BadParameter: If one of the two options is missing.
        ConfigError: If a region cannot be read.
    """
    if regions is None and previous is None:
        return None
    if previous is None:
        raise typer.BadParameter("it needs the accompaniment, --from FILE", param_hint="--repaint")
    if regions is None:
        raise typer.BadParameter("it needs what to make anew, --repaint", param_hint="--from")
    return Repaint(previous, parse_regions(regions))


def check_single(recordings: tuple[Path, ...], used: bool) -> None:
    """Raise a ConfigError if options that belong to one recording are used with several."""
    if used and len(recordings) > 1:
        raise ConfigError(
            "--plan FILE, --with and --from belong to one recording, but "
            f"{len(recordings)} are given; name one at a time"
        )


def told(result: FileResult) -> dict[str, Any]:
    """Return what `--json` says of parts, regions and variations."""
    provenance = result.provenance
    return {
        "parts": list(provenance.parts),
        "stems": {part: str(path) for part, path in result.paths.stems.items()},
        "regions": [[r.start_seconds, r.end_seconds] for r in provenance.regions],
        "variations": [_candidate(candidate) for candidate in provenance.candidates],
        "alternatives": [str(other.paths.accompaniment) for other in result.alternatives],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    fit = candidate.fit
    numbers = {"in_chord": fit.in_chord, "consonance": fit.consonance, "sync": fit.sync}
    # JSON knows no NaN; nothing is sung in some recordings.
    heard = {name: round(x, 4) if x == x else None for name, x in numbers.items()}
    return {"seed": candidate.seed, "score": round(fit.score, 4), **heard}
