"""Lanes: whatever happens to a worker, each job ends in the right state."""

import json

import pytest

from banso.web.board import Board
from banso.web.folders import DataFolder
from banso.web.jobs import (
    ACCOMPANY,
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    Failure,
    Job,
    StoredRecording,
    new_id,
)
from banso.web.lanes import MAX_ATTEMPTS, Lanes
from banso.web.messages import Message, Task, WorkerDiedError
from banso.web.metrics import Metrics
from banso.web.settings import ServiceSettings
from banso.web.store import Store
from web_service import ScriptedWorker, wait_until

PROGRESS = Message(kind="progress", fraction=0.5)
FINISHED = Message(kind="done", result={"files": []})


class Bench:
    """A store with one recording, lanes with scripted workers, and what they leave."""

    def __init__(self, folder, worker, **settings):
        self.worker = worker
        self.folder = DataFolder(folder)
        self.store, self.board, self.metrics = Store(self.folder.database), Board(), Metrics()
        values = {"data_folder": folder, **settings}
        self.lanes = Lanes(
            ServiceSettings(**values), self.store, self.folder, self.board, self.metrics,
            lambda: worker,
        )  # fmt: skip
        self.recording = StoredRecording(
            id=new_id(), name="song.wav", created=1.0, size_bytes=1, duration_seconds=1.0,
            sample_rate=44_100, num_channels=1,
        )  # fmt: skip
        self.store.add_recording(self.recording)

    def add(self):
        job = Job(
            id=new_id(), recording_id=self.recording.id, kind=ACCOMPANY, state=QUEUED,
            request={}, created=1.0,
        )  # fmt: skip
        self.store.add_jobs([job], 10)
        self.lanes.wake()
        return job.id

    def state(self, job_id):
        return self.store.job(job_id).state

    def ended(self, job_id):
        return wait_until(lambda: (job := self.store.job(job_id)).is_final and job)


@pytest.fixture
def bench(tmp_path):
    made = []

    def make(*scripts, worker=None, **settings):
        bench = Bench(tmp_path / "data", worker or ScriptedWorker(*scripts), **settings)
        bench.lanes.start()
        made.append(bench)
        return bench

    yield make
    for bench in made:
        bench.lanes.stop()
        bench.store.close()


def test_a_job_is_done_and_its_progress_told(bench):
    bench = bench([PROGRESS, FINISHED])
    job = bench.ended(bench.add())
    assert job.state == DONE
    assert job.result == {"files": []}
    assert bench.worker.tasks[0].name == "song.wav"


def test_a_failure_is_kept(bench):
    failure = Failure(code="unusable_recording", message="it is silent")
    bench = bench([Message(kind="failed", failure=failure)])
    job = bench.ended(bench.add())
    assert (job.state, job.failure) == (FAILED, failure)


def test_a_job_whose_worker_dies_gets_another(bench):
    bench = bench([PROGRESS, "die"], [FINISHED])
    job = bench.ended(bench.add())
    assert (job.state, job.attempts) == (DONE, 2)
    assert bench.worker.num_starts == 2
    assert "banso_worker_restarts_total 1" in bench.metrics.text({}, {})


def test_a_job_that_kills_its_workers_is_given_up(bench):
    bench = bench(*[["die"]] * MAX_ATTEMPTS, [FINISHED])
    bad, good = bench.add(), bench.add()
    job = bench.ended(bad)
    assert (job.state, job.failure.code) == (FAILED, "worker_died")
    assert bench.ended(good).state == DONE


def test_a_job_that_takes_too_long_is_ended_with_its_worker(bench):
    bench = bench([PROGRESS], job_seconds=0.3)
    job = bench.ended(bench.add())
    assert (job.state, job.failure.code) == (FAILED, "took_too_long")
    assert bench.worker.num_kills == 1


def test_running_and_waiting_jobs_are_cancelled(bench):
    bench = bench([PROGRESS])
    running, waiting = bench.add(), bench.add()
    wait_until(lambda: bench.state(running) == RUNNING)
    for job_id in (waiting, running):
        bench.lanes.cancel(bench.store.job(job_id))
    assert bench.ended(waiting).state == CANCELLED
    assert bench.ended(running).state == CANCELLED
    assert bench.worker.num_cancels == 1
    assert len(bench.worker.tasks) == 1


def test_a_worker_that_does_not_listen_is_killed(bench, monkeypatch):
    class Deaf(ScriptedWorker):
        def cancel(self):
            self.num_cancels += 1

    monkeypatch.setattr("banso.web.lanes._CANCEL_SECONDS", 0.2)
    bench = bench(worker=Deaf([PROGRESS]))
    job_id = bench.add()
    wait_until(lambda: bench.state(job_id) == RUNNING)
    bench.lanes.cancel(bench.store.job(job_id))
    assert bench.ended(job_id).state == CANCELLED
    assert bench.worker.num_kills == 1


def test_a_result_for_a_deleted_job_is_deleted(bench):
    bench = bench([PROGRESS, 0.5, FINISHED])
    job_id = bench.add()
    wait_until(lambda: bench.state(job_id) == RUNNING)
    bench.store.delete_recording(bench.recording.id)
    wait_until(lambda: not bench.worker._now)
    wait_until(lambda: not bench.folder.result(job_id).exists())


def test_a_stop_gives_jobs_back_without_blame(tmp_path):
    bench = Bench(tmp_path / "data", ScriptedWorker([PROGRESS]))
    bench.lanes.start()
    job_id = bench.add()
    wait_until(lambda: bench.board.fraction(job_id) == 0.5)
    bench.lanes.stop()
    job = bench.store.job(job_id)
    assert (job.state, job.attempts) == (QUEUED, 0)
    bench.store.close()


def test_a_worker_that_cannot_start_is_tried_again_and_told_of(bench, monkeypatch):
    class Slow(ScriptedWorker):
        def start(self):
            super().start()
            if self.num_starts == 1:
                self.alive = False
                raise WorkerDiedError("no bundle")

    told = []
    monkeypatch.setattr(Lanes, "_pause", lambda self, error, seconds: told.append(str(error)))
    bench = bench(worker=Slow([FINISHED]))
    assert bench.ended(bench.add()).state == DONE
    assert told == ["no bundle"]
    assert bench.lanes.num_alive == 1


def test_messages_survive_the_way_between_processes():
    failure = Failure(code="a", message="行\nb")
    for message in (PROGRESS, FINISHED, Message(kind="failed", failure=failure)):
        line = message.to_line()
        assert "\n" not in line
        assert Message.from_line(line) == message
    task = Task(
        id="1", kind="analyze", audio="/a", name="歌", part="/p", complete="/c", request={"x": 1.5}
    )
    assert Task.from_line(task.to_line()) == task
    assert json.loads(task.to_line())["earlier"] is None
