"""The service's memory: recordings and jobs in SQLite, every change on the disk before it counts.

One process owns the file. It holds SQLite's exclusive lock, so a second server on the same folder
is refused, and a killed one leaves no lock behind.

References:
    SQLite documentation, "Write-Ahead Logging" and "PRAGMA synchronous".
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from banso.errors import BansoError, ConfigError
from banso.web.jobs import (
    CANCELLED,
    DONE,
    FAILED,
    FINAL_STATES,
    QUEUED,
    RUNNING,
    Failure,
    Job,
    StoredRecording,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recordings (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, size_bytes INTEGER NOT NULL,
    duration_seconds REAL NOT NULL, sample_rate INTEGER NOT NULL, num_channels INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    recording_id TEXT NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('analyze', 'accompany')),
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    request TEXT NOT NULL, created REAL NOT NULL, started REAL, finished REAL,
    attempts INTEGER NOT NULL DEFAULT 0, failure TEXT, result TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, created);
CREATE INDEX IF NOT EXISTS jobs_by_recording ON jobs (recording_id);
PRAGMA user_version = 1;
"""
_VERSION = 1
_LOCK_SECONDS = 1.0


class QueueFullError(BansoError):
    """No more jobs may wait."""


class UnknownRecordingError(BansoError):
    """A job asks for a recording that is not there."""


class Store:
    """Recordings and jobs; safe to use from several threads.

    Args:
        path: The SQLite file.

    Raises:
        ConfigError: If another server uses it, it is damaged, or a newer banso wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                path, check_same_thread=False, isolation_level=None, timeout=2.0
            )
            self._connection.row_factory = sqlite3.Row
            # In this order: the lock mode must be set before the write-ahead log is opened.
            for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("PRAGMA foreign_keys = ON")
            version = self._connection.execute("PRAGMA user_version").fetchone()[0]
            if version > _VERSION:
                raise ConfigError(f"{path} was written by a newer banso; update banso")
            self._connection.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise ConfigError(
                f"cannot open {path}: {error}; is another banso serving the same --data folder?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(f"{path} is damaged: {error}; name another --data folder") from error

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            self._connection.close()

    def add_recording(self, recording: StoredRecording) -> None:
        """Remember a recording."""
        values = (
            recording.id,
            recording.name,
            recording.created,
            recording.size_bytes,
            recording.duration_seconds,
            recording.sample_rate,
            recording.num_channels,
        )
        with self._writing() as connection:
            connection.execute("INSERT INTO recordings VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def recording(self, recording_id: str) -> StoredRecording | None:
        """Look a recording up."""
        rows = self._read("SELECT * FROM recordings WHERE id = ?", (recording_id,))
        return StoredRecording(**dict(rows[0])) if rows else None

    def recordings(self, limit: int = -1) -> list[StoredRecording]:
        """Return the newest recordings, newest first."""
        query = "SELECT * FROM recordings ORDER BY created DESC, id LIMIT ?"
        return [StoredRecording(**dict(row)) for row in self._read(query, (limit,))]

    def num_takes(self, recording_id: str | None = None) -> dict[str, int]:
        """Return how many accompaniments are done, by recording; none is not listed."""
        query = (
            "SELECT recording_id AS id, count(*) AS number FROM jobs WHERE state = 'done' AND "
            "kind = 'accompany' AND (?1 IS NULL OR recording_id = ?1) GROUP BY recording_id"
        )
        return {row["id"]: row["number"] for row in self._read(query, (recording_id,))}

    def delete_recording(self, recording_id: str) -> bool:
        """Forget a recording and its jobs; return whether it was known."""
        with self._writing() as connection:
            done = connection.execute("DELETE FROM recordings WHERE id = ?", (recording_id,))
        return done.rowcount > 0

    def add_jobs(self, jobs: Sequence[Job], queue_length: int) -> None:
        """Queue jobs, all or none.

        Raises:
            QueueFullError: If more than `queue_length` would wait.
            UnknownRecordingError: If the recording has been deleted meanwhile.
        """
        with self._writing() as connection:
            waiting = connection.execute("SELECT count(*) FROM jobs WHERE state = 'queued'")
            num_waiting = waiting.fetchone()[0]
            if num_waiting + len(jobs) > queue_length:
                raise QueueFullError(
                    f"{num_waiting} jobs wait already, {queue_length} may; try again in a while"
                )
            values = [
                (j.id, j.recording_id, j.kind, j.state, json.dumps(j.request), j.created)
                for j in jobs
            ]
            query = "INSERT INTO jobs (id, recording_id, kind, state, request, created)"
            try:
                connection.executemany(f"{query} VALUES (?, ?, ?, ?, ?, ?)", values)
            except sqlite3.IntegrityError as error:
                raise UnknownRecordingError("the recording is not there any more") from error

    def job(self, job_id: str) -> Job | None:
        """Look a job up."""
        rows = self._read("SELECT * FROM jobs WHERE id = ?", (job_id,))
        return _job(rows[0]) if rows else None

    def jobs(self, *, recording_id: str | None = None, limit: int = -1) -> list[Job]:
        """Return the newest jobs, of one recording or of all, newest first."""
        query = (
            "SELECT * FROM jobs WHERE ?1 IS NULL OR recording_id = ?1 "
            "ORDER BY created DESC, rowid DESC LIMIT ?2"
        )
        return [_job(row) for row in self._read(query, (recording_id, limit))]

    def jobs_in(self, *states: str) -> list[Job]:
        """Return the jobs in some states, oldest first."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY created, rowid"
        return [_job(row) for row in self._read(query, states)]

    def count(self) -> dict[str, int]:
        """Return how many jobs are in each state that has any."""
        rows = self._read("SELECT state, count(*) AS number FROM jobs GROUP BY state")
        return {row["state"]: row["number"] for row in rows}

    def num_ahead(self, job: Job) -> int:
        """Return how many waiting jobs will be taken up before this one."""
        query = (
            "SELECT count(*) FROM jobs AS o, jobs AS me WHERE me.id = ? AND o.state = 'queued' "
            "AND (o.kind != 'analyze', o.created, o.rowid) "
            "< (me.kind != 'analyze', me.created, me.rowid)"
        )
        return int(self._read(query, (job.id,))[0][0])

    def claim(self) -> Job | None:
        """Take up the next job: short ones first, then in order; it is now running."""
        with self._writing() as connection:
            rows = connection.execute(
                "UPDATE jobs SET state = ?, started = ?, attempts = attempts + 1 WHERE id = "
                "(SELECT id FROM jobs WHERE state = ? "
                "ORDER BY kind != 'analyze', created, rowid LIMIT 1) RETURNING *",
                (RUNNING, time.time(), QUEUED),
            ).fetchall()
        return _job(rows[0]) if rows else None

    def requeue(self, job_id: str, attempts: int) -> bool:
        """Let a running job start again; it keeps its place, and counts as tried so often."""
        query = "UPDATE jobs SET state = ?, started = NULL, attempts = ? WHERE id = ? AND state = ?"
        with self._writing() as connection:
            values = (QUEUED, attempts, job_id, RUNNING)
            return connection.execute(query, values).rowcount > 0

    def finish(self, job_id: str, result: dict[str, Any]) -> bool:
        """Note what came of a running job."""
        return self._move(job_id, RUNNING, DONE, result=json.dumps(result))

    def fail(self, job_id: str, failure: Failure) -> bool:
        """Note why a running job came to nothing."""
        told = json.dumps({"code": failure.code, "message": failure.message})
        return self._move(job_id, RUNNING, FAILED, failure=told)

    def cancel(self, job_id: str, state: str) -> bool:
        """Note that a job in a certain state has been cancelled."""
        return self._move(job_id, state, CANCELLED)

    def delete_job(self, job_id: str) -> bool:
        """Forget a job that is over; return whether it was known and over."""
        marks = ", ".join("?" * len(FINAL_STATES))
        query = f"DELETE FROM jobs WHERE id = ? AND state IN ({marks})"
        with self._writing() as connection:
            return connection.execute(query, (job_id, *FINAL_STATES)).rowcount > 0

    def expired(self, before: float) -> list[str]:
        """Return the recordings that are older, as are all their jobs, none of which is open."""
        query = (
            "SELECT id FROM recordings WHERE created < ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE "
            "recording_id = recordings.id AND (finished IS NULL OR finished >= ?1))"
        )
        return [row["id"] for row in self._read(query, (before,))]

    def _move(
        self,
        job_id: str,
        old: str,
        new: str,
        *,
        failure: str | None = None,
        result: str | None = None,
    ) -> bool:
        """Change a job's state; return whether it was in the old one."""
        finished = time.time() if new in FINAL_STATES else None
        query = (
            "UPDATE jobs SET state = ?, finished = ?, failure = ?, result = ? "
            "WHERE id = ? AND state = ?"
        )
        with self._writing() as connection:
            values = (new, finished, failure, result, job_id, old)
            return connection.execute(query, values).rowcount > 0

    def _read(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is on the disk afterwards, or nothing."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    failure = values.pop("failure")
    result = values.pop("result")
    return Job(
        **{**values, "request": json.loads(values["request"])},
        failure=None if failure is None else Failure(**json.loads(failure)),
        result=None if result is None else json.loads(result),
    )
