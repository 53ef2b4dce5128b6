"""Where recordings and results lie: a folder each, which appears complete or not at all.

Only names that the service has drawn itself become part of a path.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from banso.errors import ConfigError

_PART = ".part"
_AUDIO = "audio"
RESULT_FILE = "result.json"


class DataFolder:
    """The folder that a service keeps everything in.

    Args:
        root: Its path; made if missing, readable by its owner only.

    Raises:
        ConfigError: If it cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            for folder in (self._recordings, self._results, self.incoming):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.root / f"writable{_PART}"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise ConfigError(
                f"cannot keep data in {root}: {error.strerror or error}; name another --data folder"
            ) from error

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "banso.sqlite3"

    @property
    def incoming(self) -> Path:
        """Where uploads are written while they come."""
        return self.root / "incoming"

    @property
    def _recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def _results(self) -> Path:
        return self.root / "results"

    def recording(self, recording_id: str) -> Path:
        """Folder of a recording."""
        return self._recordings / recording_id

    def audio(self, recording_id: str) -> Path:
        """The file of a recording, as it was uploaded."""
        return self.recording(recording_id) / _AUDIO

    def result(self, job_id: str) -> Path:
        """Folder of a job's results; it exists if and only if they are complete."""
        return self._results / job_id

    def result_part(self, job_id: str) -> Path:
        """Folder that a worker writes to until the results are complete."""
        return self._results / f"{job_id}{_PART}"

    def part(self, recording_id: str) -> Path:
        """The file that a recording is written to while it comes."""
        return self.incoming / f"{recording_id}{_PART}"

    def keep_recording(self, recording_id: str) -> None:
        """Turn an upload that has come completely into a recording."""
        folder = self.recording(recording_id)
        folder.mkdir(mode=0o700)
        flush(self.part(recording_id))
        self.part(recording_id).replace(self.audio(recording_id))

    def delete_recording(self, recording_id: str) -> None:
        """Delete a recording, if it is there."""
        shutil.rmtree(self.recording(recording_id), ignore_errors=True)
        self.part(recording_id).unlink(missing_ok=True)

    def delete_result(self, job_id: str) -> None:
        """Delete a job's results, complete or not, if there are any."""
        complete = self.result(job_id)
        if complete.exists():
            # First by one rename, so that no half of a result is ever taken for a whole one.
            self.delete_part(job_id)
            complete.rename(self.result_part(job_id))
        self.delete_part(job_id)

    def delete_part(self, job_id: str) -> None:
        """Delete what a worker left unfinished."""
        shutil.rmtree(self.result_part(job_id), ignore_errors=True)

    def sweep(self, recordings: Iterable[str], jobs: Iterable[str]) -> None:
        """Delete everything that the database does not know, as after a kill."""
        for folder, known in ((self._recordings, set(recordings)), (self._results, set(jobs))):
            for entry in folder.iterdir():
                if entry.name not in known:
                    shutil.rmtree(entry, ignore_errors=True)
        for entry in self.incoming.iterdir():
            entry.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        """How much more the disk takes."""
        return shutil.disk_usage(self.root).free


def finish_folder(part: Path, complete: Path) -> None:
    """Make a folder of results appear at once, with everything in it safely on the disk."""
    for path in part.iterdir():
        flush(path)
    part.rename(complete)
    flush(complete.parent)


def flush(path: Path) -> None:
    """Make sure that a file or folder outlives a power cut, where the system lets us."""
    # Windows opens no folders, and flushes only what may be written.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
