"""Items from recorded stems: voice and band on one time line, without a score.

Faders of released mixes are unknown, so a training item draws its own; beats, chords and style
stay empty, which the model takes as not given.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.data.augment import augment_vocals
from banso.data.items import write_sounds
from banso.data.manifest import (
    ITEMS_FOLDER,
    Item,
    Manifest,
    build_manifest,
    split_of,
    write_item,
)
from banso.data.mastering import level_db
from banso.data.render import SAMPLE_RATE
from banso.data.singer import levelled
from banso.data.sources.stems import RecordedSong, Stem
from banso.data.studio import Studio
from banso.data.workers import run_jobs
from banso.errors import DataError
from banso.eval.stems import run_ffmpeg
from banso.leadsheet import LeadSheet

logger = logging.getLogger(__name__)

_DONE_FOLDER = "songs-done"
_LEAST_SUNG_SHARE = 0.25
_SHORTEST_SECONDS = 8.0
_BLOCK_SECONDS = 0.5
_SUNG_DB = -36.0  # below the voice's level, from which on a block counts as sung
_CLEAN_CHANCE = 0.5  # recordings are worn already

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingJob:
    """One song to be cut into items.

    Attributes:
        song: Its files.
        out: Folder of the data set.
        max_seconds: Longest item.
        seed: Of the run.
        studio: Rooms and codecs to wear the voice with.
    """

    song: RecordedSong
    out: Path
    max_seconds: float
    seed: int
    studio: Studio

    @property
    def name(self) -> str:
        """What the user is told if the song is rejected."""
        return self.song.song_id

    @property
    def marker(self) -> Path:
        """File that says that all items of the song are written."""
        return self.out / _DONE_FOLDER / self.song.song_id


def prepare_recordings(
    songs: Sequence[RecordedSong],
    out: Path,
    *,
    studio: Studio,
    max_seconds: float = 96.0,
    seed: int = 0,
    workers: int | None = None,
) -> Manifest:
    """Cut recorded songs into items; continue where an earlier run stopped.

    Args:
        songs: Of any corpus of stems.
        out: Folder of the data set; made if it does not exist.
        studio: Rooms and codecs to wear training voices with.
        max_seconds: Longest item.
        seed: Decides faders and wear.
        workers: Processes; None for one per core.

    Returns:
        Manifest of all complete items in `out`, which is also written there.

    Raises:
        DataError: If items would be too short.
    """
    if max_seconds < _SHORTEST_SECONDS:
        raise DataError(f"items of {max_seconds} s are too short; use {_SHORTEST_SECONDS} or more")
    jobs = [
        RecordingJob(song=song, out=out, max_seconds=max_seconds, seed=seed, studio=studio)
        for song in songs
    ]
    missing = [job for job in jobs if not job.marker.is_file()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        rejected = run_jobs(make_items, missing, workers)
    finally:
        manifest = build_manifest(out)
    logger.info("%d items in %s; %d songs rejected", len(manifest.items), out, rejected)
    return manifest


def make_items(job: RecordingJob) -> list[Item]:
    """Decode a song and write its items.

    Raises:
        AudioError: If ffmpeg is missing or cannot decode a stem.
        DataError: If nobody sings in it.
    """
    vocals = _sum(job.song.vocals)
    parts = {name: _sum(stems) for name, stems in job.song.parts.items()}
    length = max(part.shape[1] for part in (vocals, *parts.values()))
    vocals, *padded = (
        np.pad(p, ((0, 0), (0, length - p.shape[1]))) for p in (vocals, *parts.values())
    )
    parts = dict(zip(parts, padded, strict=True))
    items = [
        _make_item(
            job, number, vocals[:, start:end], {n: p[:, start:end] for n, p in parts.items()}, start
        )
        for number, (start, end) in enumerate(_sung_windows(vocals.mean(axis=0), job.max_seconds))
    ]
    if not items:
        raise DataError(f"nobody sings for {_SHORTEST_SECONDS} s or more")
    job.marker.parent.mkdir(parents=True, exist_ok=True)
    job.marker.touch()
    return items


def _make_item(
    job: RecordingJob, number: int, vocals: Array, parts: dict[str, Array], start: int
) -> Item:
    song = job.song
    item_id = f"{song.song_id}-{number:02d}"
    digest = hashlib.md5(item_id.encode(), usedforsecurity=False).hexdigest()
    rng = np.random.default_rng([job.seed, int(digest[:8], 16)])
    split = song.split or split_of(song.song_id)
    mix, faded = _mixed(parts, 3.0 if split == "train" else 0.0, rng)
    voice = levelled(vocals.mean(axis=0), rng)
    if split == "train":
        voice = augment_vocals(
            voice, mix, SAMPLE_RATE, rng, clean_chance=_CLEAN_CHANCE,
            rooms=job.studio.impulse_responses(), codecs=job.studio.codecs,
        )  # fmt: skip
    folder = job.out / ITEMS_FOLDER / item_id
    item = Item(
        item_id=item_id,
        song_id=song.song_id,
        source=song.source,
        split=split,
        style="",
        num_samples=mix.shape[1],
        sample_rate=SAMPLE_RATE,
        lead_sheet=LeadSheet(),
        start_seconds=start / SAMPLE_RATE,
        transposition=0,
        tempo_factor=1.0,
        seed=job.seed,
        soundfont="",
        licence=song.licence,
        attribution=song.attribution,
        sha256=write_sounds(folder, voice, mix, faded),
    )
    write_item(folder, item)
    return item


def _mixed(
    parts: dict[str, Array], widest_db: float, rng: np.random.Generator
) -> tuple[Array, dict[str, Array]]:
    """Move each fader by up to so many dB; return the mix at about -18 dB and its parts.

    Values are rounded to 16 bits, so that the parts add up to the mix as files do.
    """
    gains = {name: 10 ** (rng.uniform(-widest_db, widest_db) / 20) for name in parts}
    total = _added([part * np.float32(gains[name]) for name, part in parts.items()])
    loudest = max(float(np.abs(total).max()), 1e-9)
    gain = min(10 ** ((-18 - level_db(total)) / 20), 0.97 / loudest)
    steps = {name: np.round(part * (gains[name] * gain * 32767)) for name, part in parts.items()}
    faded = {name: (step / 32768).astype(np.float32) for name, step in steps.items()}
    return _added(list(faded.values())), faded


def _added(sounds: Sequence[Array]) -> Array:
    return np.asarray(np.sum(sounds, axis=0, dtype=np.float32), np.float32)


def _sum(stems: Sequence[Stem]) -> Array:
    """Decode stems and add them up [2, samples], one in memory at a time."""
    total = np.zeros((2, 0), np.float32)
    for stem in stems:
        form = ["-map", f"0:a:{stem.stream}", "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "2"]
        data = run_ffmpeg(["-i", str(stem.path), *form, "pipe:1"])
        sound = np.frombuffer(data, "<f4").reshape(-1, 2).T
        longer = max(total.shape[1], sound.shape[1])
        total = np.pad(total, ((0, 0), (0, longer - total.shape[1])))
        total[:, : sound.shape[1]] += sound
    return total


def _sung_windows(voice: Array, max_seconds: float) -> list[tuple[int, int]]:
    """Stretches of at most the longest length with enough singing, as samples."""
    block = round(_BLOCK_SECONDS * SAMPLE_RATE)
    count = len(voice) // block
    if count == 0:
        return []
    power = np.square(voice[: count * block]).reshape(count, block).mean(axis=1)
    sung = 10 * np.log10(power + 1e-12) > level_db(voice) + _SUNG_DB
    sung &= power > 1e-8
    size = int(max_seconds / _BLOCK_SECONDS)
    windows = []
    for first in range(0, count, size):
        last = min(first + size, count)
        long_enough = (last - first) * _BLOCK_SECONDS >= _SHORTEST_SECONDS
        if long_enough and sung[first:last].mean() >= _LEAST_SUNG_SHARE:
            windows.append((first * block, last * block))
    return windows
