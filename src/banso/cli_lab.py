"""Commands of the lab: prepare data, train networks.

Options in, one call, one line out. The lab and its packages are imported inside command bodies
only, so that an installation without extras has the same `banso --help` and a clear error.
"""

import logging
from pathlib import Path
from typing import Annotated

import typer

from banso.cli_prepare import SpokenOption, VoicebanksOption, prepare_app
from banso.console import needing_extra, progress_bar, reporting_errors

train_app = typer.Typer(help="Train the codec or the denoiser.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Experiment (TOML); all defaults without it.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a setting, such as train.batch_size=8; repeatable."),
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from the last checkpoint of the same run.")
]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the results.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes; one per core by default.")
]


def add_commands(app: typer.Typer) -> None:
    """Add the lab's commands to the command line."""
    app.add_typer(prepare_app, name="prepare")
    app.add_typer(train_app, name="train")


@prepare_app.command(name="voices")
def prepare_voices(
    root: Annotated[Path, typer.Option(help="Folder that holds POP909.")],
    out: OutOption,
    rounds: Annotated[
        int, typer.Option(min=1, help="How often each song is sung, all different.")
    ] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Decides everything.")] = 0,
    workers: WorkersOption = None,
    voicebanks: VoicebanksOption = None,
    spoken: SpokenOption = False,
) -> None:
    """Sing POP909's melodies and encode what is heard, to learn planning; a stopped run goes on."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.voices import cache_voices
        count = cache_voices(
            root, out, rounds=rounds, seed=seed, voicebanks=voicebanks, spoken=spoken,
            **_given(workers=workers),
        )  # fmt: skip
        typer.echo(f"{count} new voices encoded in {out}")


@prepare_app.command(name="codec")
def prepare_codec(
    root: Annotated[Path, typer.Option(help="Folder of one song: one audio file per stem.")],
    out: OutOption,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
) -> None:
    """Encode the band of a recorded song, for training the codec on it."""
    with reporting_errors():
        with needing_extra("eval"):
            from banso.data.cache import cache_recording
            from banso.eval.stems import load_stem_song
        song = load_stem_song(root)
        cache_recording(song.accompaniment, song.name, out, split)
        typer.echo(f"{song.name}: {song.accompaniment.shape[1] / 44_100:.0f} s in {out}")


@prepare_app.command(name="cache")
def prepare_cache(
    root: Annotated[Path, typer.Option(help="Data set made by `banso prepare`.")],
    out: OutOption,
    workers: WorkersOption = None,
    vocals: Annotated[
        bool, typer.Option("--vocals", help="Voices as latents too, for `banso train published`.")
    ] = False,
    stretches: Annotated[
        Path | None,
        typer.Option(help="Folder for 32 s of each band with its envelope, to train a codec on."),
    ] = None,
) -> None:
    """Encode a data set into the arrays that training reads."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.cache import build_cache, cache_stretches, cache_vocals
            from banso.data.manifest import ITEMS_FOLDER
            from banso.data.styles import STYLES
        count = build_cache(root / ITEMS_FOLDER, out, tuple(STYLES), **_given(workers=workers))
        if vocals:
            count += cache_vocals(root / ITEMS_FOLDER, out, **_given(workers=workers))
        if stretches is not None:
            count += cache_stretches(root / ITEMS_FOLDER, stretches, **_given(workers=workers))
        typer.echo(f"{count} new items encoded in {out}")


@prepare_app.command(name="preview")
def prepare_preview(
    root: Annotated[Path, typer.Option(help="Data set made by `banso prepare`.")],
    out: OutOption,
    num_items: Annotated[int, typer.Option(min=1, help="At most so many pairs.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Decides which pairs.")] = 0,
    workers: WorkersOption = None,
) -> None:
    """Make a page to look at and listen to: pictures, players, checks of pairs drawn at random."""
    with reporting_errors(), progress_bar() as bar:
        with needing_extra("eval"):
            from banso.data.preview import write_preview
        task = bar.add_task("drawing", total=1.0)
        preview = write_preview(
            root,
            out,
            num_items=num_items,
            seed=seed,
            on_progress=lambda done: bar.update(task, completed=done),
            **_given(workers=workers),
        )
    typer.echo(preview)


@train_app.command(name="codec")
def train_codec(
    config: ConfigOption = None, overrides: SetOption = None, resume: ResumeOption = False
) -> None:
    """Train the learned half of the codec; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.config import load_config
            from banso.train.loop import fit_codec
        _show_log()
        typer.echo(fit_codec(load_config(config, overrides or ()), resume=resume))


@train_app.command(name="detail")
def train_detail(
    codec: Annotated[
        Path, typer.Option(help="Checkpoint of `banso train codec` that knows envelopes.")
    ],
    config: ConfigOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train what a codec's envelope has besides what latents tell; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.config import load_config
            from banso.train.detail import fit_detail
        _show_log()
        typer.echo(fit_detail(load_config(config, overrides or ()), codec, resume=resume))


@train_app.command(name="denoiser")
def train_denoiser(
    codec: Annotated[Path, typer.Option(help="Checkpoint of `banso train codec`.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the denoiser on latents of a trained codec; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.config import load_config
            from banso.train.loop import fit_denoiser
        _show_log()
        typer.echo(fit_denoiser(load_config(config, overrides or ()), codec, resume=resume))


@train_app.command(name="distill")
def train_distill(
    codec: Annotated[Path, typer.Option(help="Checkpoint of `banso train codec`, or a bundle.")],
    teacher: Annotated[
        Path, typer.Option(help="Checkpoint of `banso train denoiser`, or a bundle.")
    ],
    config: ConfigOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a student of the denoiser to sample in a few steps; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.config import load_config
            from banso.train.distill import fit_distilled
        _show_log()
        settings = load_config(config, overrides or ())
        typer.echo(fit_distilled(settings, codec, teacher, resume=resume))


@train_app.command(name="renderer")
def train_renderer(
    codec: Annotated[Path, typer.Option(help="Checkpoint of `banso train codec`, or a bundle.")],
    data: Annotated[
        Path, typer.Option(help="Folder of clips of bands; see scripts/choose_renderer_clips.py.")
    ],
    out: OutOption,
    minutes: Annotated[float, typer.Option(min=0.1, help="Preparation included.")] = 60.0,
) -> None:
    """Train the network that shapes the codec's sound; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.train.loop import load_codec
            from banso.train.renderer import RendererTraining, fit_renderer
        _show_log()
        training = RendererTraining(seconds=60 * minutes)
        typer.echo(fit_renderer(load_codec(codec), data, out, training=training))


@train_app.command(name="published")
def train_published(
    codec: Annotated[Path, typer.Option(help="Checkpoint of `banso train codec`.")],
    config: ConfigOption = None,
    overrides: SetOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train the published network (arXiv:2507.19991), to compare with; prints the checkpoint."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.config import load_config
            from banso.train.published import fit_published
        _show_log()
        typer.echo(fit_published(load_config(config, overrides or ()), codec, resume=resume))


def _given(**options: int | None) -> dict[str, int]:
    """Leave out what was not asked for, so that the lab's own defaults hold."""
    return {name: value for name, value in options.items() if value is not None}


def _show_log() -> None:
    """Let long commands tell what they do."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
