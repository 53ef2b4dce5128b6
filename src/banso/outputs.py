"""Files that appear together and complete, or not at all."""

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from banso.errors import AudioError


class OutputFiles:
    """A set of files to write: all of them, or none; use as a context manager.

    What is written goes to parts, hidden files in the targets' own folders (a rename across file
    systems would not be atomic). Leaving the context without an error renames them into place;
    leaving it with any error, an interrupt included, deletes them and restores what was there.

    Args:
        targets: The files to appear. Missing folders are created.
        overwrite: Whether existing files may be replaced.

    Raises:
        AudioError: If a target exists and may not be replaced, is a folder, or its folder cannot
            be created or written to.
    """

    def __init__(self, targets: Iterable[Path], *, overwrite: bool = False) -> None:
        self._targets = tuple(targets)
        self._overwrite = overwrite
        self._parts: dict[Path, Path] = {}

    def part(self, target: Path) -> Path:
        """Return the file to write to, in place of a target."""
        return self._parts[target]

    def __enter__(self) -> Self:
        for target in self._targets:
            check_target(target, overwrite=self._overwrite)
        try:
            for target in self._targets:
                self._parts[target] = _create_part(target)
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self._discard()

    def _commit(self) -> None:
        """Rename all parts; if one fails, put everything back as it was."""
        backups: dict[Path, Path] = {}
        placed: list[Path] = []
        try:
            for target, part in self._parts.items():
                # Again, since somebody else may have written there during a long run.
                check_target(target, overwrite=self._overwrite)
                if os.path.lexists(target):
                    backup = _create_part(target)
                    target.replace(backup)
                    backups[target] = backup
                part.replace(target)
                placed.append(target)
        except BaseException as error:
            for target in placed:
                target.unlink(missing_ok=True)
            for target, backup in backups.items():
                backup.replace(target)
            if isinstance(error, OSError):
                raise _cannot_write(target, error) from error
            raise
        for backup in backups.values():
            backup.unlink(missing_ok=True)

    def _discard(self) -> None:
        for part in self._parts.values():
            part.unlink(missing_ok=True)


def check_target(target: Path, *, overwrite: bool) -> None:
    """Raise an AudioError if a file must not be written, before any work is spent on it."""
    try:
        if stat.S_ISDIR(target.lstat().st_mode):
            raise AudioError(f"{target} is a folder; choose another output")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _cannot_write(target, error) from error
    if not overwrite:
        raise AudioError(f"{target} exists already; use --force to replace it")


def _create_part(target: Path) -> Path:
    """Create an empty hidden file beside a target, with the permissions a new file would get."""
    # A short name of its own: the target's may already be as long as the file system allows.
    part = target.parent / f".banso-{secrets.token_hex(6)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except OSError as error:
        raise _cannot_write(target, error) from error
    return part


def _cannot_write(target: Path, error: OSError) -> AudioError:
    return AudioError(f"cannot write {target}: {error.strerror or error}")
