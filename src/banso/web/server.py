"""Run the application on a socket."""

import logging
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from banso.errors import ConfigError
from banso.web.app import create_app
from banso.web.settings import ServiceSettings

# Clients that follow events never hang up by themselves.
_GOODBYE_SECONDS = 2
# A client that polls every few seconds must not find its connection closed under its hands.
_KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where to listen.

    Attributes:
        host: Of the interface; 127.0.0.1 is this machine alone.
        port: TCP port.
        certificate: PEM file for HTTPS, which phones ask for before they lend a microphone.
        key: PEM file of its private key.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    certificate: Path | None = None
    key: Path | None = None


def run_server(settings: ServiceSettings, address: Address) -> None:
    """Serve until interrupted.

    Raises:
        BansoError: If the address, the data folder or the bundle cannot be used.
    """
    check_address(address)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s:     %(message)s")
    # uvicorn has shut everything down by then; being asked to stop is no failure.
    with suppress(KeyboardInterrupt):
        uvicorn.run(
            create_app(settings),
            host=address.host,
            port=address.port,
            ssl_certfile=address.certificate,
            ssl_keyfile=address.key,
            log_level="info",
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
        )


def check_address(address: Address) -> None:
    """Find out before anything is loaded whether one can listen there.

    Raises:
        ConfigError: If the host is unknown, the port is taken, or the certificate is none.
    """
    where = f"port {address.port} of {address.host}"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, place = found[0]
        with socket.socket(family, kind, protocol) as probe:
            # As uvicorn does: a port that was let go a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot listen to {where}: {reason}; choose another --port or --host"
        ) from error
    if address.certificate is None:
        if address.key is not None:
            raise ConfigError("there is a --key but no --certificate")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(address.certificate, address.key)
    except OSError as error:
        raise ConfigError(
            f"cannot use the certificate {address.certificate} with the key "
            f"{address.key or 'inside it'}: {error.strerror or error}"
        ) from error
