"""Sung melodies without bands: what planning learns from, a tenth of the cost of full items."""

import hashlib
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from banso import conditioning as c
from banso import features
from banso.codec.parameters import HOP_LENGTH, SAMPLE_RATE
from banso.data.augment import augment_vocals
from banso.data.cache import save_example
from banso.data.manifest import split_of
from banso.data.prepare import choose_excerpt
from banso.data.sampled import sing_with
from banso.data.sources.pop909 import RawSong, read_corpus, read_song
from banso.data.studio import loaded_banks, measured_banks
from banso.errors import BansoError


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceTask:
    """One melody to sing.

    Attributes:
        raw: The song's files.
        name: Of the array file.
        out: Folder of arrays.
        max_seconds: Longest excerpt.
        seed: Of the run.
        banks: Measured voice banks that sing besides the formant voices.
    """

    raw: RawSong
    name: str
    out: Path
    max_seconds: float
    seed: int
    banks: tuple[Path, ...] = ()


def cache_voices(
    root: Path, out: Path, *, rounds: int = 2, seed: int = 0, max_seconds: float = 96.0,
    workers: int = 2, voicebanks: Path | None = None, spoken: bool = False,
) -> int:  # fmt: skip
    """Sing every song of POP909 a few times and encode what is heard.

    Args:
        root: Folder that holds POP909.
        out: Folder of arrays; those that exist are kept.
        rounds: How often each song is sung, each time by another voice in another key and tempo.
        seed: Decides everything.
        max_seconds: Longest excerpt.
        workers: Processes.
        voicebanks: Folder of UTAU voice banks that sing too.
        spoken: Whether espeak-ng's voices sing too.

    Returns:
        How many were sung now.
    """
    out.mkdir(parents=True, exist_ok=True)
    banks = measured_banks(out, voicebanks, spoken)
    tasks = [
        VoiceTask(
            raw=raw,
            name=f"{raw.song_id}-v{number}",
            out=out,
            max_seconds=max_seconds,
            seed=seed,
            banks=banks,
        )
        for number in range(rounds)
        for raw in read_corpus(root)
        if split_of(raw.song_id) == "train" or number == 0
    ]
    todo = [task for task in tasks if not (out / f"{task.name}.npz").exists()]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return sum(pool.map(sing_item, todo, chunksize=8))


def sing_item(task: VoiceTask) -> bool:
    """Sing one song and write its arrays; False if the song cannot be used."""
    digest = hashlib.md5(task.name.encode(), usedforsecurity=False).hexdigest()
    rng = np.random.default_rng([task.seed, int(digest[:8], 16)])
    try:
        score = read_song(task.raw)
        factor = float(rng.uniform(0.85, 1.18))
        start, end = choose_excerpt(score, task.max_seconds * factor, rng)
    except BansoError:
        return False
    song = score.excerpt(start, end).at_tempo(factor).transposed(int(rng.integers(-5, 7)))
    num_samples = round(min(song.duration_seconds, task.max_seconds) * SAMPLE_RATE)
    singers = loaded_banks(task.banks)
    voice = sing_with(singers, song.melody, num_samples, sample_rate=SAMPLE_RATE, rng=rng)
    split = split_of(score.song_id)
    if split == "train":
        # There is no band to bleed into the microphone; pink-like noise stands in for it.
        room = np.cumsum(rng.standard_normal((2, num_samples)), axis=1)
        room -= room.mean(axis=1, keepdims=True)
        room = (0.1 * room / np.abs(room).max()).astype(np.float32)
        voice = augment_vocals(voice, room, SAMPLE_RATE, rng)
    heard = features.extract(voice)
    rows = c.assemble(heard, SAMPLE_RATE / HOP_LENGTH, lead_sheet=song.lead_sheet)
    nothing = np.zeros((len(rows), 0), dtype=np.float32)
    save_example(task.out / f"{task.name}.npz", nothing, rows[:, : c.KNOWN.start], split)
    return True
