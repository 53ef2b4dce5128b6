"""Where the service listens: found out before anything is loaded, and told in one line."""

import socket

import pytest
from typer.testing import CliRunner

from banso.cli import app
from banso.errors import ConfigError
from banso.web.server import Address, check_address


@pytest.fixture
def taken_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def test_a_free_port_will_do(free_port):
    check_address(Address(port=free_port))
    check_address(Address(port=0))


def test_a_taken_port_is_told(taken_port):
    with pytest.raises(ConfigError, match=rf"port {taken_port} of 127.0.0.1: .*use; choose"):
        check_address(Address(port=taken_port))


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7", "x" * 300])
def test_a_host_that_is_not_here_is_told(host, free_port):
    with pytest.raises(ConfigError, match="cannot listen"):
        check_address(Address(host=host, port=free_port))


def test_what_is_no_certificate_is_told(tmp_path, free_port):
    words = tmp_path / "words.pem"
    words.write_text("words")
    for path in (tmp_path / "nowhere.pem", words):
        with pytest.raises(ConfigError, match=r"cannot use the certificate .*\.pem with the key"):
            check_address(Address(port=free_port, certificate=path))
    with pytest.raises(ConfigError, match="no --certificate"):
        check_address(Address(port=free_port, key=words))


def test_the_command_says_it_in_one_line(tmp_path, taken_port):
    words = ["serve", "--port", str(taken_port), "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "in use" in result.stderr
    assert not (tmp_path / "data").exists()
