"""The way to a Ray cluster, with a stand-in for Ray: bytes go there, files come back."""

import sys
import types
from pathlib import Path

import pytest

from banso.errors import ConfigError
from banso.pipeline import Accompanist
from banso.web.messages import Task, WorkerDiedError
from banso.web.ray_engine import RayWorker, Replica, ray_workers
from banso.web.settings import ServiceSettings
from fakes import fake_accompanist
from web_service import wait_until, wav_bytes


@pytest.fixture
def replica(monkeypatch):
    monkeypatch.setattr(
        Accompanist, "from_bundle", lambda path=None, num_threads=None: fake_accompanist()
    )
    return Replica(None, 1)


@pytest.fixture
def task(tmp_path):
    audio = tmp_path / "audio"
    audio.write_bytes(wav_bytes())
    return Task(
        id="1", kind="accompany", audio=str(audio), name="song.wav", part=str(tmp_path / "part"),
        complete=str(tmp_path / "complete"), request={"seed": 1},
    )  # fmt: skip


def last(worker):
    said = []

    def over():
        message = worker.receive(0.1)
        said.extend([message] if message else [])
        return said and said[-1].is_last

    wait_until(over)
    return said


def test_a_task_goes_to_the_cluster_and_its_files_come_back(replica, task, tmp_path):
    worker = RayWorker(replica.do)
    worker.start()
    worker.begin(task)
    said = last(worker)
    assert said[-1].kind == "done", said[-1]
    fractions = [message.fraction for message in said[:-1]]
    assert fractions == sorted(fractions)
    assert len(fractions) > 2
    files = {path.name for path in (tmp_path / "complete").iterdir()}
    assert {"accompaniment.wav", "mix.wav", "result.json"} <= files
    assert {file["name"] for file in said[-1].result["files"]} <= files
    assert not (tmp_path / "part").exists()


def test_a_failure_speaks_of_the_recording_by_its_name(replica, task):
    Path(task.audio).write_bytes(b"")
    worker = RayWorker(replica.do)
    worker.begin(task)
    failure = last(worker)[-1].failure
    assert failure.code == "unusable_recording"
    assert failure.message == "song.wav is empty"


def test_a_lost_replica_is_a_worker_that_died(task):
    def lost(line, audio):
        raise RuntimeError("node gone")
        yield

    worker = RayWorker(lost)
    worker.begin(task)
    with pytest.raises(WorkerDiedError, match="RuntimeError"):
        last(worker)


def test_a_cancelled_task_is_over_at_once(replica, task, tmp_path):
    class Slow:
        def __init__(self, line, audio):
            self.cancelled = False

        def __iter__(self):
            return self

        def __next__(self):
            wait_until(lambda: self.cancelled)
            raise StopIteration

        def cancel(self):
            self.cancelled = True

    worker = RayWorker(Slow)
    worker.begin(task)
    worker.cancel()
    assert last(worker)[-1].kind == "cancelled"
    assert not (tmp_path / "complete").exists()


def test_replicas_are_started_as_the_settings_say(tmp_path, monkeypatch, replica):
    asked = {}

    class Deployment:
        def bind(self, *arguments):
            asked["arguments"] = arguments
            return self

    def deployment(target, **options):
        asked.update(options, target=target)
        return Deployment()

    handle = types.SimpleNamespace(do=types.SimpleNamespace(remote=replica.do))
    handle.options = lambda stream: handle if stream else None
    serve = types.SimpleNamespace(deployment=deployment, run=lambda bound, **options: handle)
    serve.start = lambda **options: asked.update(options)
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(serve=serve))
    monkeypatch.setitem(sys.modules, "ray.serve", serve)
    settings = ServiceSettings(data_folder=tmp_path, engine="ray", workers=3)
    make = ray_workers(settings)
    assert (asked["target"], asked["num_replicas"]) == (Replica, 3)
    assert asked["arguments"] == (None, settings.threads_per_worker)
    assert asked["proxy_location"] == "Disabled"
    assert make().alive


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"banso\[cluster\]"):
        ray_workers(ServiceSettings(data_folder=tmp_path, engine="ray"))
