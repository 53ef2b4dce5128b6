"""Files of a corpus, from an unpacked folder or from its archive, without trust in either."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from banso.errors import DataError

_LARGEST_BYTES = 64 << 20


def read_files(root: Path, archive: str, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of a corpus's files.

    Args:
        root: A folder that holds the files at any depth or else an archive; or the archive itself.
        archive: Pattern of the archive's name.
        suffixes: Endings of the files that are wanted, in lower case.

    Yields:
        Path within the corpus and content, folders in order of their names.

    Raises:
        DataError: If an archive cannot be unpacked, or `root` does not exist.
    """
    if not root.exists():
        raise DataError(f"there is nothing at {root}; name the corpus's folder or archive")
    if root.is_file():
        yield from _from_archive(root, suffixes)
        return
    found = False
    for path in sorted(root.rglob("*")):
        if path.name.lower().endswith(suffixes) and path.is_file():
            found = True
            yield path.relative_to(root).as_posix(), path.read_bytes()
    if not found:
        for path in sorted(root.rglob(archive))[:1]:
            yield from _from_archive(path, suffixes)


def _from_archive(path: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if not member.isfile() or not member.name.lower().endswith(suffixes):
                    continue
                if member.size > _LARGEST_BYTES:
                    raise DataError(f"{member.name} in {path} is over {_LARGEST_BYTES >> 20} MB")
                stream = archive.extractfile(member)
                if stream is not None:
                    yield member.name, stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"cannot unpack {path}: {error}") from error
