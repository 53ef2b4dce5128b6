"""What a benchmark found, kept as one JSON line beside the earlier ones."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_record(path: Path, record: Mapping[str, Any]) -> None:
    """Append a line to a file of results."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")


def keep(path: Path, found: Mapping[str, Any]) -> None:
    """Append what was found to a file of results, with the commit, and print it."""
    record = {"commit": commit(), **found}
    append_record(path, record)
    print(json.dumps(record, indent=1))


def commit() -> str:
    """Return the short name of the commit that is checked out, `unknown` outside of a checkout."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
