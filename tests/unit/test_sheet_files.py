"""Lead sheets in files, good and hostile; other programs' MIDI."""

import struct

import pytest

from banso.errors import BansoError, ConfigError, DataError
from banso.leadsheet import ChordSpan, LeadSheet
from banso.midi_chords import label_of_pitches
from banso.sheet_files import ENDINGS, format_sheet, read_sheet_file, with_tempo

SHEET = LeadSheet(
    beats=tuple(0.25 + 0.5 * index for index in range(8)),
    downbeats=(0.25, 2.25),
    chords=(ChordSpan(0.25, 2.25, "A:min"), ChordSpan(2.25, 4.25, "F:maj7/3")),
    key="A:min",
)


def chunk(name, body):
    return name + struct.pack(">I", len(body)) + body


def midi(*tracks, kind=1, division=480):
    head = chunk(b"MThd", struct.pack(">HHH", kind, len(tracks), division))
    return head + b"".join(chunk(b"MTrk", track) for track in tracks)


END = b"\0\xff\x2f\0"


@pytest.mark.parametrize("ending", [".banso.txt", ".mid"])
def test_one_file_holds_everything(tmp_path, ending):
    path = tmp_path / f"song{ending}"
    path.write_bytes(format_sheet(SHEET, ending))
    back = read_sheet_file(path)
    assert back.key == SHEET.key
    assert back.beats == pytest.approx(SHEET.beats, abs=1e-4)
    assert back.downbeats == pytest.approx(SHEET.downbeats, abs=1e-4)
    assert [span.label for span in back.chords] == ["A:min", "F:maj7/3"]


def test_label_files_lie_side_by_side(tmp_path):
    for ending in ENDINGS[2:]:
        (tmp_path / f"song{ending}").write_bytes(format_sheet(SHEET, ending))
    back = read_sheet_file(tmp_path / "song.lab")
    assert (back.beats, back.downbeats, back.chords) == (SHEET.beats, SHEET.downbeats, SHEET.chords)


def test_a_tempo_gives_chords_their_beats():
    chords = tuple(
        ChordSpan(0.3 + 2 * i, 2.3 + 2 * i, "C:maj" if i % 2 else "G:maj") for i in range(4)
    )
    sheet = with_tempo(LeadSheet(chords=chords), 120)
    assert sheet.tempo_bpm == pytest.approx(120)
    assert sheet.downbeats == pytest.approx((0.3, 2.3, 4.3, 6.3))
    assert set(sheet.downbeats) == {span.start_seconds for span in sheet.chords}


def test_a_tempo_beside_beats_is_refused(tmp_path):
    path = tmp_path / "song.banso.txt"
    path.write_bytes(format_sheet(SHEET, ".banso.txt"))
    with pytest.raises(ConfigError, match="its own beats"):
        read_sheet_file(path, bpm=100)


def test_midi_of_other_programs(tmp_path):
    """Format 1, no texts: 3/4 at 90 bpm, block chords, running status, notes off by velocity 0."""
    tempo = b"\0\xff\x51\x03" + (666_667).to_bytes(3) + b"\0\xff\x58\x04\x03\x02\x18\x08"
    bar = b"\x8b\x20"  # 1440 ticks
    chords = b"\0\xff\x03\x06Chords"
    for notes in ((60, 64, 67), (57, 60, 64)):
        on = b"".join(b"\0" + (b"\x90" if n == notes[0] else b"") + bytes((n, 80)) for n in notes)
        off = b"".join((bar if n == notes[0] else b"\0") + bytes((n, 0)) for n in notes)
        chords += on + off
    path = tmp_path / "daw.mid"
    path.write_bytes(midi(tempo + END, chords + END))
    sheet = read_sheet_file(path)
    assert [span.label for span in sheet.chords] == ["C:maj", "A:min"]
    assert sheet.tempo_bpm == pytest.approx(90, abs=0.01)
    assert sheet.downbeats == pytest.approx((0.0, 2.0), abs=1e-3)
    assert len(sheet.beats) == 6


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "does not begin with MThd"),
        (b"RIFF" * 9, "does not begin with MThd"),
        (midi(END)[:-2], "are announced"),
        (b"MThd\xff\xff\xff\xff", "are announced"),
        (midi(END) + b"MTrk\xff\xff\xff\xff\0", "are announced"),
        (midi(END, division=0xE728), "SMPTE"),
        (midi(END, division=0), "SMPTE"),
        (midi(END, kind=2), "format 2"),
        (midi(), "no tracks"),
        (midi(b"\0\x40\x40"), "no status"),
        (midi(b"\0\x90\x40"), "are announced"),
        (midi(b"\0\x90\x40\x90"), "status byte"),
        (midi(b"\0\xf8"), "0xf8"),
        (midi(b"\xff\xff\xff\xff\x7f" + END), "longer than four bytes"),
        (midi(b"\0\xff\x01\xff\xff\xff\x7f"), "are announced"),
        (midi(b"\0\xff\x51\x03\0\0\0" + END), "no duration"),
        (midi(b"\0\xff\x51\x01\x09" + END), "only 1 bytes"),
        (midi(b"\0\xff\x58\x04\0\x02\x18\x08" + END), "makes no sense"),
        (midi(b"\0\xff\x59\x02\x63\0" + END), "makes no sense"),
        (midi(b"\xff\xff\xff\x7f\x90\x40\x40" * 3 + END), "at most 100000"),
    ],
)
def test_hostile_midi_is_refused_in_one_line(tmp_path, content, hint):
    path = tmp_path / "song.mid"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"song\.mid") as caught:
        read_sheet_file(path)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("song.lab", b"0 1 C:maj\n0.5 2 G\n"),
        ("song.lab", b"0 1\n"),
        ("song.lab", b"0 1 nonsense\n"),
        ("song.lab", b"zero 1 C\n"),
        ("song.beats.lab", b"1 1\n1 2\n"),
        ("song.txt", b"\xff\xfe\0"),
        ("song.pdf", b""),
        ("missing\0.txt", None),
        ("missing.mid", None),
    ],
)
def test_unusable_files_are_one_error(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BansoError):
        read_sheet_file(path)


def test_too_large_files_are_not_read(tmp_path):
    path = tmp_path / "song.mid"
    with path.open("wb") as stream:
        stream.truncate(10**9)
    with pytest.raises(DataError, match="larger than"):
        read_sheet_file(path)


@pytest.mark.parametrize(
    ("pitches", "label"),
    [
        ((48, 64, 67), "C:maj"),
        ((52, 60, 67), "C:maj/3"),
        ((57, 60, 64, 67), "A:min7"),
        ((43, 59, 62, 65), "G:7"),
        ((60,), None),
        ((60, 61, 62, 63, 64), None),
    ],
)
def test_notes_make_chords(pitches, label):
    assert label_of_pitches(pitches) == label
