"""How long a recording says it is, before it has come."""

import io
import json
import socket
import struct
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from banso.web.headers import HEAD_BYTES, told_seconds
from web_service import API, served


def file_bytes(seconds, **options):
    file = io.BytesIO()
    samples = np.zeros((round(seconds * 16_000), 2), np.float32)
    soundfile.write(file, samples, 16_000, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        {"format": "WAV", "subtype": "PCM_16"},
        {"format": "WAV", "subtype": "FLOAT"},
        {"format": "WAVEX", "subtype": "PCM_24"},
        {"format": "FLAC", "subtype": "PCM_16"},
    ],
    ids=str,
)
def test_a_few_bytes_tell_the_length(options):
    assert told_seconds(file_bytes(12.5, **options)[:256]) == pytest.approx(12.5)


@pytest.mark.parametrize("options", [{"format": "OGG"}, {"format": "MP3"}, {"format": "AIFF"}])
def test_other_kinds_are_heard_to_their_end(options):
    assert told_seconds(file_bytes(3.0, **options)[:HEAD_BYTES]) is None


def test_beginnings_of_beginnings_tell_nothing():
    for options in ({"format": "WAV"}, {"format": "FLAC"}):
        whole = file_bytes(1.0, **options)
        told = [told_seconds(whole[:length]) for length in range(200)]
        assert told[0] is None
        assert {seconds for seconds in told if seconds is not None} == {1.0}


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_F000])
def test_a_recorder_that_does_not_know_yet_is_believed_nothing(size):
    whole = bytearray(file_bytes(1.0, format="WAV"))
    place = whole.index(b"data") + 4
    whole[place : place + 4] = struct.pack("<I", size)
    assert told_seconds(bytes(whole)) is None


def test_what_will_be_too_long_is_refused_before_it_has_come(make_app, tmp_path):
    whole = bytearray(file_bytes(0.6, format="WAV", subtype="PCM_16"))
    place = whole.index(b"data") + 4
    whole[place : place + 4] = struct.pack("<I", 64_000 * 7200)
    with served(make_app(max_seconds=900.0)) as address:
        parts = urlsplit(address)
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            # Of the 100 MB that it announces the client sends some kilobytes, and waits.
            connection.sendall(
                f"POST {API}/recordings?name=concert.wav HTTP/1.1\r\nHost: {parts.netloc}\r\n"
                f"Content-Length: 100000000\r\n\r\n".encode()
                + bytes(whole)
            )
            answer = connection.recv(65_536).decode()
            while "}}" not in answer:
                answer += connection.recv(65_536).decode()
    assert answer.startswith("HTTP/1.1 413")
    error = json.loads(answer.partition("\r\n\r\n")[2])["error"]
    assert error["code"] == "too_long"
    assert error["message"] == "concert.wav lasts 7200 s; up to 900 s are taken here"
    assert not list((tmp_path / "data" / "incoming").iterdir())
