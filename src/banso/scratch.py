"""A place to keep audio between two passes over it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from banso.audio import Samples
from banso.errors import AudioError

# Three minutes of stereo stay in memory; longer songs go to disk, so memory stays bounded.
_MEMORY_BYTES = 64 * 2**20
_NUM_CHANNELS = 2
_BLOCK_SAMPLES = 44_100


class Scratch:
    """Stereo blocks kept in float32, first in memory, then in a nameless temporary file.

    The file has no name, so nothing is left behind even if the process is killed.

    Args:
        folder: Where to put the file; the results' own folder has the room for them anyway.
        share: Of the memory that one of its kind may take, for one of several.
    """

    def __init__(self, folder: Path | None = None, share: float = 1.0) -> None:
        self._folder = folder
        place = None if folder is None else str(folder)
        self._file = tempfile.SpooledTemporaryFile(int(share * _MEMORY_BYTES), dir=place)  # noqa: SIM115

    def append(self, block: Samples) -> None:
        """Add a block [2, samples] at the end.

        Raises:
            AudioError: If the disk is full.
        """
        try:
            self._file.write(np.ascontiguousarray(block.T).tobytes())
        except OSError as error:
            place = self._folder or tempfile.gettempdir()
            raise AudioError(f"cannot write into {place}: {error.strerror or error}") from error

    def rewind(self) -> None:
        """Go back to the first sample."""
        self._file.seek(0)

    def read(self, num_samples: int) -> Samples:
        """Return the next samples, [2, num_samples] or fewer at the end."""
        data = self._file.read(num_samples * _NUM_CHANNELS * 4)
        return np.frombuffer(data, np.float32).reshape(-1, _NUM_CHANNELS).T

    def blocks(self) -> Iterator[Samples]:
        """Yield everything from the first sample on, [2, samples] each."""
        position = 0
        while True:
            # Others may read in between.
            self._file.seek(position)
            block = self.read(_BLOCK_SAMPLES)
            if not block.size:
                return
            position = self._file.tell()
            yield block

    def close(self) -> None:
        """Forget everything."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
