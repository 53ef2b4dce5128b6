"""Folders of recordings and results: complete or absent, and swept after a kill."""

import stat

import pytest

from banso.errors import ConfigError
from banso.web.folders import DataFolder, finish_folder
from banso.web.jobs import is_id, new_id, shown_name


@pytest.fixture
def folder(tmp_path):
    return DataFolder(tmp_path / "data")


def test_a_recording_appears_complete(folder):
    recording_id = new_id()
    folder.part(recording_id).write_bytes(b"sound")
    assert not folder.recording(recording_id).exists()
    folder.keep_recording(recording_id)
    assert folder.audio(recording_id).read_bytes() == b"sound"
    assert not folder.part(recording_id).exists()


def test_results_appear_by_one_rename(folder):
    job_id = new_id()
    part = folder.result_part(job_id)
    part.mkdir()
    (part / "mix.wav").write_bytes(b"mix")
    finish_folder(part, folder.result(job_id))
    assert (folder.result(job_id) / "mix.wav").read_bytes() == b"mix"
    assert not part.exists()
    folder.delete_result(job_id)
    assert not folder.result(job_id).exists()


def test_sweep_keeps_what_is_known_only(folder):
    known, unknown = new_id(), new_id()
    for job_id in (known, unknown):
        folder.result(job_id).mkdir()
        folder.result_part(job_id).mkdir()
        folder.recording(job_id).mkdir()
    folder.part(unknown).write_bytes(b"half")
    folder.sweep([known], [known])
    left = sorted(p.name for p in folder.root.rglob("*") if p.parent != folder.root)
    assert left == [known, known]


def test_only_the_owner_may_look(folder):
    for path in (folder.incoming, folder.recording("x").parent, folder.result("x").parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="name another --data folder"):
        DataFolder(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    "text", ["", "..", "../../etc/passwd", "A" * 24, "0" * 23, "0" * 24 + "\n"]
)
def test_nothing_but_an_id_is_an_id(text):
    assert not is_id(text)
    assert is_id(new_id())


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("song.wav", "song.wav"),
        ("../../etc/passwd", "passwd"),
        ("C:\\songs\\歌.wav", "歌.wav"),
        ("line\nbreak\x00.wav", "line break .wav"),
        ("...", "recording"),
        ("a" * 500 + ".wav", "a" * 116 + ".wav"),
    ],
)
def test_names_are_made_fit_to_be_shown(given, shown):
    assert shown_name(given) == shown
