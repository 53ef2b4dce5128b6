"""What commands share at the edge: errors as one line, progress bars, and the extra to install."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from banso.errors import BansoError

_INTERRUPTED = 130


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Turn a BansoError inside a command into one line on stderr and exit code 1."""
    try:
        yield
    except BansoError as error:
        print_error(error)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        typer.echo("banso: interrupted; nothing half-done is left", err=True)
        raise typer.Exit(_INTERRUPTED) from error


@contextmanager
def needing_extra(extra: str) -> Iterator[None]:
    """Name the extra to install if an import inside finds a package missing.

    Raises:
        BansoError: In place of the `ModuleNotFoundError`, unless banso itself lacks a module.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "banso":
            raise
        raise BansoError(
            f"this command needs {package}, which is not installed; pip install 'banso[{extra}]'"
        ) from error


def print_error(error: BansoError) -> None:
    """Print an error as exactly one line on stderr, whatever a file name contains."""
    typer.echo(f"banso: error: {one_line(str(error))}", err=True)


def one_line(text: str) -> str:
    """Replace what a terminal would act upon; file names may contain line breaks and worse."""
    return "".join(c if c.isprintable() else "?" for c in text)


def progress_bar() -> Progress:
    """Return a bar on stderr, shown on a terminal only."""
    console = Console(stderr=True)
    # File names are shown as they are, not as markup.
    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
