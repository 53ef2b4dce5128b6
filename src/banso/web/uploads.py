"""Take a recording in: byte by byte, within limits, and listened to before it is kept."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import open_file, to_thread

from banso.errors import AudioError
from banso.files import AudioReader
from banso.web.headers import HEAD_BYTES, told_seconds
from banso.web.jobs import StoredRecording, new_id, shown_name
from banso.web.problems import HttpProblem
from banso.web.service import Service
from banso.web.settings import ServiceSettings

_MEBIBYTE = 2**20


async def take_upload(
    service: Service, name: str, announced_bytes: int | None, chunks: AsyncIterator[bytes]
) -> StoredRecording:
    """Write a recording to the disk as it comes, and keep it if it can be used.

    Args:
        service: That keeps it.
        name: What its owner calls it.
        announced_bytes: Its length as the client says, if it does.
        chunks: Its bytes.

    Raises:
        HttpProblem: If it is too large or too long.
        BansoError: If it is no recording, or there is no room.
    """
    limit = service.settings.max_upload_bytes
    _check_size(announced_bytes or 0, limit)
    service.check_room(announced_bytes or 0)
    recording_id = new_id()
    try:
        size = await _write(service.folder.part(recording_id), name, service.settings, chunks)
        return await to_thread.run_sync(_keep, service, recording_id, shown_name(name), size)
    except BaseException:
        # The client may have gone in the middle, too.
        service.folder.delete_recording(recording_id)
        raise


async def _write(
    path: Path, name: str, settings: ServiceSettings, chunks: AsyncIterator[bytes]
) -> int:
    size, head = 0, b""
    async with await open_file(path, "xb") as file:
        async for chunk in chunks:
            size += len(chunk)
            _check_size(size, settings.max_upload_bytes)
            if len(head) < HEAD_BYTES:
                head += chunk[:HEAD_BYTES]
                # Nobody should wait for the end of an upload to be told this.
                _check_length(told_seconds(head) or 0.0, shown_name(name), settings.max_seconds)
            await file.write(chunk)
    return size


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise HttpProblem(
            413,
            "too_large",
            f"the recording is larger than the {limit / _MEBIBYTE:.0f} MiB that are taken here",
        )


def _check_length(seconds: float, name: str, limit: float) -> None:
    if seconds > limit:
        raise HttpProblem(
            413, "too_long", f"{name} lasts {seconds:.0f} s; up to {limit:.0f} s are taken here"
        )


def _keep(service: Service, recording_id: str, name: str, size: int) -> StoredRecording:
    part = service.folder.part(recording_id)
    try:
        reader = AudioReader(part)
    except AudioError as error:
        raise AudioError(str(error).replace(str(part), name)) from error
    _check_length(reader.duration_seconds, name, service.settings.max_seconds)
    recording = StoredRecording(
        id=recording_id,
        name=name,
        created=time.time(),
        size_bytes=size,
        duration_seconds=reader.duration_seconds,
        sample_rate=reader.sample_rate,
        num_channels=reader.num_channels,
    )
    service.folder.keep_recording(recording_id)
    service.store.add_recording(recording)
    service.metrics.uploaded(size)
    return recording
