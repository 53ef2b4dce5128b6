"""Time and memory of the main job: 47.55 s of voice, from file to file.

Each run is a fresh process that synthesises a voice, writes it as WAV and calls
`Accompanist.accompany_file`, so that peak memory is that of the job alone. One JSON line per call
is appended to `benchmarks/results/runtime.jsonl`.

    python benchmarks/bench_runtime.py --threads 2 --runs 5 --published
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

SECONDS = 1024 * 2048 / 44100  # one window: 47.55 s
SAMPLE_RATE = 44100
RESULTS = Path(__file__).parent / "results" / "runtime.jsonl"
PACKAGES = ("banso", "numpy", "onnxruntime", "soundfile", "soxr", "torch")


def sing(seconds: float = SECONDS, seed: int = 0) -> np.ndarray:
    """Synthesise a voice-like melody.

    Args:
        seconds: Length.
        seed: Of the melody.

    Returns:
        Mono waveform [1, samples] at 44.1 kHz: half-second notes of a major scale with vibrato,
        twelve falling harmonics, a breath of noise and rests.
    """
    rng = np.random.default_rng(seed)
    time_seconds = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    scale = np.array([57, 59, 61, 62, 64, 66, 68, 69])
    walk = np.cumsum(rng.integers(-2, 3, int(seconds * 2) + 1))
    steps = np.abs((walk + 7) % 14 - 7)  # turns round at either end of the scale
    note = (time_seconds * 2).astype(int)
    midi = scale[steps][note] + 0.3 * np.sin(2 * np.pi * 5.5 * time_seconds)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** ((midi - 69) / 12)) / SAMPLE_RATE
    voice = sum(0.7**h * np.sin(h * phase) for h in range(1, 13))
    envelope = np.minimum(1, 12 * (time_seconds * 2 % 1)) * (note % 8 != 7)
    breath = 0.02 * rng.standard_normal(len(time_seconds))
    return (0.12 * envelope * (voice + breath)).astype(np.float32)[None]


def run_once(bundle: Path | None, threads: int) -> dict[str, float]:
    """Do the main job in this process.

    Args:
        bundle: Folder of the bundle; None for the one in the package.
        threads: CPU threads.

    Returns:
        Seconds by phase, seconds to load, evaluations, and peak memory in MiB.
    """
    # Imported here, so that loading is timed in the process that needs it.
    start = time.perf_counter()
    from banso.audio import Audio
    from banso.files import write_audio
    from banso.options import OutputOptions
    from banso.pipeline import Accompanist

    accompanist = Accompanist.from_bundle(bundle, num_threads=threads)
    load_seconds = time.perf_counter() - start
    with TemporaryDirectory() as folder:
        source = Path(folder) / "voice.wav"
        write_audio(source, Audio(sing(), SAMPLE_RATE))
        start = time.perf_counter()
        result = accompanist.accompany_file(source, OutputOptions(output_dir=Path(folder) / "out"))
        total_seconds = time.perf_counter() - start
    timings = result.provenance.timings
    return {
        "features_seconds": timings.features_seconds,
        "denoise_seconds": timings.denoise_seconds,
        "decode_seconds": timings.decode_seconds,
        "rest_seconds": timings.rest_seconds,
        "total_seconds": total_seconds,
        "load_seconds": load_seconds,
        "num_evaluations": result.provenance.num_evaluations,
        "peak_memory_mib": _peak_memory_mib(),
    }


def in_fresh_process(arguments: list[str], threads: int) -> tuple[str, float]:
    """Run this Python with arguments; return its output and its wall-clock seconds."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    return done.stdout, seconds


def measure(bundle: Path | None, threads: int, num_runs: int) -> dict[str, Any]:
    """Repeat the job in fresh processes and measure the cold start.

    Args:
        bundle: Folder of the bundle; None for the one in the package.
        threads: CPU threads.
        num_runs: How many fresh processes.

    Returns:
        Median and 95th percentile by measure; `import_seconds` and `cold_start_seconds` are those
        of a whole process that imports banso, and one that loads the bundle too.
    """
    own = [str(Path(__file__).resolve()), "--once", "--threads", str(threads)]
    own += [] if bundle is None else ["--bundle", str(bundle)]
    load = "import sys, pathlib; from banso.pipeline import Accompanist; "
    load += "Accompanist.from_bundle(*map(pathlib.Path, sys.argv[1:]))"
    place = [] if bundle is None else [str(bundle)]
    runs = []
    for _ in range(num_runs):
        run = json.loads(in_fresh_process(own, threads)[0])
        run["import_seconds"] = in_fresh_process(["-c", "import banso"], threads)[1]
        run["cold_start_seconds"] = in_fresh_process(["-c", load, *place], threads)[1]
        runs.append(run)
    values = {key: [run[key] for run in runs] for key in runs[0]}
    return {
        "n": num_runs,
        "median": {key: float(np.median(v)) for key, v in values.items()},
        "p95": {key: float(np.quantile(v, 0.95)) for key, v in values.items()},
    }


def measure_published(threads: int) -> dict[str, float]:
    """Time the published network: one evaluation, and all 1 600 of its sampler."""
    import torch

    from banso.eval.published import time_published

    torch.set_num_threads(threads)
    timed = time_published()
    return {"evaluation_seconds": timed.evaluation_seconds, "total_seconds": timed.total_seconds}


def describe_machine() -> dict[str, Any]:
    """Commit, machine and versions, as detected; unknown is null."""
    root = Path(__file__).parent
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    names = [
        line.split(":", 1)[1].strip()
        for line in _read(Path("/proc/cpuinfo")).splitlines()
        if line.startswith("model name")
    ]
    return {
        "commit": git.stdout.strip() or None,
        "cpu": names[0] if names else platform.processor() or None,
        "cpu_count": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def main() -> None:
    """Measure, print, and append a line of results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--published", action="store_true", help="time the published network too")
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON lines to append to")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(json.dumps(run_once(options.bundle, options.threads)))
        return
    if os.getloadavg()[0] > 0.5:
        print("the machine is busy; these times will be too long", file=sys.stderr)
    line = {
        **describe_machine(),
        "seconds_of_voice": SECONDS,
        "threads": options.threads,
        "ours": measure(options.bundle, options.threads, options.runs),
        "published": measure_published(options.threads) if options.published else None,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with options.output.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=1))


def _peak_memory_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes.
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    main()
