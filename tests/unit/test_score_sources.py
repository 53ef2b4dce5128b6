import tarfile
from pathlib import Path

import numpy as np
import pytest

from banso.chords import parse_chord
from banso.data.harmony import estimate_chords, estimate_key
from banso.data.song import Note
from banso.data.sources import lieder, openewld
from banso.errors import DataError
from score_files import lead_sheet_xml, lied_xml, packed

pytestmark = pytest.mark.lab


def _lied(root: Path, name: str = "lc123", content: bytes | None = None) -> Path:
    folder = root / "scores" / "Nobody" / "_" / "Song"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.mxl").write_bytes(packed(content or lied_xml()))
    return folder


def test_lied_has_voice_piano_beats_and_estimated_chords(tmp_path: Path):
    _lied(tmp_path)
    (raw,) = lieder.read_corpus(tmp_path)
    song = raw.read()
    assert song.song_id == "lieder-lc123"
    assert song.licence == "CC0-1.0"
    assert song.attribution.startswith("Nobody: Test; OpenScore")
    assert [s.label for s in song.lead_sheet.chords[:4]] == ["C:maj", "A:min", "F:maj", "G:maj"]
    assert np.allclose(np.diff(song.lead_sheet.beats), 0.5)
    assert song.lead_sheet.downbeats[1] == 2.0
    assert song.lead_sheet.key == "C:maj"
    assert len(song.piano) == 8 * 4
    assert song.melody[0].lyric == "la"


def test_lieder_archive_and_folder_agree(tmp_path: Path):
    _lied(tmp_path / "folder")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "OpenScore-Lieder.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "folder", "corpus")
    assert lieder.read_corpus(tmp_path / "folder") == lieder.read_corpus(tmp_path / "packed")


def test_lied_without_licence_voice_or_corpus_is_refused(tmp_path: Path):
    _lied(tmp_path, "lc1", lied_xml(rights="all rights reserved"))
    _lied(tmp_path, "lc2", lied_xml().replace(b"<text>la</text>", b""))
    first, second = lieder.read_corpus(tmp_path)
    with pytest.raises(DataError, match=r"lieder-lc1: no licence.*all rights reserved"):
        first.read()
    with pytest.raises(DataError, match="voice with words"):
        second.read()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no OpenScore Lieder below"):
        lieder.read_corpus(tmp_path / "empty")
    with pytest.raises(DataError, match="nothing at"):
        lieder.read_corpus(tmp_path / "missing")


def test_lead_sheet_song_and_its_licence(tmp_path: Path):
    folder = tmp_path / "dataset" / "Some_Body" / "Song"
    folder.mkdir(parents=True)
    (folder / "Song.mxl").write_bytes(packed(lead_sheet_xml()))
    with pytest.raises(DataError, match="no LICENSE file"):
        openewld.read_corpus(tmp_path)
    (tmp_path / "LICENSE").write_text("MIT License\n")
    (raw,) = openewld.read_corpus(tmp_path)
    song = raw.read()
    assert [s.label for s in song.lead_sheet.chords[:4]] == ["C:maj", "A:min7", "F:maj", "G:7"]
    assert song.attribution.startswith("Some Body: Test")
    assert not song.piano
    assert song.beats_per_bar == 4
    # Nothing says how fast; the melody's four notes a bar shall not race or crawl.
    assert 66 <= 60 / np.diff(song.lead_sheet.beats)[0] <= 132


def test_chords_of_broken_triads_are_named():
    notes = []
    for bar, triad in enumerate(((48, 64, 67), (50, 65, 69), (43, 59, 65), (48, 64, 67))):
        for k in range(8):
            start = 2 * bar + 0.25 * k
            notes.append(Note(start, start + 0.25, triad[(0, 1, 2, 1)[k % 4]], 80))
    beats = tuple(0.5 * i for i in range(16))
    spans = estimate_chords(tuple(notes), beats, beats[::4], 8.0)
    assert [s.label for s in spans] == ["C:maj", "D:min", "G:7", "C:maj"]
    assert [s.start_seconds for s in spans] == [0, 2, 4, 6]


def test_silence_has_no_chord_and_key_follows_the_notes():
    beats = (0.0, 0.5, 1.0, 1.5)
    spans = estimate_chords((Note(0.0, 1.0, 60, 80),), beats, (0.0,), 2.0)
    assert spans[-1].label == "N"
    assert parse_chord(spans[0].label).root == 0
    minor = tuple(Note(i, i + 1.0, p, 80) for i, p in enumerate((57, 60, 64, 57, 56, 57)))
    assert estimate_key(minor, 0) == "A:min"
    assert estimate_key(minor, 0, "major") == "C:maj"
