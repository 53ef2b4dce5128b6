"""Commands about model bundles: look into them, check them, listen to their codec, make them."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from banso.console import needing_extra, reporting_errors

if TYPE_CHECKING:
    from banso.bundle import Bundle

bundle_app = typer.Typer(help="Look into, check and make model bundles.", no_args_is_help=True)

BundleArgument = Annotated[
    Path | None, typer.Argument(help="Folder of the bundle; the one inside banso by default.")
]
BundleOption = Annotated[
    Path | None, typer.Option(help="Folder of the bundle; the one inside banso by default.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing results.")]
OutOption = Annotated[Path, typer.Option("--out", help="Folder of the bundle to write.")]


@bundle_app.command(name="info")
def info(bundle: BundleArgument = None) -> None:
    """Print what a bundle says of itself, as JSON."""
    with reporting_errors():
        from banso.bundle import load_bundle

        opened = load_bundle(bundle)
        about = {"folder": str(opened.folder), "hash": opened.hash}
        content = {**about, **dataclasses.asdict(opened.manifest)}
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))


@bundle_app.command(name="verify")
def verify(bundle: BundleArgument = None) -> None:
    """Check every file of a bundle against its SHA-256, and load its networks."""
    with reporting_errors():
        from banso.bundle import load_bundle
        from banso.runtime import DENOISER_FILE, load_codec, load_models

        opened = load_bundle(bundle)
        load_models(opened) if opened.has(DENOISER_FILE) else load_codec(opened)
        typer.echo(f"{opened.name} {opened.hash}: {len(opened.manifest.files)} files as they were")


@bundle_app.command(name="roundtrip", no_args_is_help=True)
def roundtrip(
    recording: Annotated[Path, typer.Argument(metavar="AUDIO", help="Any recording.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.wav", help="Where to write the result.")],
    bundle: BundleOption = None,
    force: ForceOption = False,
) -> None:
    """Encode and decode a recording: what the codec alone makes of it."""
    with reporting_errors():
        from banso.audio import Audio
        from banso.bundle import load_bundle
        from banso.files import read_audio, write_audio
        from banso.runtime import load_codec

        codec = load_codec(load_bundle(bundle))
        given = read_audio(recording).to_stereo().resampled(codec.sample_rate)
        restored = Audio(codec.roundtrip(given.samples), codec.sample_rate)
        write_audio(out, restored, overwrite=force)
        typer.echo(out)


@bundle_app.command(name="export")
def export(
    codec: Annotated[Path, typer.Option(help="Checkpoint of `banso train codec`.")],
    denoiser: Annotated[
        Path, typer.Option(help="Checkpoint of `banso train denoiser` or `banso train distill`.")
    ],
    out: OutOption,
    name: Annotated[str, typer.Option(help="Name of the model.")],
    renderer: Annotated[
        Path | None, typer.Option(help="Checkpoint of `banso train renderer` for this codec.")
    ] = None,
    envelope: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of `banso train codec` that knows envelopes of this codec."),
    ] = None,
    detail: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of `banso train detail` for this codec and envelope."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Data set that it was trained on, for the record; repeatable."),
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(help="TOML file of [[source]]: what else it was trained on, for the record."),
    ] = None,
    licence: Annotated[str, typer.Option(help="Licence of the weights.")] = "Apache-2.0",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Override a setting of the sampler, such as sampler.num_steps=8."
        ),
    ] = None,
) -> None:
    """Write trained networks as a bundle, and check that its graphs equal them."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.train.release import read_sources, release
        bundle, parity = release(
            codec,
            denoiser,
            out,
            name=name,
            licence=licence,
            renderer=renderer,
            envelope=envelope,
            detail=detail,
            data=data or (),
            sources=() if sources is None else read_sources(sources),
            overrides=overrides or (),
        )
        _tell(bundle, f"graphs within {parity.worst:.1g} of the networks")


@bundle_app.command(name="add-renderer", no_args_is_help=True)
def add_renderer(
    renderer: Annotated[
        Path, typer.Argument(help="Checkpoint of `banso train renderer` for the bundle's codec.")
    ],
    out: OutOption,
    bundle: BundleOption = None,
) -> None:
    """Write a bundle again with a renderer for its codec."""
    with reporting_errors():
        from banso.bundle import load_bundle

        with needing_extra("train"):
            from banso.train.renderer_export import add_checkpoint
        made, parity = add_checkpoint(load_bundle(bundle), renderer, out)
        _tell(made, f"graph within {parity.worst:.1g} of the network")


@bundle_app.command(name="add-envelope", no_args_is_help=True)
def add_envelope(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="Checkpoint of `banso train codec` that knows the codec's envelopes."),
    ],
    out: OutOption,
    bundle: BundleOption = None,
) -> None:
    """Write a bundle again with what hears, in latents, how loud each band is to be."""
    with reporting_errors():
        from banso.bundle import load_bundle

        with needing_extra("train"):
            from banso.train import envelope_export
        made, parity = envelope_export.add_envelope(load_bundle(bundle), checkpoint, out)
        _tell(made, f"graph within {parity.worst:.1g} of the network")


@bundle_app.command(name="add-detail", no_args_is_help=True)
def add_detail(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="Checkpoint of `banso train detail` for its codec and envelope."),
    ],
    out: OutOption,
    bundle: BundleOption = None,
) -> None:
    """Write a bundle again with the detail that its codec's envelope lacks."""
    with reporting_errors():
        from banso.bundle import load_bundle

        with needing_extra("train"):
            from banso.train import detail_export
        made, parity = detail_export.add_detail(load_bundle(bundle), checkpoint, out)
        _tell(made, f"graphs within {parity.worst:.1g} of the network")


@bundle_app.command(name="remove-bias", no_args_is_help=True)
def remove_bias(
    data: Annotated[Path, typer.Argument(help="Folder of encoded songs that it was trained on.")],
    out: OutOption,
    bundle: BundleOption = None,
    songs: Annotated[int, typer.Option(help="The most songs to measure on.", min=1)] = 256,
) -> None:
    """Measure what a bundle's denoiser is wrong by on average; write it again without that."""
    with reporting_errors():
        from banso.bundle import load_bundle

        with needing_extra("train"):
            from banso.train import bias
        made, found = bias.remove_bias(load_bundle(bundle), data, out, num_songs=songs)
        _tell(made, f"mean error of latents {found.before:.3f}, now {found.after:.3f}")


@bundle_app.command(name="quantize", no_args_is_help=True)
def quantize(
    bundle: BundleArgument = None,
    *,
    out: OutOption,
) -> None:
    """Write a bundle again with weights in whole numbers: faster on CPUs, and half as large."""
    with reporting_errors():
        from banso.bundle import load_bundle

        with needing_extra("train"):
            from banso.train.quantize import quantize_bundle
        made = quantize_bundle(load_bundle(bundle), out)
        counts = ", ".join(f"{count} of {name}" for name, count in made.num_matrices.items())
        typer.echo(f"{out}: {made.bundle.name} {made.bundle.hash}, matrices: {counts}")


@bundle_app.command(name="convert", no_args_is_help=True)
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="VAE",
            help="Folder of a public VAE, or its hub id such as stabilityai/stable-audio-open-1.0.",
        ),
    ],
    out: OutOption,
    licence: Annotated[str, typer.Option(help="Licence of its weights, for the record.")],
) -> None:
    """Turn a public VAE into the codec of a bundle; weights are fetched only if you name a hub."""
    with reporting_errors():
        with needing_extra("public-codecs"):
            from banso.train.convert import convert_oobleck
        bundle = convert_oobleck(source, out, licence=licence)
        _tell(bundle)


def _tell(bundle: "Bundle", *more: str) -> None:
    """Say where a bundle is and what it is called."""
    typer.echo(", ".join((f"{bundle.folder}: {bundle.name} {bundle.hash}", *more)))
