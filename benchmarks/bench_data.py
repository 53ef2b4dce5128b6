"""Speed and memory of the data engine: songs rendered, sung and heard, as multiples of real time.

Songs of POP909 go through the steps of `banso prepare` and the features of `banso prepare cache`
in worker processes of one thread each. CPU time, FluidSynth's included, is told beside wall time,
since it hardly depends on what else the machine does. After every song each worker gives back to
the system what it does not need; what it still holds is read, and its growth from song to song,
once everything is loaded, is the leak. One JSON line per call is appended to
`benchmarks/results/data.jsonl`.

    python benchmarks/bench_data.py --root data/pop909 --songs 30 --workers 2
    python benchmarks/bench_data.py --root data/pop909 --songs 500 --max-seconds 10
"""

import argparse
import os
import platform
import resource
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from records import keep

from banso import features
from banso.data.arranger import arrange, choose_style
from banso.data.augment import augment_vocals
from banso.data.prepare import ScoreFile, choose_excerpt, choose_soundfont
from banso.data.render import SAMPLE_RATE, render_band
from banso.data.sampled import sing_with
from banso.data.sources.pop909 import read_corpus
from banso.data.studio import Studio, open_studio
from banso.data.workers import give_back_memory
from banso.errors import DataError
from banso.eval.cost import peak_mib

RESULTS = Path(__file__).parent / "results" / "data.jsonl"
PACKAGES = ("banso", "numpy", "scipy", "mido")
# Banks, drummer and rooms are loaded when they are first asked for, in any of the first songs.
WARMING_SHARE = 0.25

T = TypeVar("T")


def cpu_seconds() -> float:
    """CPU time of this process and of the programs that it has run."""
    own, run = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + run.ru_utime + run.ru_stime


def held_mib() -> float:
    """Memory that this process really holds: without files, and without what was freed."""
    give_back_memory()
    _, resident, shared = Path("/proc/self/statm").read_text(encoding="ascii").split()[:3]
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE") / 2**20


class Stopwatch:
    """CPU seconds by step."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def __call__(self, name: str, step: Callable[..., T], *args: object, **kwargs: object) -> T:
        """Run a step and count its time."""
        before = cpu_seconds()
        result = step(*args, **kwargs)
        self.seconds[name] += cpu_seconds() - before
        return result


def make_song(raw: ScoreFile, studio: Studio, seed: int, max_seconds: float) -> dict[str, Any]:
    """Do all that an item needs, without writing it.

    Returns:
        Seconds of music, CPU seconds by step, the process, and in MiB the memory that it holds
        afterwards and its peak so far; no music if the song has to be rejected.
    """
    watch = Stopwatch()
    seconds = _perform(watch, raw, studio, seed, max_seconds)
    return {
        "seconds": seconds,
        "steps": dict(watch.seconds),
        "process": os.getpid(),
        "held": held_mib(),
        "peak": peak_mib(),
    }


def _perform(
    watch: Stopwatch, raw: ScoreFile, studio: Studio, seed: int, max_seconds: float
) -> float:
    """Make one song step by step; return how long it is, 0 if it has to be rejected."""
    rng = np.random.default_rng(seed)
    try:
        score = watch("read", raw.read)
        start, end = choose_excerpt(score, max_seconds, rng)
    except DataError:
        return 0.0
    song = score.excerpt(start, end)
    num_samples = round(song.duration_seconds * SAMPLE_RATE)
    drummer, singers = studio.drummer(), studio.singers()
    rooms = studio.impulse_responses()
    band = watch("arrange", arrange, song, choose_style(song, rng), rng, drummer)
    soundfont = choose_soundfont(studio.soundfonts, rng)
    mix = watch("render", render_band, band, num_samples, soundfont.path, rng).mix
    voice = watch(
        "sing", sing_with, singers, song.melody, num_samples, sample_rate=SAMPLE_RATE, rng=rng
    )
    worn = watch(
        "augment", augment_vocals, voice, mix, SAMPLE_RATE, rng,
        rooms=rooms, codecs=studio.codecs,
    )  # fmt: skip
    watch("features", features.extract, worn)
    return num_samples / SAMPLE_RATE


def measure(
    corpus: list[ScoreFile], studio: Studio, workers: int, max_seconds: float
) -> dict[str, Any]:
    """Make all songs and add up.

    Returns:
        Multiples of real time by wall clock and by CPU time on so many cores, by step, and memory;
        see `memory_of`.
    """
    start = time.perf_counter()
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = [
            pool.submit(make_song, raw, studio, number, max_seconds)
            for number, raw in enumerate(corpus)
        ]
        done = [future.result() for future in futures]
    wall = time.perf_counter() - start
    music = sum(song["seconds"] for song in done)
    steps: Counter[str] = Counter()
    for song in done:
        steps.update(song["steps"])
    return {
        "songs": sum(song["seconds"] > 0 for song in done),
        "music_seconds": round(music, 1),
        "wall_seconds": round(wall, 1),
        "times_real_time_by_wall_clock": round(music / wall, 1),
        "times_real_time_by_cpu_time": round(workers * music / sum(steps.values()), 1),
        "times_real_time_of_a_core_by_step": {
            name: round(music / seconds, 1) for name, seconds in steps.most_common()
        },
        **memory_of(done),
    }


def memory_of(done: list[dict[str, Any]]) -> dict[str, float]:
    """Peak of a worker, what it holds after its last song, and how that grows.

    The growth is the median slope between all pairs of songs of a worker after the warm-up (Theil
    and Sen), the largest of all workers: a few songs that hold more do not count as a trend.
    """
    growths, last = [], []
    for process in {song["process"] for song in done}:
        held = np.array([song["held"] for song in done if song["process"] == process])
        held = held[round(WARMING_SHARE * len(held)) :]
        first, second = np.triu_indices(len(held), 1)
        if len(first):
            growths.append(100 * float(np.median((held[second] - held[first]) / (second - first))))
        last.append(float(held[-1]))
    return {
        "peak_mib": round(max(song["peak"] for song in done), 1),
        "held_mib": round(max(last), 1),
        "growth_mib_per_100_songs": round(max(growths, default=0.0), 2),
    }


def main() -> None:
    """Measure, tell and append to the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--root", type=Path, required=True, help="folder that holds POP909")
    parser.add_argument("--songs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-seconds", type=float, default=96.0)
    parser.add_argument("--grooves", type=Path, help="Groove MIDI")
    parser.add_argument("--voicebanks", type=Path, help="folder of UTAU voice banks")
    parser.add_argument("--rooms", type=Path, help="folder of impulse responses")
    parser.add_argument("--work", type=Path, default=Path("work/bench-data"))
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))
    studio = open_studio(
        options.work, grooves=options.grooves, voicebanks=options.voicebanks, rooms=options.rooms
    )
    corpus: list[ScoreFile] = list(read_corpus(options.root))
    order = np.random.default_rng(0).permutation(len(corpus))
    chosen = [corpus[order[i % len(order)]] for i in range(options.songs)]
    result = measure(chosen, studio, options.workers, options.max_seconds)
    record = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "workers": options.workers,
        "studio": {
            "grooves": options.grooves is not None,
            "voicebanks": len(studio.banks),
            "rooms": options.rooms is not None,
        },
        **result,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    keep(RESULTS, record)


if __name__ == "__main__":
    main()
