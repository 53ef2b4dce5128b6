"""How long a singer waits at the page, and how fast the service answers while it works.

Starts `banso serve` with an empty data folder. *First sound*: Chromium opens the page, gives it
20 s of voice, and presses Play as soon as the band is there; time counts from the start of the
navigation. The same file through `Accompanist.accompany_file`, in turn with the page, tells how
fast the machine is just then. *Polling*: 200 clients ask for their jobs once a second while 8 jobs
run. One JSON line per call is appended to `benchmarks/results/web.jsonl`.

    python benchmarks/bench_web.py --runs 5
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import numpy as np
from bench_runtime import SAMPLE_RATE, describe_machine, sing

from banso.audio import Audio
from banso.files import write_audio
from banso.options import OutputOptions
from banso.pipeline import Accompanist

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VOICE_SECONDS = 20.0
NUM_CLIENTS, NUM_JOBS, POLL_SECONDS = 200, 8, 1.0
RESULTS = Path(__file__).parent / "results" / "web.jsonl"
Get = Callable[[str], Awaitable[tuple[int, Any]]]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Resolves with the milliseconds since the navigation began, in the first frame in which it holds.
WHEN = """(test) => new Promise((tell) => {
    const holds = { ready: () => document.body.dataset.ready,
                    chords: () => document.querySelector('#chords .cell'),
                    band: () => document.querySelector('.strip[data-role=accompaniment]'),
                    playing: () => document.querySelector('#cursor').dataset.seconds > 0,
                    heard: () => document.querySelector('#level').value > 0 }[test];
    const look = () => holds() ? tell(performance.now()) : requestAnimationFrame(look);
    look();
})"""


@contextmanager
def serving(folder: Path, workers: int, bundle: Path | None) -> Iterator[str]:
    """Run the service for a while; its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "banso", "serve", "--port", str(port), "--data", str(folder)]
    command += ["--workers", str(workers), "--queue-length", "100"]
    command += [] if bundle is None else ["--bundle", str(bundle)]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_works(process, address, workers)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_it_works(process: subprocess.Popen[bytes], address: str, workers: int) -> None:
    while True:
        if process.poll() is not None:
            raise SystemExit("banso serve ended; does it start by itself?")
        try:
            if httpx.get(f"{address}/api/v1/health").json()["workers_alive"] == workers:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)


def first_sound(browser: "Browser", address: str, voice: Path) -> dict[str, float]:
    """Be a singer in a hurry, once.

    Args:
        browser: Playwright's.
        address: Of the service.
        voice: The file to give.

    Returns:
        Seconds since the navigation began until: the page can be used (`ready`), chords are seen
        (`chords`), the band can be played (`band`), it plays (`playing`), its output is not silent
        (`heard`).
    """
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()
    page.goto(f"{address}/")
    times = {"ready": page.evaluate(WHEN, "ready")}
    page.set_input_files("#file", voice)
    for test in ("chords", "band"):
        times[test] = page.evaluate(WHEN, test)
    page.evaluate("document.querySelector('#play').click()")
    for test in ("playing", "heard"):
        times[test] = page.evaluate(WHEN, test)
    context.close()
    return {f"{test}_seconds": milliseconds / 1000 for test, milliseconds in times.items()}


def measure_first_sound(folder: Path, num_runs: int, bundle: Path | None) -> dict[str, Any]:
    """Repeat `first_sound`, in turn with the bare pipeline on the same file.

    Args:
        folder: To work in.
        num_runs: How often.
        bundle: Folder of the bundle; None for the one in the package.

    Returns:
        Median and 95th percentile of each time, of the bare pipeline's, and of their ratio.
    """
    from playwright.sync_api import sync_playwright

    voice = folder / "voice.wav"
    write_audio(voice, Audio(sing(VOICE_SECONDS), SAMPLE_RATE))
    accompanist = Accompanist.from_bundle(bundle, num_threads=os.cpu_count())
    path = os.environ.get("BANSO_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)))
    runs = []
    with serving(folder / "alone", 1, bundle) as address, sync_playwright() as playwright:
        arguments = ["--mute-audio", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        first_sound(browser, address, voice)  # the first one warms caches up, and does not count
        for number in range(num_runs):
            begun = time.perf_counter()
            output = OutputOptions(output_dir=folder / f"bare-{number}")
            accompanist.accompany_file(voice, output)
            bare_seconds = time.perf_counter() - begun
            run = first_sound(browser, address, voice) | {"bare_pipeline_seconds": bare_seconds}
            runs.append(run | {"heard_to_bare_ratio": run["heard_seconds"] / bare_seconds})
        browser.close()
    return {"seconds_of_voice": VOICE_SECONDS, "n": num_runs, **_statistics(runs)}


@asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Get]:
    """Keep a connection; 200 of a full HTTP client would take more time than the service."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)

    async def get(path: str) -> tuple[int, Any]:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        return int(head.split()[1]), json.loads(await reader.readexactly(length))

    try:
        yield get
    finally:
        writer.close()


async def poll(address: str, jobs: list[str]) -> dict[str, Any]:
    """Ask for jobs from many clients at once until all are over.

    Args:
        address: Of the service.
        jobs: Ids.

    Returns:
        Answers by status, median, 95th percentile and maximum of their seconds; how jobs ended.
    """
    seconds: list[float] = []
    statuses: dict[int, int] = {}
    ends: dict[str, str] = {}

    async def client(number: int) -> None:
        job = jobs[number % len(jobs)]
        await asyncio.sleep(number / NUM_CLIENTS * POLL_SECONDS)
        async with _connected(address) as get:
            while len(ends) < len(jobs):
                begun = time.perf_counter()
                status, body = await get(f"/api/v1/jobs/{job}")
                seconds.append(time.perf_counter() - begun)
                statuses[status] = statuses.get(status, 0) + 1
                if status == HTTPStatus.OK and body["state"] in ("done", "failed", "cancelled"):
                    ends[job] = body["state"]
                await asyncio.sleep(POLL_SECONDS)

    await asyncio.gather(*(client(number) for number in range(NUM_CLIENTS)))
    return {
        "answers": statuses,
        "median_seconds": float(np.median(seconds)),
        "p95_seconds": float(np.quantile(seconds, 0.95)),
        "max_seconds": max(seconds),
        "jobs_done": sum(end == "done" for end in ends.values()),
    }


def measure_polling(folder: Path, bundle: Path | None) -> dict[str, Any]:
    """Have jobs made by two workers, and poll."""
    with serving(folder / "many", 2, bundle) as address:
        api = f"{address}/api/v1"
        sound = (folder / "voice.wav").read_bytes()
        recording = httpx.post(f"{api}/recordings", content=sound, timeout=60).json()
        body = {"recording_id": recording["id"], "variations": NUM_JOBS, "seed": 1}
        jobs = httpx.post(f"{api}/jobs", json=body, timeout=60).json()["jobs"]
        polled = asyncio.run(poll(address, [job["id"] for job in jobs]))
    return {"clients": NUM_CLIENTS, "jobs": NUM_JOBS, "workers": 2, **polled}


def _statistics(runs: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    values = {key: [run[key] for run in runs] for key in runs[0]}
    return {
        "median": {key: float(np.median(v)) for key, v in values.items()},
        "p95": {key: float(np.quantile(v, 0.95)) for key, v in values.items()},
    }


def main() -> None:
    """Measure, print, and append a line of results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output", type=Path, default=RESULTS, help="JSON lines to append to")
    options = parser.parse_args()
    if os.getloadavg()[0] > 0.5:
        print("the machine is busy; these times will be too long", file=sys.stderr)
    machine = describe_machine()
    with TemporaryDirectory() as name:
        line = {
            **machine,
            "first_sound": measure_first_sound(Path(name), options.runs, options.bundle),
            "polling": measure_polling(Path(name), options.bundle),
        }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with options.output.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    print(json.dumps(line, indent=1))


if __name__ == "__main__":
    main()
