"""The command line: options in, one way through, files and one line per problem out.

Nothing here knows how music is made. Heavy modules are imported inside command bodies, so that
`banso --help` answers at once and commands of the lab cost nothing until they are called.
"""

import dataclasses
import json
import signal
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from banso import cli_bundle, cli_evaluate, cli_lab, cli_options, cli_plan, cli_serve
from banso.batch import collect_vocals, is_batch
from banso.console import one_line, print_error, progress_bar, reporting_errors
from banso.errors import BansoError
from banso.leadsheet import LeadSheet
from banso.options import GenerationOptions, OutputOptions
from banso.results import FileResult
from banso.version import VERSION

app = typer.Typer(
    name="banso",
    help="A singer's recording in, a fitting stereo accompaniment out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(cli_bundle.bundle_app, name="bundle")
app.command(no_args_is_help=True)(cli_plan.analyze)
cli_lab.add_commands(app)
app.command(name="evaluate")(cli_evaluate.evaluate)
app.command(name="serve")(cli_serve.serve)


def main() -> None:
    """Run the command line."""
    # A polite kill should clean up like Ctrl-C does, instead of leaving parts of files behind.
    signal.signal(signal.SIGTERM, _interrupt)
    app()


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"banso {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    """Turn a recording of a voice into a band that plays along."""


@app.command(no_args_is_help=True)
def accompany(
    vocals: Annotated[
        list[Path], typer.Argument(help="Recordings of a voice, or folders of them.")
    ],
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder of the results; beside each recording by default.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model; the one inside banso by default.")
    ] = None,
    style: Annotated[str | None, typer.Option(help="Style of the band, by name.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Makes a result repeatable; drawn by default.")
    ] = None,
    num_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Sampler steps: more is slower and finer.")
    ] = None,
    guidance_scale: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="How strictly to follow the voice; 1 is no guidance."),
    ] = None,
    plan: cli_options.PlanOption = "auto",
    bpm: cli_options.BpmOption = None,
    key: cli_options.KeyOption = None,
    chords: cli_options.ChordsOption = None,
    count_in: cli_options.CountInOption = False,
    tuning_hz: Annotated[
        float | None,
        typer.Option(min=428, max=452, help="The band's A4; by default as the voice is tuned."),
    ] = None,
    mix: Annotated[
        bool, typer.Option("--mix/--no-mix", help="Also write voice and accompaniment together.")
    ] = True,
    vocal_gain_db: Annotated[
        float, typer.Option(min=-40, max=40, help="Gain on the voice in the mix, in dB.")
    ] = 0.0,
    file_format: Annotated[
        str, typer.Option("--format", help="wav or flac (24 bit), or mp3 (320 kbit/s).")
    ] = "wav",
    force: Annotated[bool, typer.Option("--force", help="Replace existing results.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object about the results.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Also draw a picture (PNG).")] = False,
    parts: cli_options.PartsOption = None,
    with_file: cli_options.WithOption = None,
    stems: cli_options.StemsOption = False,
    repaint: cli_options.RepaintOption = None,
    from_file: cli_options.FromOption = None,
    variations: cli_options.VariationsOption = 1,
    keep: cli_options.KeepOption = "best",
) -> None:
    """Make an accompaniment for each recording of a voice."""
    if file_format not in ("wav", "flac", "mp3"):
        raise typer.BadParameter(
            f"'{file_format}' is not one of wav, flac, mp3", param_hint="--format"
        )
    with reporting_errors():
        chosen = cli_options.chosen_plan(plan, bpm)
        options = GenerationOptions(
            style=style,
            seed=seed,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            plan=chosen.mode,
            lead_sheet=chosen.sheet,
            bpm=chosen.bpm,
            key=key,
            chords=chords,
            count_in=count_in,
            tuning_hz=tuning_hz,
            parts=cli_options.chosen_parts(parts),
            others=with_file,
            stems=stems,
            variations=variations,
            keep=keep,
        )
        output = OutputOptions(
            output_dir=output_dir,
            mix=mix,
            vocal_gain_db=vocal_gain_db,
            format=file_format,
            report=report,
            overwrite=force,
        )
        repainted = cli_options.chosen_repaint(repaint, from_file)
        _accompany_all(vocals, bundle, output, options, as_json, repainted)


def _accompany_all(
    vocals: list[Path],
    bundle: Path | None,
    output: OutputOptions,
    options: GenerationOptions,
    as_json: bool,
    repainted: cli_options.Repaint | None,
) -> None:
    """Go through all recordings; a bad one does not keep the others from being done."""
    from banso.pipeline import Accompanist

    recordings = collect_vocals(vocals, output, options)
    belong_to_one = (options.others, options.lead_sheet, repainted)
    cli_options.check_single(recordings, any(x is not None for x in belong_to_one))
    accompanist = Accompanist.from_bundle(bundle)
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    with progress_bar() as bar:
        for recording in recordings:
            task = bar.add_task(one_line(recording.name), total=1.0)
            advance = partial(_advance, bar, task)
            try:
                if repainted is None:
                    result = accompanist.accompany_file(recording, output, options, advance)
                else:
                    before, regions = repainted.previous, repainted.regions
                    result = accompanist.repaint_file(
                        recording, before, regions, output, options, advance
                    )
            except BansoError as error:
                bar.remove_task(task)
                print_error(error)
                errors.append({"input": str(recording), "error": str(error)})
                continue
            told = {"input": str(recording), "plan": options.plan, **_as_json(result)}
            results.append(told)
            if not as_json:
                _print_paths(result)
    if as_json:
        batch = {"results": results, "errors": errors}
        typer.echo(json.dumps(batch if is_batch(vocals) else (results + errors)[0]))
    if errors:
        raise typer.Exit(1)


def _advance(bar: Progress, task: TaskID, done: float) -> None:
    bar.update(task, completed=done)


def _as_json(result: FileResult) -> dict[str, Any]:
    provenance = result.provenance
    lufs = provenance.lufs
    return {
        "accompaniment": str(result.paths.accompaniment),
        "mix": None if result.paths.mix is None else str(result.paths.mix),
        "report": None if result.paths.report is None else str(result.paths.report),
        "seconds": result.duration_seconds,
        "seed": provenance.seed,
        "num_evaluations": provenance.num_evaluations,
        "timings": dataclasses.asdict(provenance.timings),
        # JSON has no infinity; a silent accompaniment has no loudness.
        "lufs": lufs if lufs > float("-inf") else None,
        "tuning_hz": round(provenance.tuning_hz, 2),
        "bundle": dataclasses.asdict(provenance.bundle),
        "lead_sheet": _compact(provenance.lead_sheet),
        **cli_options.told(result),
    }


def _compact(sheet: LeadSheet | None) -> dict[str, Any] | None:
    if sheet is None:
        return None
    return {
        "key": sheet.key,
        "beats": [round(beat, 3) for beat in sheet.beats],
        "downbeats": [round(beat, 3) for beat in sheet.downbeats],
        "chords": [
            [round(span.start_seconds, 3), round(span.end_seconds, 3), span.label]
            for span in sheet.chords
        ],
    }


def _print_paths(result: FileResult) -> None:
    for path in (path for one in (result, *result.alternatives) for path in one.paths.all()):
        typer.echo(one_line(str(path)))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
