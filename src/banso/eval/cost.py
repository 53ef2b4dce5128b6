"""What one accompaniment costs in time and memory, measured in a process of its own."""

import multiprocessing
import os
import platform
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from banso.audio import Audio
from banso.eval.hearing import Array
from banso.options import GenerationOptions
from banso.pipeline import Accompanist


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one accompaniment cost.

    Attributes:
        music_seconds: Its length.
        load_seconds: Clock time to load the bundle.
        clock_seconds: Clock time to accompany.
        cpu_seconds: Processor time to accompany, all threads together.
        peak_mib: Most memory that the process held.
        machine: Processor architecture and number of cores.
    """

    music_seconds: float
    load_seconds: float
    clock_seconds: float
    cpu_seconds: float
    peak_mib: float
    machine: str


def measure_cost(
    bundle: Path | None, samples: Array, sample_rate: int, options: GenerationOptions
) -> Cost:
    """Accompany a voice in a fresh process and measure it.

    Args:
        bundle: Folder of the model; None takes the one inside the package.
        samples: The voice [channels, samples].
        sample_rate: In Hz.
        options: As for every use.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measure, bundle, samples, sample_rate, options).result()


def _measure(
    bundle: Path | None, samples: Array, sample_rate: int, options: GenerationOptions
) -> Cost:
    start = time.perf_counter()
    accompanist = Accompanist.from_bundle(bundle)
    loaded = time.perf_counter()
    cpu = time.process_time()
    accompanist.accompany(Audio(samples, sample_rate), options)
    return Cost(
        music_seconds=samples.shape[1] / sample_rate,
        load_seconds=loaded - start,
        clock_seconds=time.perf_counter() - loaded,
        cpu_seconds=time.process_time() - cpu,
        peak_mib=peak_mib(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores",
    )


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # `ru_maxrss` of a spawned process begins with its parent's peak.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return float(lines["VmHWM"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024**2 if sys.platform == "darwin" else peak / 1024
