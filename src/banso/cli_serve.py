"""The command that serves the web page and the HTTP interface."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from banso.console import needing_extra, reporting_errors

_MEBIBYTE = 2**20
# Kept out of the command line, which other users of the machine can read.
_TOKEN_VARIABLE = "BANSO_TOKEN"


def serve(
    host: Annotated[str, typer.Option(help="Interface; 0.0.0.0 is all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port.")] = 8000,
    data: Annotated[
        Path | None, typer.Option(help="Folder of recordings and results; a user's own by default.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Folder of the model; the one inside banso by default.")
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=256, help="Jobs at once, each in a process of its own.")
    ] = 1,
    engine: Annotated[
        str, typer.Option(help="processes: of this machine; ray: of a Ray cluster.")
    ] = "processes",
    token: Annotated[
        str | None,
        typer.Option(envvar=_TOKEN_VARIABLE, help="What clients must know; better by variable."),
    ] = None,
    host_name: Annotated[
        list[str] | None, typer.Option(help="Name under which clients reach the service.")
    ] = None,
    queue_length: Annotated[int, typer.Option(min=1, help="Jobs that may wait.")] = 32,
    max_upload_mb: Annotated[int, typer.Option(min=1, help="Largest file, in MiB.")] = 200,
    max_seconds: Annotated[float, typer.Option(min=1, help="Longest recording.")] = 900.0,
    job_seconds: Annotated[float, typer.Option(min=1, help="What one job may take.")] = 900.0,
    keep_days: Annotated[
        float, typer.Option(min=0, help="Days until results are deleted; 0 keeps them.")
    ] = 30.0,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM file for HTTPS; phones ask for it to record.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
) -> None:
    """Serve the web page and the HTTP interface."""
    with reporting_errors(), needing_extra("web"):
        from banso.web.server import Address, run_server
        from banso.web.settings import ServiceSettings

        settings = ServiceSettings(
            data_folder=default_data_folder() if data is None else data,
            bundle=bundle,
            workers=workers,
            engine=engine,
            queue_length=queue_length,
            max_upload_bytes=max_upload_mb * _MEBIBYTE,
            max_seconds=max_seconds,
            job_seconds=job_seconds,
            keep_days=keep_days or None,
            token=token or None,
            hosts=(*(host_name or ()), host),
        )
        address = Address(host=host, port=port, certificate=certificate, key=key)
        if settings.token is None and host not in ("127.0.0.1", "localhost", "::1"):
            typer.echo(
                f"banso: anybody who reaches port {port} can use it; set {_TOKEN_VARIABLE}",
                err=True,
            )
        run_server(settings, address)


def default_data_folder() -> Path:
    """Return where programs of this user keep data, after the customs of the system."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "banso"
