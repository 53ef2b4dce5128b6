"""What tests of the service share: workers without processes, and a real server to be killed."""

import io
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from banso.web.messages import CANCELLED, DONE, PROGRESS, Message, WorkerDiedError
from banso.web.performing import CancelledTaskError, perform
from fakes import fake_accompanist

DEBUG_BUNDLE = Path(__file__).parent / "data" / "debug_bundle"
API = "/api/v1"


def wav_bytes(seconds=1.0, sample_rate=44_100, peak=0.3):
    """A sung A as a WAV file."""
    time_axis = np.arange(round(seconds * sample_rate)) / sample_rate
    tone = (
        peak * np.sin(2 * np.pi * 220 * time_axis) * (0.6 + 0.4 * np.sin(2 * np.pi * 2 * time_axis))
    )
    file = io.BytesIO()
    soundfile.write(file, tone.astype(np.float32), sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


class ThreadWorker:
    """Does tasks in a thread of the test, with the accompanist that needs no bundle."""

    def __init__(self):
        self.alive = False
        self._said = queue.Queue()
        self._cancelled = threading.Event()

    def start(self):
        self.alive = True

    def begin(self, task):
        self._cancelled.clear()
        threading.Thread(target=self._do, args=(task,), daemon=True).start()

    def receive(self, timeout_seconds):
        try:
            return self._said.get(timeout=timeout_seconds)
        except queue.Empty:
            return None

    def cancel(self):
        self._cancelled.set()

    def kill(self):
        self.alive = False

    def _do(self, task):
        def on_progress(fraction):
            if self._cancelled.is_set():
                raise CancelledTaskError
            self._said.put(Message(kind=PROGRESS, fraction=fraction))

        self._said.put(perform(task, fake_accompanist(), on_progress))


class ScriptedWorker:
    """Does what a test tells it to: each task takes one list: messages, seconds to wait, or
    `die`."""

    def __init__(self, *scripts):
        self.alive = False
        self.num_starts = self.num_kills = self.num_cancels = 0
        self.tasks = []
        self._scripts = list(scripts)
        self._now = []

    def start(self):
        self.alive = True
        self.num_starts += 1

    def begin(self, task):
        self.tasks.append(task)
        self._now = list(self._scripts.pop(0)) if self._scripts else []

    def receive(self, timeout_seconds):
        if not self._now:
            time.sleep(min(timeout_seconds, 0.01))
            return None
        item = self._now.pop(0)
        if item == "die":
            self.alive = False
            raise WorkerDiedError("it died")
        if isinstance(item, float):
            time.sleep(item)
            return None
        if isinstance(item, Message) and item.kind == DONE:
            Path(self.tasks[-1].complete).mkdir()
        return item

    def cancel(self):
        self.num_cancels += 1
        self._now = [Message(kind=CANCELLED)]

    def kill(self):
        self.alive = False
        self.num_kills += 1


def wait_until(holds, seconds=20.0):
    """Wait for something to become true; what it returned then."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


class Server:
    """A real server process, with real workers and the small bundle."""

    def __init__(self, data_folder, *options):
        self.data_folder = data_folder
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            *(sys.executable, "-m", "banso", "serve", "--port", str(self.port)),
            *("--data", str(data_folder), "--bundle", str(DEBUG_BUNDLE), *options),
        ]
        self.process = None

    def start(self):
        log = (Path(self.data_folder).parent / "server.log").open("ab")
        with log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(lambda: self._is_ready(), 90)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def get(self, path):
        with urllib.request.urlopen(self.url + API + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, path, body=None, data=None):
        data = json.dumps(body).encode() if data is None else data
        request = urllib.request.Request(self.url + API + path, data=data, method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def upload(self, seconds=1.0):
        return self.post("/recordings?name=song.wav", data=wav_bytes(seconds))["id"]

    def worker_pids(self):
        """Processes that the server started, as the kernel tells."""
        folder = Path(f"/proc/{self.process.pid}/task")
        children = [(task / "children").read_text().split() for task in folder.iterdir()]
        return [int(pid) for pids in children for pid in pids]

    def _is_ready(self):
        assert self.process.poll() is None, "the server ended; see server.log"
        try:
            return self.get("/health")["status"] == "ok"
        except (urllib.error.URLError, ConnectionError):
            return False


@contextmanager
def served(app):
    """An application on a port of this machine, in a thread; its address."""
    import uvicorn

    port = _free_port()
    config = uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running_server(data_folder, *options):
    """A server for the length of a test."""
    server = Server(data_folder, *options)
    server.start()
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def is_running(pid):
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def end(pid):
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
