"""`banso evaluate`: bundles on songs and voices, codecs, key figures, listening tests.

One command with one kind of evaluation at a time. The lab is imported inside bodies only.
"""

import os
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from banso.console import needing_extra, progress_bar, reporting_errors
from banso.errors import ConfigError


class Condition(StrEnum):
    """What the model is given in an evaluation besides the voice."""

    GIVEN = "given"
    VOCAL = "vocal"
    AUTO = "auto"


class EvaluationSet(StrEnum):
    """What a bundle is evaluated on."""

    POP909 = "pop909"
    LIEDER = "lieder"
    STEMS = "stems"
    VOICES = "voices"
    ROBUSTNESS = "robustness"


def evaluate(
    out: Annotated[Path, typer.Option("--out", help="Folder of the results.")],
    kind: Annotated[
        EvaluationSet,
        typer.Option(
            "--set",
            help="pop909 or lieder: data set of `banso prepare`; stems: recorded songs, one folder "
            "of stems each; voices: recordings without a band; robustness: a data set, its voices "
            "spoilt in every way.",
        ),
    ] = EvaluationSet.POP909,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", help="Folder of the set; for --set stems repeatable."),
    ] = None,
    voices: Annotated[
        Path | None, typer.Option(help="Instead: folder of real voices, measured one by one.")
    ] = None,
    codec: Annotated[
        bool, typer.Option("--codec", help="Instead: the codec alone, beside Opus.")
    ] = False,
    stems: Annotated[
        list[Path] | None,
        typer.Option(help="With --codec: folder of one song, one file per stem; repeatable."),
    ] = None,
    plans: Annotated[
        bool, typer.Option("--plans", help="Instead: key, chords, tempo and beats, from --data.")
    ] = False,
    kpi: Annotated[
        bool, typer.Option("--kpi", help="Instead: key figures on one page, from --data.")
    ] = False,
    training: Annotated[
        Path | None,
        typer.Option(help="With --kpi: arrays of `banso prepare cache`, to find near-copies in."),
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model; the one inside banso by default.")
    ] = None,
    conditions: Annotated[
        list[Condition] | None,
        typer.Option(
            "--condition",
            help="given (chords and beats too), vocal or auto; all that the set allows by default, "
            "for robustness and key figures auto.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many songs.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=4, help="Only so much of the beginning of each song.")
    ] = None,
    shuffle_with: Annotated[
        list[Path] | None,
        typer.Option(help="With --set stems: further songs, whose bands are 'shuffled'."),
    ] = None,
    candidates: Annotated[
        int, typer.Option(min=2, help="Among how many bands a voice's own is looked for.")
    ] = 100,
    baseline: Annotated[
        bool, typer.Option(help="Make bands by rule for comparison (needs FluidSynth).")
    ] = True,
    published: Annotated[
        Path | None,
        typer.Option(
            help="Checkpoint of `banso train published`: its bands too (1 600 evaluations each)."
        ),
    ] = None,
    judges: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            help="Ask an installed network too: audiobox, beat-this, cocola=CHECKPOINT or fadtk; "
            "fetches its own weights. Repeatable.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of noise, shuffling and intervals.")] = 0,
    num_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Sampler steps; the bundle's by default.")
    ] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(min=0, max=100, help="Guidance; the bundle's by default.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that measure; 0 measures in the main one.")
    ] = 2,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of earlier measurements; in the user's cache by default."),
    ] = None,
    listening_test: Annotated[
        bool, typer.Option("--listening-test", help="Instead: a page for listeners, from --data.")
    ] = False,
    systems: Annotated[
        list[str] | None,
        typer.Option("--system", help="With it: NAME=FOLDER of bands, for the bundle's own."),
    ] = None,
    analyze_listening: Annotated[
        bool, typer.Option("--analyze-listening", help="Instead: what listeners answered.")
    ] = False,
    key: Annotated[
        Path | None, typer.Option(help="With --analyze-listening: the test's key.json.")
    ] = None,
    results: Annotated[
        list[Path] | None, typer.Argument(help="With --analyze-listening: listeners' files.")
    ] = None,
) -> None:
    """Measure a bundle: true, ours, shuffled, baseline; as table, JSON, Markdown and HTML."""
    with reporting_errors(), progress_bar() as bar:
        if split not in ("train", "validation", "test"):
            raise ConfigError(f"split is '{split}'; choose train, validation or test")
        with needing_extra("eval"):
            from banso.eval import bundles
        from banso.options import GenerationOptions

        options = GenerationOptions(seed=seed, num_steps=num_steps, guidance_scale=guidance_scale)
        task = bar.add_task("evaluating", total=1.0)

        def on_progress(done: float) -> None:
            bar.update(task, completed=done)

        modes: Any = tuple(condition.value for condition in conditions) if conditions else None
        if analyze_listening:
            text = _analyze_listening(results, key, out, seed)
        elif listening_test:
            text = _build_listening_test(
                data,
                out,
                seed,
                generation=options,
                bundle=bundle,
                conditions=modes,
                folders=systems or (),
                split=split,
                limit=limit,
                on_progress=on_progress,
            )
        elif plans:
            text = _evaluate_plans(data, out, seed, bundle, split, limit, on_progress)
        elif codec:
            folder = _only(data) if data else None
            text = bundles.evaluate_codec(bundle, folder, stems or (), out, limit)
        elif voices is not None:
            text = bundles.evaluate_recordings(bundle, voices, out, options)
        else:
            text = _evaluate_set(
                on_progress,
                training,
                kpi=kpi,
                bundle=bundle,
                kind=kind.value,
                data=tuple(data or ()),
                out=out,
                options=options,
                modes=modes,
                split=split,
                limit=limit,
                max_seconds=max_seconds,
                shuffle_with=tuple(shuffle_with or ()),
                num_candidates=candidates,
                baseline=baseline,
                published=published,
                judges=tuple(judges or ()),
                cache=cache or _cache_folder(),
                workers=workers,
            )
    typer.echo(text)


def _evaluate_set(
    on_progress: Callable[[float], None],
    training: Path | None,
    *,
    kpi: bool,
    **given: Any,  # noqa: ANN401
) -> str:
    from banso.eval import bundles, kpi_run
    from banso.eval.request import Request

    request = Request(**given)
    if kpi:
        return kpi_run.evaluate_kpis(request, training, on_progress)
    return bundles.evaluate_set(request, on_progress)


def _build_listening_test(data: list[Path] | None, out: Path, seed: int, **given: Any) -> str:  # noqa: ANN401
    from banso.eval.listening import ListeningOptions
    from banso.eval.listening_systems import build_from_data

    if not data:
        raise ConfigError("a listening test needs songs; give --data")
    return str(build_from_data(_only(data), out, ListeningOptions(seed=seed), **given))


def _evaluate_plans(
    data: list[Path] | None,
    out: Path,
    seed: int,
    bundle: Path | None,
    split: str,
    limit: int | None,
    on_progress: Callable[[float], None],
) -> str:
    from banso.eval.plans import evaluate_plans, write_plans
    from banso.eval.sets import load_items
    from banso.pipeline import Accompanist

    if not data:
        raise ConfigError("plans are compared with songs; give --data")
    items = load_items(_only(data), split=split, limit=limit)
    scores = evaluate_plans(Accompanist.from_bundle(bundle), items, on_progress)
    return write_plans(scores, out, seed)


def _analyze_listening(results: list[Path] | None, key: Path | None, out: Path, seed: int) -> str:
    from banso.eval.listening_report import analyze_listening

    if key is None:
        raise ConfigError("the answers tell no systems; give the test's key.json by --key")
    return analyze_listening(results or (), key, out, seed=seed)


def _only(folders: list[Path]) -> Path:
    if len(folders) > 1:
        raise ConfigError(f"{len(folders)} folders were given by --data; give one")
    return folders[0]


def _cache_folder() -> Path:
    """Where the user's other caches are (XDG Base Directory Specification)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "banso" / "evaluation"
