"""Make training items from scores: excerpt, transpose, arrange, render, sing, write.

Each item depends only on its song, its name, the seed and what the studio holds, so any number of
workers, in any order, stopped and resumed at will, write the same files.
"""

import argparse
import hashlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from banso.data.arranger import Band, arrange, choose_style
from banso.data.augment import augment_vocals
from banso.data.items import write_sounds
from banso.data.manifest import (
    ITEM_FILE,
    ITEMS_FOLDER,
    SPLITS,
    Item,
    Manifest,
    build_manifest,
    split_of,
    write_item,
)
from banso.data.passages import with_interlude, with_intro
from banso.data.pianist import play_written
from banso.data.render import SAMPLE_RATE, SoundFont, find_soundfonts, render_band
from banso.data.sampled import sing_with
from banso.data.song import Song
from banso.data.sources.pop909 import read_corpus
from banso.data.studio import Studio
from banso.data.workers import run_jobs
from banso.errors import BansoError, DataError

logger = logging.getLogger(__name__)

_LEAST_SUNG_SHARE = 0.4
_SHORTEST_SECONDS = 8.0
_INTRO_CHANCE, _INTERLUDE_CHANCE = 0.3, 0.2
# MuseScore_General_Lite takes a second to decode and twice the time to play.
_SOUNDFONT_WEIGHTS = {"FluidR3_GM": 0.6, "FluidR3Mono_GM": 0.3}


class ScoreFile(Protocol):
    """A score that is not yet understood."""

    @property
    def song_id(self) -> str:
        """Corpus and name of the song."""

    def read(self) -> Song:
        """Understand it; raises `DataError` if it cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What one item is made from.

    Attributes:
        item_id: Name of the item.
        raw: The song's files.
        folder: Where to write the item.
        max_seconds: Longest item.
        seed: Seed of the run.
        studio: Instruments and singers.
    """

    item_id: str
    raw: ScoreFile
    folder: Path
    max_seconds: float
    seed: int
    studio: Studio

    @property
    def name(self) -> str:
        """What the user is told if it is rejected."""
        return self.item_id


def prepare_songs(
    corpus: Sequence[ScoreFile],
    out: Path,
    *,
    studio: Studio | None = None,
    num_items: int | None = None,
    max_seconds: float = 96.0,
    items_per_song: int = 1,
    seed: int = 0,
    workers: int | None = None,
) -> Manifest:
    """Make items from scores; continue where an earlier run stopped.

    Test songs come first, then those for validation, one item each, then the other songs in random
    order, and further rounds over these, so a run that is stopped early can be measured, and has
    the widest choice of songs.

    Args:
        corpus: Scores of any source.
        out: Folder of the data set; made if it does not exist.
        studio: Instruments and singers; None for all SoundFonts, programmed drums, formant voices.
        num_items: Stop after so many items, counting those that exist; None for all.
        max_seconds: Longest item.
        items_per_song: Items of each training song.
        seed: Decides everything.
        workers: Processes; None for one per core.

    Returns:
        Manifest of all complete items in `out`, which is also written there.

    Raises:
        DataError: If a SoundFont is missing or items would be too short.
    """
    if max_seconds < _SHORTEST_SECONDS:
        raise DataError(f"items of {max_seconds} s are too short; use {_SHORTEST_SECONDS} or more")
    studio = studio or Studio(soundfonts=tuple(find_soundfonts()))
    tasks = plan(corpus, out, max_seconds, items_per_song, seed, studio)[:num_items]
    missing = [task for task in tasks if not (task.folder / ITEM_FILE).is_file()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        rejected = run_jobs(make_item, missing, workers)
    finally:
        manifest = build_manifest(out)
    logger.info(
        "%d items in %s: %d new, %d rejected", len(manifest.items), out,
        len(missing) - rejected, rejected,
    )  # fmt: skip
    return manifest


def prepare_pop909(
    root: Path,
    out: Path,
    *,
    num_items: int | None = None,
    max_seconds: float = 96.0,
    items_per_song: int = 1,
    seed: int = 0,
    workers: int | None = None,
) -> Manifest:
    """Make items from POP909 with what is installed; see `prepare_songs`.

    Args:
        root: Folder that holds POP909, unpacked or as its archive.
        out: Folder of the data set; made if it does not exist.
        num_items: Stop after so many items, counting those that exist; None for all.
        max_seconds: Longest item.
        items_per_song: Items of each training song.
        seed: Decides everything.
        workers: Processes; None for one per core.

    Raises:
        DataError: If the corpus, a SoundFont or FluidSynth is missing.
    """
    return prepare_songs(
        read_corpus(root), out, num_items=num_items, max_seconds=max_seconds,
        items_per_song=items_per_song, seed=seed, workers=workers,
    )  # fmt: skip


def plan(
    corpus: Sequence[ScoreFile],
    out: Path,
    max_seconds: float,
    items_per_song: int,
    seed: int,
    studio: Studio,
) -> list[Task]:
    """Return the tasks of a data set in the order of their making."""
    rng = np.random.default_rng(seed)
    shuffled = [corpus[i] for i in rng.permutation(len(corpus))]
    test, validation, training = (
        [raw for raw in shuffled if split_of(raw.song_id) == split] for split in reversed(SPLITS)
    )
    rounds = [(0, test), (0, validation)]
    rounds += [(number, training) for number in range(items_per_song)]
    return [
        Task(
            item_id=f"{raw.song_id}-{number:02d}",
            raw=raw,
            folder=out / ITEMS_FOLDER / f"{raw.song_id}-{number:02d}",
            max_seconds=max_seconds,
            seed=seed,
            studio=studio,
        )
        for number, songs in rounds
        for raw in songs
    ]


def make_item(task: Task) -> Item:
    """Make one item and write its files; `item.json` comes last.

    Raises:
        DataError: If the song is broken or too short.
    """
    digest = hashlib.md5(task.item_id.encode(), usedforsecurity=False).hexdigest()
    rng = np.random.default_rng([task.seed, int(digest[:8], 16)])
    score = task.raw.read()
    factor = float(rng.uniform(0.9, 1.12))
    start, end = choose_excerpt(score, task.max_seconds * factor, rng)
    semitones = 0 if score.drums else int(rng.integers(-5, 7))
    song = _with_passages(score.excerpt(start, end), rng).at_tempo(factor).transposed(semitones)
    if song.duration_seconds > task.max_seconds:
        song = song.excerpt(0.0, task.max_seconds)
    num_samples = round(song.duration_seconds * SAMPLE_RATE)
    band = _band(song, task.studio, rng)
    soundfont = choose_soundfont(task.studio.soundfonts, rng)
    rendered = render_band(band, num_samples, soundfont.path, rng)
    vocals = sing_with(
        task.studio.singers(), song.melody, num_samples, sample_rate=SAMPLE_RATE, rng=rng
    )
    split = split_of(score.song_id)
    if split == "train":
        vocals = augment_vocals(
            vocals, rendered.mix, SAMPLE_RATE, rng,
            rooms=task.studio.impulse_responses(), codecs=task.studio.codecs,
        )  # fmt: skip
    item = Item(
        item_id=task.item_id,
        song_id=score.song_id,
        source=score.source,
        split=split,
        style=band.style,
        num_samples=num_samples,
        sample_rate=SAMPLE_RATE,
        lead_sheet=song.lead_sheet,
        start_seconds=start,
        transposition=semitones,
        tempo_factor=factor,
        seed=task.seed,
        soundfont=f"{soundfont.path.stem} ({soundfont.licence})",
        licence=score.licence,
        attribution=score.attribution,
        sha256=write_sounds(task.folder, vocals, rendered.mix, rendered.parts),
    )
    write_item(task.folder, item)
    return item


def choose_excerpt(song: Song, seconds: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return start and end of a part with singing in at least 40 % of its bars.

    The part begins up to one beat before a downbeat, as a recording with a pickup does. A song of
    drums alone, which nobody sings, is taken from its start.

    Raises:
        DataError: If there is no such part, or the song is too short.
    """
    if song.drums and not song.melody and song.duration_seconds >= _SHORTEST_SECONDS:
        return 0.0, min(seconds, song.duration_seconds)
    downs = np.array((*song.lead_sheet.downbeats, song.duration_seconds))
    beat = float(np.median(np.diff(song.lead_sheet.beats)))
    starts = np.array([note.start_seconds for note in song.melody])
    sung = np.histogram(starts, downs)[0] > 0
    candidates = []
    for index, down in enumerate(downs[:-1]):
        end = min(down + seconds, song.duration_seconds)
        inside = sung[index : int(np.searchsorted(downs, end))]
        # Late starts would give a heap of short items.
        long_enough = end - down >= min(0.75 * seconds, 0.9 * song.duration_seconds)
        if long_enough and inside.mean() >= _LEAST_SUNG_SHARE:
            candidates.append(float(down))
    if not candidates or song.duration_seconds < _SHORTEST_SECONDS:
        raise DataError(f"{song.song_id} has no part of {seconds:.0f} s with enough singing")
    start = max(0.0, candidates[int(rng.integers(len(candidates)))] - rng.uniform(0, 1) * beat)
    return start, min(start + seconds, song.duration_seconds)


def _with_passages(song: Song, rng: np.random.Generator) -> Song:
    """Let the band of a song that is to be arranged sometimes begin or go on alone."""
    chances = rng.random(2)
    if song.is_written_out:
        return song
    if chances[0] < _INTRO_CHANCE:
        song = with_intro(song, rng)
    return with_interlude(song, rng) if chances[1] < _INTERLUDE_CHANCE else song


def _band(song: Song, studio: Studio, rng: np.random.Generator) -> Band:
    if song.is_written_out:
        return play_written(song, rng)
    return arrange(song, choose_style(song, rng), rng, studio.drummer())


def choose_soundfont(soundfonts: Sequence[SoundFont], rng: np.random.Generator) -> SoundFont:
    """Draw a band's instruments; those that take long to play come less often."""
    weights = np.array([_SOUNDFONT_WEIGHTS.get(font.path.stem, 0.1) for font in soundfonts])
    return soundfonts[int(rng.choice(len(soundfonts), p=weights / weights.sum()))]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `prepare_pop909` from the command line."""
    parser = argparse.ArgumentParser(prog="python -m banso.data.prepare", description=__doc__)
    parser.add_argument("root", type=Path, help="folder that holds POP909")
    parser.add_argument("out", type=Path, help="folder of the data set")
    parser.add_argument("--num-items", type=int)
    parser.add_argument("--max-seconds", type=float, default=96.0)
    parser.add_argument("--items-per-song", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        prepare_pop909(**vars(parser.parse_args(arguments)))
    except BansoError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
