"""Make training items from POP909: excerpt, transpose, arrange, render, sing, write.

Each item depends only on its song, its name and the seed, so any number of workers, in any order,
stopped and resumed at will, write the same files.
"""

import argparse
import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from banso.audio import Audio
from banso.data.arranger import arrange, choose_style
from banso.data.augment import augment_vocals
from banso.data.manifest import (
    ITEM_FILE,
    ITEMS_FOLDER,
    Item,
    Manifest,
    build_manifest,
    sha256_of,
    split_of,
    write_item,
)
from banso.data.render import SAMPLE_RATE, SoundFont, find_soundfonts, render_band
from banso.data.singer import sing
from banso.data.song import Song
from banso.data.sources.pop909 import RawSong, read_corpus, read_song
from banso.errors import BansoError, DataError
from banso.files import write_audio

logger = logging.getLogger(__name__)

VOCALS_FILE = "vocals.flac"
ACCOMPANIMENT_FILE = "accompaniment.flac"
PARTS_FOLDER = "parts"

_LEAST_SUNG_SHARE = 0.4
_SHORTEST_SECONDS = 8.0
# MuseScore_General_Lite takes a second to decode and twice the time to play.
_SOUNDFONT_WEIGHTS = {"FluidR3_GM": 0.6, "FluidR3Mono_GM": 0.3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """What one item is made from.

    Attributes:
        item_id: Name of the item.
        raw: The song's files.
        folder: Where to write the item.
        max_seconds: Longest item.
        seed: Seed of the run.
        soundfonts: SoundFonts to choose from.
    """

    item_id: str
    raw: RawSong
    folder: Path
    max_seconds: float
    seed: int
    soundfonts: tuple[SoundFont, ...]


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
    """Make items from POP909; continue where an earlier run stopped.

    Test and validation songs come first, one item each, then the other songs in random order, and
    further rounds over these, so a run that is stopped early has the widest choice of songs.

    Args:
        root: Folder that holds POP909, unpacked or as its archive.
        out: Folder of the data set; made if it does not exist.
        num_items: Stop after so many items, counting those that exist; None for all.
        max_seconds: Longest item.
        items_per_song: Items of each training song.
        seed: Decides everything.
        workers: Processes; None for one per core.

    Returns:
        Manifest of all complete items in `out`, which is also written there.

    Raises:
        DataError: If the corpus, a SoundFont or FluidSynth is missing.
    """
    if max_seconds < _SHORTEST_SECONDS:
        raise DataError(f"items of {max_seconds} s are too short; use {_SHORTEST_SECONDS} or more")
    tasks = plan(read_corpus(root), out, max_seconds, items_per_song, seed)[:num_items]
    missing = [task for task in tasks if not (task.folder / ITEM_FILE).is_file()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        rejected = _run(missing, workers or os.cpu_count() or 1)
    finally:
        manifest = build_manifest(out)
    logger.info(
        "%d items in %s: %d new, %d rejected", len(manifest.items), out,
        len(missing) - rejected, rejected,
    )  # fmt: skip
    return manifest


def plan(
    corpus: Sequence[RawSong], out: Path, max_seconds: float, items_per_song: int, seed: int
) -> list[Task]:
    """Return the tasks of a data set in the order of their making."""
    rng = np.random.default_rng(seed)
    shuffled = [corpus[i] for i in rng.permutation(len(corpus))]
    held_out = [raw for raw in shuffled if split_of(raw.song_id) != "train"]
    training = [raw for raw in shuffled if split_of(raw.song_id) == "train"]
    rounds = [(0, held_out)] + [(number, training) for number in range(items_per_song)]
    soundfonts = tuple(find_soundfonts())
    return [
        Task(
            item_id=f"{raw.song_id}-{number:02d}",
            raw=raw,
            folder=out / ITEMS_FOLDER / f"{raw.song_id}-{number:02d}",
            max_seconds=max_seconds,
            seed=seed,
            soundfonts=soundfonts,
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
    score = read_song(task.raw)
    factor = float(rng.uniform(0.9, 1.12))
    start, end = choose_excerpt(score, task.max_seconds * factor, rng)
    semitones = int(rng.integers(-5, 7))
    song = score.excerpt(start, end).at_tempo(factor).transposed(semitones)
    num_samples = min(
        round(song.duration_seconds * SAMPLE_RATE), round(task.max_seconds * SAMPLE_RATE)
    )
    band = arrange(song, choose_style(song, rng), rng)
    soundfont = _choose_soundfont(task.soundfonts, rng)
    rendered = render_band(band, num_samples, soundfont.path, rng)
    vocals = sing(song.melody, num_samples, sample_rate=SAMPLE_RATE, rng=rng)
    split = split_of(score.song_id)
    if split == "train":
        vocals = augment_vocals(vocals, rendered.mix, SAMPLE_RATE, rng)
    (task.folder / PARTS_FOLDER).mkdir(parents=True, exist_ok=True)
    sounds = {VOCALS_FILE: vocals[None], ACCOMPANIMENT_FILE: rendered.mix}
    sounds |= {f"{PARTS_FOLDER}/{name}.flac": part for name, part in rendered.parts.items()}
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
        sha256={name: _write(task.folder / name, sound) for name, sound in sounds.items()},
    )
    write_item(task.folder, item)
    return item


def choose_excerpt(song: Song, seconds: float, rng: np.random.Generator) -> tuple[float, float]:
    """Return start and end of a part with singing in at least 40 % of its bars.

    The part begins up to one beat before a downbeat, as a recording with a pickup does.

    Raises:
        DataError: If there is no such part, or the song is too short.
    """
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


def _choose_soundfont(soundfonts: Sequence[SoundFont], rng: np.random.Generator) -> SoundFont:
    weights = np.array([_SOUNDFONT_WEIGHTS.get(font.path.stem, 0.1) for font in soundfonts])
    return soundfonts[int(rng.choice(len(soundfonts), p=weights / weights.sum()))]


def _write(path: Path, waveform: NDArray[np.float32]) -> str:
    """Write 16-bit values, a third of the size of 24-bit ones in FLAC; return the checksum."""
    steps = np.round(waveform * 32768).clip(-32768, 32767) / np.float32(32768)
    write_audio(path, Audio(steps.astype(np.float32), SAMPLE_RATE), overwrite=True)
    return sha256_of(path)


def _attempt(task: Task) -> str | None:
    """Make an item; return the reason if it had to be rejected."""
    try:
        make_item(task)
    except BansoError as error:
        return f"{task.item_id} rejected: {error}"
    return None


def _run(tasks: Sequence[Task], workers: int) -> int:
    """Make items with a progress bar on a terminal; return the number of rejected ones."""
    rejected = 0
    console = Console(stderr=True)
    columns = (TextColumn("preparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task("items", total=len(tasks))
        results = map(_attempt, tasks) if workers == 1 else _in_processes(tasks, workers)
        for reason in results:
            if reason is not None:
                rejected += 1
                logger.warning(reason)
            progress.advance(bar)
    return rejected


def _in_processes(tasks: Sequence[Task], workers: int) -> Iterator[str | None]:
    """Yield results as they come; only a few tasks are under way, so stopping is quick."""
    waiting = iter(tasks)
    with _one_thread_each(), ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running: set[Future[str | None]] = set()
        while True:
            for task in waiting:
                running.add(pool.submit(_attempt, task))
                if len(running) >= 2 * workers:
                    break
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let worker processes use one thread each; more would fight over the same cores."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
