"""Files below a folder, wherever its links lead."""

import os
from collections.abc import Collection
from pathlib import Path


def files_below(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """Find files at any depth; links to files and folders are followed.

    Args:
        folder: Where to search.
        suffixes: Endings to look for, in lower case with their dot.

    Returns:
        Paths below the folder, in order. A folder that is reached in several ways, be it in a
        circle, is searched once; a link that leads nowhere is left out.
    """
    found: list[Path] = []
    seen = {folder.resolve()}
    for place, subfolders, names in os.walk(folder, followlinks=True):
        paths = (Path(place, name) for name in names)
        found += [p for p in paths if p.suffix.lower() in suffixes and p.is_file()]
        # What this list holds is searched next. Links come last, so that a folder is found where it
        # is rather than where a link beside it leads.
        subfolders.sort(key=lambda name: (Path(place, name).is_symlink(), name))
        for name in subfolders.copy():
            real = Path(place, name).resolve()
            if real in seen:
                subfolders.remove(name)
            seen.add(real)
    return sorted(found)
