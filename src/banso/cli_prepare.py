"""Commands that make data sets from corpora, one per source.

Options in, one call, one line out; the lab is imported inside command bodies only.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from banso.console import needing_extra, reporting_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from banso.data.prepare import ScoreFile
    from banso.data.sources.stems import RecordedSong

prepare_app = typer.Typer(help="Make training data.", no_args_is_help=True)

RootOption = Annotated[Path, typer.Option(help="Folder of the corpus, or its archive.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the data set; a stopped run goes on.")]
NumItemsOption = Annotated[
    int | None, typer.Option(min=1, help="Stop after so many items, existing ones included.")
]
MaxSecondsOption = Annotated[float, typer.Option(help="Longest item, in seconds.")]
ItemsPerSongOption = Annotated[
    int, typer.Option(min=1, help="Items of each training song, all different.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Decides everything.")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes; one per core by default.")
]
GroovesOption = Annotated[
    Path | None, typer.Option(help="Groove MIDI, folder or archive, for human drums.")
]
VoicebanksOption = Annotated[Path | None, typer.Option(help="Folder of UTAU voice banks to sing.")]
SpokenOption = Annotated[bool, typer.Option("--spoken", help="Let espeak-ng's voices sing too.")]
RoomsOption = Annotated[Path | None, typer.Option(help="Folder of impulse responses of rooms.")]
LicenceOption = Annotated[
    str | None, typer.Option(help="SPDX name; read from LICENSE files by default.")
]


@prepare_app.command(name="pop909")
def prepare_pop909(
    root: RootOption,
    out: OutOption,
    num_items: NumItemsOption = None,
    max_seconds: MaxSecondsOption = 96.0,
    items_per_song: ItemsPerSongOption = 1,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    grooves: GroovesOption = None,
    voicebanks: VoicebanksOption = None,
    spoken: SpokenOption = False,
    rooms: RoomsOption = None,
) -> None:
    """Arrange POP909's songs for bands, render them, and sing them."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.pop909 import read_corpus
        _prepare_scores(
            read_corpus(root), out, num_items=num_items, max_seconds=max_seconds,
            items_per_song=items_per_song, seed=seed, workers=workers, grooves=grooves,
            voicebanks=voicebanks, spoken=spoken, rooms=rooms,
        )  # fmt: skip


@prepare_app.command(name="lieder")
def prepare_lieder(
    root: RootOption,
    out: OutOption,
    num_items: NumItemsOption = None,
    max_seconds: MaxSecondsOption = 96.0,
    items_per_song: ItemsPerSongOption = 1,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    voicebanks: VoicebanksOption = None,
    spoken: SpokenOption = False,
    rooms: RoomsOption = None,
) -> None:
    """Render OpenScore Lieder's written-out piano, and sing the voice with its words."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.lieder import read_corpus
        _prepare_scores(
            read_corpus(root), out, num_items=num_items, max_seconds=max_seconds,
            items_per_song=items_per_song, seed=seed, workers=workers,
            voicebanks=voicebanks, spoken=spoken, rooms=rooms,
        )  # fmt: skip


@prepare_app.command(name="openewld")
def prepare_openewld(
    root: RootOption,
    out: OutOption,
    num_items: NumItemsOption = None,
    max_seconds: MaxSecondsOption = 96.0,
    items_per_song: ItemsPerSongOption = 1,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    grooves: GroovesOption = None,
    voicebanks: VoicebanksOption = None,
    spoken: SpokenOption = False,
    rooms: RoomsOption = None,
) -> None:
    """Arrange OpenEWLD's lead sheets for bands, render them, and sing them."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.openewld import read_corpus
        _prepare_scores(
            read_corpus(root), out, num_items=num_items, max_seconds=max_seconds,
            items_per_song=items_per_song, seed=seed, workers=workers, grooves=grooves,
            voicebanks=voicebanks, spoken=spoken, rooms=rooms,
        )  # fmt: skip


@prepare_app.command(name="groove")
def prepare_groove(
    root: RootOption,
    out: OutOption,
    num_items: NumItemsOption = None,
    max_seconds: MaxSecondsOption = 96.0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
) -> None:
    """Render Groove MIDI's beats: drums with beats and bars, no voice."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.groove import read_corpus
        takes = [take for take in read_corpus(root) if not take.is_fill]
        _prepare_scores(
            takes, out, num_items=num_items, max_seconds=max_seconds, items_per_song=1,
            seed=seed, workers=workers,
        )  # fmt: skip


@prepare_app.command(name="stems")
def prepare_stems(
    root: Annotated[Path, typer.Option(help="Folder of a song's stems, or of such folders.")],
    out: OutOption,
    licence: LicenceOption = None,
    attribution: Annotated[str | None, typer.Option(help="Whom to name.")] = None,
    max_seconds: MaxSecondsOption = 96.0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    rooms: RoomsOption = None,
) -> None:
    """Cut recorded songs into pairs: `vocals.*` or `VOX` is the voice, the rest the band."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.stems import read_corpus
        songs = read_corpus(root, licence=licence, attribution=attribution)
        _prepare_stems(songs, out, max_seconds, seed, workers, rooms)


@prepare_app.command(name="musdb")
def prepare_musdb(
    root: RootOption,
    out: OutOption,
    max_seconds: MaxSecondsOption = 96.0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    rooms: RoomsOption = None,
) -> None:
    """Cut MUSDB18 or MUSDB18-HQ into pairs; its test songs stay test songs."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.musdb import read_corpus
        _prepare_stems(read_corpus(root), out, max_seconds, seed, workers, rooms)


@prepare_app.command(name="moisesdb")
def prepare_moisesdb(
    root: RootOption,
    out: OutOption,
    max_seconds: MaxSecondsOption = 96.0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    rooms: RoomsOption = None,
) -> None:
    """Cut MoisesDB into pairs."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.moisesdb import read_corpus
        _prepare_stems(read_corpus(root), out, max_seconds, seed, workers, rooms)


@prepare_app.command(name="medleydb")
def prepare_medleydb(
    root: RootOption,
    out: OutOption,
    max_seconds: MaxSecondsOption = 96.0,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    rooms: RoomsOption = None,
) -> None:
    """Cut MedleyDB's songs with a singer into pairs."""
    with reporting_errors():
        with needing_extra("train"):
            from banso.data.sources.medleydb import read_corpus
        _prepare_stems(read_corpus(root), out, max_seconds, seed, workers, rooms)


def _prepare_scores(
    corpus: "Sequence[ScoreFile]",
    out: Path,
    *,
    num_items: int | None,
    max_seconds: float,
    items_per_song: int,
    seed: int,
    workers: int | None,
    grooves: Path | None = None,
    voicebanks: Path | None = None,
    spoken: bool = False,
    rooms: Path | None = None,
) -> None:
    from banso.data.prepare import prepare_songs
    from banso.data.studio import open_studio

    _show_log()
    studio = open_studio(out, grooves=grooves, voicebanks=voicebanks, rooms=rooms, spoken=spoken)
    prepare_songs(
        corpus, out, studio=studio, num_items=num_items, max_seconds=max_seconds,
        items_per_song=items_per_song, seed=seed, workers=workers,
    )  # fmt: skip


def _prepare_stems(
    songs: "Sequence[RecordedSong]",
    out: Path,
    max_seconds: float,
    seed: int,
    workers: int | None,
    rooms: Path | None,
) -> None:
    from banso.data.recordings import prepare_recordings
    from banso.data.studio import Studio

    _show_log()
    studio = Studio(soundfonts=(), rooms=rooms, codecs=True)
    prepare_recordings(
        songs, out, studio=studio, max_seconds=max_seconds, seed=seed, workers=workers
    )


def _show_log() -> None:
    """Let long commands tell what they do."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
