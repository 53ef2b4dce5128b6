import tarfile
from pathlib import Path

import pytest

from band_songs import raw_song, tiny_song
from banso.data.sources.pop909 import RawSong, read_corpus, read_song
from banso.errors import DataError

pytestmark = pytest.mark.lab


def _write(raw: RawSong, root: Path) -> Path:
    folder = root / "POP909" / raw.number
    folder.mkdir(parents=True)
    for name, content in raw.files.items():
        (folder / name).write_bytes(content)
    return folder


def test_reads_notes_beats_and_chords():
    song, expected = read_song(raw_song()), tiny_song()
    assert song.song_id == "pop909-001"
    assert [n.pitch for n in song.melody] == [n.pitch for n in expected.melody]
    assert [n.start_seconds for n in song.melody] == pytest.approx(
        [n.start_seconds for n in expected.melody], abs=1e-3
    )
    assert song.lead_sheet == expected.lead_sheet
    assert song.beats_per_bar == 4


def test_folder_and_archive_give_the_same_songs(tmp_path: Path):
    _write(raw_song("002"), tmp_path / "folder")
    folder = _write(raw_song("001"), tmp_path / "folder")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "POP909.tar.xz", "w:xz") as archive:
        archive.add(folder.parent, "POP909")
    unpacked, packed = read_corpus(tmp_path / "folder"), read_corpus(tmp_path / "packed")
    assert [raw.number for raw in unpacked] == ["001", "002"]
    assert unpacked == packed


def test_no_chord_spans_and_equal_neighbours_are_handled():
    chords = b"0 2 N\n2 4 C:maj\n4 6 C:maj\n6 8 D:sus4(b7)\n"
    labels = [s.label for s in read_song(raw_song(chord_midi=chords)).lead_sheet.chords]
    assert labels == ["N", "C:maj", "D:sus4(b7)"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("beat_midi", b""),
        ("beat_midi", b"0.0 1.0\n"),
        ("beat_midi", b"zero 1.0 1.0\n"),
        ("chord_midi", b"0 4 N\n"),
        ("chord_midi", b"0 4 C:strange\n"),
    ],
)
def test_broken_song_is_one_clear_error(name: str, content: bytes):
    with pytest.raises(DataError, match=r"pop909-001|unknown quality"):
        read_song(raw_song(**{name: content}))


def test_broken_midi_and_missing_corpus_are_clear_errors(tmp_path: Path):
    raw = raw_song()
    raw.files["001.mid"] = b"MThd nonsense"
    with pytest.raises(DataError, match="cannot read the MIDI"):
        read_song(raw)
    with pytest.raises(DataError, match="no POP909 below"):
        read_corpus(tmp_path)


def test_edits_keep_everything_together():
    song = tiny_song().excerpt(2.0, 6.0).at_tempo(2.0).transposed(2)
    assert song.duration_seconds == 2.0
    assert [s.label for s in song.lead_sheet.chords] == ["B:min", "G:maj"]
    assert song.lead_sheet.downbeats == (0.0, 1.0)
    assert song.melody[0].pitch == 62
    assert song.lead_sheet.key == "D:maj"
