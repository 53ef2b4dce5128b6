"""Take a recording in: byte by byte, within limits, and listened to before it is kept."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

from anyio import open_file, to_thread

from banso.errors import AudioError
from banso.files import AudioReader
from banso.web.jobs import StoredRecording, new_id, shown_name
from banso.web.problems import HttpProblem
from banso.web.service import Service

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
        size = await _write(service.folder.part(recording_id), limit, chunks)
        return await to_thread.run_sync(_keep, service, recording_id, shown_name(name), size)
    except BaseException:
        # The client may have gone in the middle, too.
        service.folder.delete_recording(recording_id)
        raise


async def _write(path: Path, limit: int, chunks: AsyncIterator[bytes]) -> int:
    size = 0
    async with await open_file(path, "xb") as file:
        async for chunk in chunks:
            size += len(chunk)
            _check_size(size, limit)
            await file.write(chunk)
    return size


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise HttpProblem(
            413,
            "too_large",
            f"the recording is larger than the {limit / _MEBIBYTE:.0f} MiB that are taken here",
        )


def _keep(service: Service, recording_id: str, name: str, size: int) -> StoredRecording:
    part = service.folder.part(recording_id)
    try:
        reader = AudioReader(part)
    except AudioError as error:
        raise AudioError(str(error).replace(str(part), name)) from error
    limit = service.settings.max_seconds
    if reader.duration_seconds > limit:
        raise HttpProblem(
            413,
            "too_long",
            f"{name} lasts {reader.duration_seconds:.0f} s; up to {limit:.0f} s are taken here",
        )
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
