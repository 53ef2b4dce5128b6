import os

import pytest

from banso.filetree import files_below


def tree(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder, *suffixes):
    return [str(p.relative_to(folder)) for p in files_below(folder, suffixes or (".wav",))]


def test_at_any_depth_in_order_by_ending(tmp_path):
    tree(tmp_path, "b/2.wav", "b/1.WAV", "a/c/d/3.wav", "4.flac", "5.txt", "a.wav/6.wav")
    assert found(tmp_path) == ["a/c/d/3.wav", "a.wav/6.wav", "b/1.WAV", "b/2.wav"]
    assert found(tmp_path, ".flac", ".txt") == ["4.flac", "5.txt"]
    assert found(tmp_path, ".mp3") == []


def test_links_to_folders_and_files_are_followed(tmp_path):
    tree(tmp_path, "elsewhere/deep/1.wav", "elsewhere/2.wav", "voices/3.wav")
    voices = tmp_path / "voices"
    (voices / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (voices / "4.wav").symlink_to(tmp_path / "elsewhere" / "2.wav")
    assert found(voices) == ["3.wav", "4.wav", "link/2.wav", "link/deep/1.wav"]
    whole = tmp_path / "whole"
    whole.symlink_to(voices, target_is_directory=True)
    assert found(whole) == found(voices)


def test_circles_end_and_nothing_is_found_twice(tmp_path):
    tree(tmp_path, "a/1.wav", "b/2.wav")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b" / "itself").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "0").symlink_to(tmp_path / "a", target_is_directory=True)
    assert found(tmp_path) == ["a/1.wav", "b/2.wav"]


def test_what_is_no_file_is_left_out(tmp_path):
    tree(tmp_path, "1.wav")
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    (tmp_path / "round.wav").symlink_to(tmp_path / "round.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert found(tmp_path) == ["1.wav"]


@pytest.mark.parametrize("name", ["missing", "1.wav"])
def test_where_there_is_no_folder_there_is_nothing(tmp_path, name):
    tree(tmp_path, "1.wav")
    assert files_below(tmp_path / name, (".wav",)) == []
