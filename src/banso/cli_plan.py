"""`banso analyze`: the lead sheet of a voice, as text, JSON or files."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from banso import cli_options
from banso.batch import collect_vocals, is_batch
from banso.console import one_line, print_error, reporting_errors
from banso.errors import BansoError
from banso.files import AudioReader
from banso.leadsheet import LeadSheet
from banso.options import GenerationOptions, OutputOptions
from banso.outputs import OutputFiles
from banso.sheet_files import ENDINGS, format_sheet
from banso.sheet_writer import write_sheet
from banso.song_plan import SongPlan


def analyze(
    vocals: Annotated[
        list[Path], typer.Argument(help="Recordings of a voice, or folders of them.")
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option(help="Write .banso.txt, .mid, .lab and .beats.lab there, for each."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model; the one inside banso by default.")
    ] = None,
    plan: Annotated[
        str, typer.Option(help="A file of what is known already: .banso.txt, .mid or .lab.")
    ] = "auto",
    bpm: cli_options.BpmOption = None,
    key: cli_options.KeyOption = None,
    chords: cli_options.ChordsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing results.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object about what was found.")
    ] = False,
) -> None:
    """Find key, tempo, beats, chords and notes of a voice; what is given stays as it is."""
    with reporting_errors():
        chosen = cli_options.chosen_plan(plan, bpm)
        options = GenerationOptions(lead_sheet=chosen.sheet, bpm=chosen.bpm, key=key, chords=chords)
        recordings = collect_vocals(vocals, OutputOptions(output_dir=output_dir))
        cli_options.check_single(recordings, chosen.sheet is not None)
        results, errors = _analyze_all(recordings, bundle, options, output_dir, force, as_json)
    if as_json:
        batch = {"results": results, "errors": errors}
        typer.echo(json.dumps(batch if is_batch(vocals) else (results + errors)[0]))
    if errors:
        raise typer.Exit(1)


def _analyze_all(
    recordings: tuple[Path, ...],
    bundle: Path | None,
    options: GenerationOptions,
    output_dir: Path | None,
    force: bool,
    quiet: bool,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Go through all recordings; a bad one does not keep the others from being done."""
    from banso.pipeline import Accompanist

    accompanist = Accompanist.from_bundle(bundle)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for recording in recordings:
        try:
            found = accompanist.analyze(AudioReader(recording), options)
            sheet = _titled(found.sheet, recording)
            files = [] if output_dir is None else _write(sheet, recording, output_dir, force)
        except BansoError as error:
            print_error(error)
            errors.append({"input": str(recording), "error": str(error)})
            continue
        results.append({**told(found), "input": str(recording), "files": [str(f) for f in files]})
        _warn(found, recording)
        if not quiet:
            lines = "\n".join(one_line(str(file)) for file in files)
            typer.echo(lines or write_sheet(sheet), nl=bool(lines))
    return results, errors


def told(plan: SongPlan) -> dict[str, Any]:
    """Return what JSON says of a plan: seconds, MIREX chord names, MIDI pitches."""
    sheet = plan.sheet
    bpm = plan.tempo_bpm
    return {
        "key": sheet.key,
        "tempo_bpm": None if bpm is None else round(bpm, 3),
        "tempo_confidence": round(plan.tempo_confidence, 3),
        "beats": [round(beat, 4) for beat in sheet.beats],
        "downbeats": [round(beat, 4) for beat in sheet.downbeats],
        "chords": [
            [round(s.start_seconds, 4), round(s.end_seconds, 4), s.label] for s in sheet.chords
        ],
        "notes": [
            [round(n.start_seconds, 3), round(n.end_seconds, 3), round(n.midi, 2)]
            for n in sheet.notes
        ],
        "meter": f"{sheet.beats_per_bar}/{sheet.beat_unit}",
        "tempo_alternatives_bpm": [round(bpm, 2) for bpm in plan.tempo_alternatives_bpm],
        "sure_of_beats": plan.sure_of_beats,
        "chord_choices": [
            [
                round(own.start_seconds, 4),
                round(own.end_seconds, 4),
                [[choice.label, round(choice.probability, 3)] for choice in own.choices],
            ]
            for own in plan.chord_choices
        ],
    }


def _titled(sheet: LeadSheet, recording: Path) -> LeadSheet:
    """Call a song without a title after its recording."""
    title = " ".join(one_line(recording.stem).split())
    return sheet if sheet.title else dataclasses.replace(sheet, title=title)


def _write(sheet: LeadSheet, recording: Path, folder: Path, force: bool) -> list[Path]:
    """Write all files, or none."""
    targets = {folder / f"{recording.stem}{ending}": ending for ending in ENDINGS}
    with OutputFiles(targets, overwrite=force) as outputs:
        for target, ending in targets.items():
            outputs.part(target).write_bytes(format_sheet(sheet, ending))
    return list(targets)


def _warn(plan: SongPlan, recording: Path) -> None:
    if not plan.beats_are_a_guess:
        return
    does = "plays on it all the same" if plan.sure_of_beats else "follows the sung onsets instead"
    bpm = "none" if plan.tempo_bpm is None else f"{plan.tempo_bpm:.1f}"
    typer.echo(
        f"banso: {one_line(recording.name)}: the tempo is uncertain ({bpm} bpm, confidence "
        f"{plan.tempo_confidence:.2f}); the band {does}; "
        "give --bpm to fix it",
        err=True,
    )
