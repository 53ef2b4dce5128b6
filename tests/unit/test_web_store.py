"""The service's memory: what it keeps, in which order, and what a second server is told."""

import dataclasses

import pytest

from banso.errors import ConfigError
from banso.web.jobs import (
    ACCOMPANY,
    ANALYZE,
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
from banso.web.store import QueueFullError, Store, UnknownRecordingError


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store.sqlite3")
    yield store
    store.close()


@pytest.fixture
def recording(store):
    recording = StoredRecording(
        id=new_id(),
        name="歌.wav",
        created=100.0,
        size_bytes=5,
        duration_seconds=1.5,
        sample_rate=48_000,
        num_channels=1,
    )
    store.add_recording(recording)
    return recording


def job(recording, kind=ACCOMPANY, created=1.0, **request):
    values = {"id": new_id(), "recording_id": recording.id, "kind": kind, "state": QUEUED}
    return Job(**values, request=request, created=created)


def test_what_is_added_is_found_again_after_reopening(tmp_path, store, recording):
    queued = job(recording, style="rock", seed=2**63 - 1)
    store.add_jobs([queued], 10)
    store.close()
    again = Store(tmp_path / "store.sqlite3")
    assert again.recording(recording.id) == recording
    assert again.job(queued.id) == queued
    again.close()


def test_jobs_are_claimed_in_order_and_analyses_first(store, recording):
    slow = [job(recording, created=t) for t in (1.0, 2.0)]
    quick = job(recording, ANALYZE, created=3.0)
    store.add_jobs([*slow, quick], 10)
    assert store.num_ahead(quick) == 0
    assert store.num_ahead(slow[1]) == 2
    claimed = [store.claim() for _ in range(4)]
    assert [c and c.id for c in claimed] == [quick.id, slow[0].id, slow[1].id, None]
    assert all(c.state == RUNNING and c.attempts == 1 and c.started > 0 for c in claimed[:3])


def test_the_queue_takes_all_jobs_of_a_request_or_none(store, recording):
    store.add_jobs([job(recording)], 3)
    with pytest.raises(QueueFullError, match="1 jobs wait already, 3 may"):
        store.add_jobs([job(recording) for _ in range(3)], 3)
    assert len(store.jobs()) == 1
    store.add_jobs([job(recording) for _ in range(2)], 3)
    assert len(store.jobs()) == 3


def test_a_job_needs_its_recording(store, recording):
    store.delete_recording(recording.id)
    with pytest.raises(UnknownRecordingError):
        store.add_jobs([job(recording)], 3)


def test_states_change_only_from_where_a_job_is(store, recording):
    first = job(recording)
    store.add_jobs([first], 3)
    assert not store.finish(first.id, {"x": 1})
    store.claim()
    assert not store.cancel(first.id, QUEUED)
    assert store.finish(first.id, {"x": 1})
    assert not store.fail(first.id, Failure(code="a", message="b"))
    done = store.job(first.id)
    assert (done.state, done.result, done.is_final) == (DONE, {"x": 1}, True)
    assert done.finished >= done.started


def test_a_failure_keeps_code_and_message(store, recording):
    store.add_jobs([job(recording)], 3)
    claimed = store.claim()
    store.fail(claimed.id, Failure(code="broken", message="it broke"))
    failed = store.job(claimed.id)
    assert failed.state == FAILED
    assert failed.failure == Failure(code="broken", message="it broke")


def test_a_job_that_starts_again_keeps_its_place(store, recording):
    jobs = [job(recording, created=t) for t in (1.0, 2.0)]
    store.add_jobs(jobs, 5)
    first = store.claim()
    store.requeue(first.id, attempts=first.attempts)
    assert store.claim().id == jobs[0].id
    assert store.job(jobs[0].id).attempts == 2


def test_deleting_a_recording_deletes_its_jobs(store, recording):
    store.add_jobs([job(recording)], 3)
    assert store.delete_recording(recording.id)
    assert not store.delete_recording(recording.id)
    assert store.jobs() == []


def test_only_jobs_that_are_over_can_be_deleted(store, recording):
    store.add_jobs([job(recording)], 3)
    (only,) = store.jobs()
    assert not store.delete_job(only.id)
    store.cancel(only.id, QUEUED)
    assert store.job(only.id).state == CANCELLED
    assert store.delete_job(only.id)


def test_expired_recordings_are_old_and_so_are_their_jobs(store, recording):
    fresh = dataclasses.replace(recording, id=new_id(), created=500.0)
    busy = dataclasses.replace(recording, id=new_id())
    store.add_recording(fresh)
    store.add_recording(busy)
    store.add_jobs([job(busy)], 3)
    assert store.expired(before=200.0) == [recording.id]


def test_a_second_server_on_the_same_folder_is_refused(tmp_path, store, recording):
    with pytest.raises(ConfigError, match="another banso"):
        Store(tmp_path / "store.sqlite3")


def test_a_damaged_file_is_one_clear_error(tmp_path):
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(ConfigError, match="damaged"):
        Store(path)
