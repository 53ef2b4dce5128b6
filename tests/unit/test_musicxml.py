import zipfile
from io import BytesIO
from xml.etree.ElementTree import fromstring

import pytest

from banso.chords import parse_chord
from banso.data.chordsymbols import read_harmony
from banso.data.musicxml import read_musicxml
from banso.data.scoretime import Performance, beat_length, one_voice
from banso.data.song import Note
from banso.errors import DataError
from score_files import lied_xml, measure_xml, note_xml, packed, score_xml

pytestmark = pytest.mark.lab


def _performance(*measures: str) -> tuple[Performance, tuple[Note, ...]]:
    score = read_musicxml(score_xml({"Voice:": list(measures)}), "test")
    performance = Performance(score)
    return performance, performance.notes(score.parts[0])


def _bar(number: int, pitch: int = 60, extra: str = "") -> str:
    content = "".join(note_xml(pitch, 1) for _ in range(4))
    return measure_xml(extra + content, number, first=number == 1)


def test_packed_and_plain_give_the_same_score():
    plain, zipped = (read_musicxml(c, "test") for c in (lied_xml(), packed(lied_xml())))
    assert plain == zipped
    assert plain.title == "Test"
    assert [part.is_sung for part in plain.parts] == [True, False]
    assert plain.parts[1].sound == "keyboard.piano"


def test_tempo_marks_set_the_clock():
    slow = "<direction><sound tempo='60'/></direction>"
    performance, notes = _performance(
        _bar(1, extra="<direction><sound tempo='120'/></direction>"), _bar(2, extra=slow), _bar(3)
    )
    assert [n.start_seconds for n in notes[:5]] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert notes[5].start_seconds == 3.0
    assert performance.downbeats == (0.0, 2.0, 6.0)
    assert performance.duration_seconds == 10.0


def test_metronome_marks_count_their_own_unit():
    mark = (
        "<direction><direction-type><metronome><beat-unit>half</beat-unit>"
        "<per-minute>60</per-minute></metronome></direction-type></direction>"
    )
    _, notes = _performance(_bar(1, extra=mark), _bar(2))
    assert notes[1].start_seconds == 0.5


def test_repeats_and_endings_are_played_out():
    def line(place: str, ending: str = "", repeat: str = "") -> str:
        return f"<barline location='{place}'>{ending}{repeat}</barline>"

    first = line("left", "<ending number='1' type='start'/>")
    back = line("right", "<ending number='1' type='stop'/>", "<repeat direction='backward'/>")
    second = line("left", "<ending number='2' type='start'/>")
    closed = line("right", "<ending number='2' type='stop'/>")
    _, notes = _performance(
        _bar(1, 60), _bar(2, 62, first + back), _bar(3, 64, second + closed), _bar(4, 65)
    )
    assert [n.pitch for n in notes[::4]] == [60, 62, 60, 64, 65]


def test_ties_chords_voices_and_lyrics():
    tied = note_xml(60, 2, lyric="Ah", extra="<tie type='start'/>")
    end = note_xml(60, 1, extra="<tie type='stop'/>")
    both = note_xml(62, 1) + note_xml(65, 1, extra="chord")
    back = "<backup><duration>16</duration></backup>" + note_xml(48, 4)
    _, notes = _performance(measure_xml(tied + end + both + back, 1, first=True), _bar(2))
    assert [(n.pitch, n.lyric) for n in notes[:4]] == [(48, ""), (60, "Ah"), (62, ""), (65, "")]
    lengths = [n.end_seconds - n.start_seconds for n in notes[:4]]
    assert lengths[1] == pytest.approx(3 * lengths[2], abs=1e-5)
    assert notes[2].start_seconds == notes[3].start_seconds
    assert [n.pitch for n in one_voice(notes)[:2]] == [60, 65]


def test_pickup_and_compound_metre():
    pickup = measure_xml(note_xml(67, 1), 0, first=True, attributes="implicit='yes'")
    performance, notes = _performance(pickup, _bar(2), _bar(3))
    beat = notes[1].start_seconds
    assert performance.beats[0] == 0.0
    assert performance.downbeats[0] == pytest.approx(beat)
    six = "<attributes><time><beats>6</beats><beat-type>8</beat-type></time></attributes>"
    score = read_musicxml(
        score_xml({"Voice:": [measure_xml(six + note_xml(60, 3), 1, first=True)]}), "test"
    )
    assert beat_length(score.parts[0].measures[0]) == 1.5


def test_dynamics_become_velocities():
    def mark(name: str) -> str:
        marks = f"<direction-type><dynamics><{name}/></dynamics></direction-type>"
        return f"<direction>{marks}</direction>"

    _, notes = _performance(_bar(1, extra=mark("pp")), _bar(2, extra=mark("ff")), _bar(3))
    assert notes[0].velocity < 60 < 100 < notes[4].velocity == notes[8].velocity


@pytest.mark.parametrize(
    ("xml", "label"),
    [
        ("<root><root-step>B</root-step><root-alter>-1</root-alter></root><kind>minor-seventh</kind>",
         "Bb:min7"),
        ("<root><root-step>C</root-step></root><kind>dominant</kind><degree><degree-value>9"
         "</degree-value><degree-alter>-1</degree-alter><degree-type>add</degree-type></degree>",
         "C:7(b9)"),
        ("<root><root-step>G</root-step></root><kind>major</kind><bass><bass-step>B</bass-step></bass>",
         "G:maj/3"),
        ("<root><root-step>D</root-step></root><kind>Neapolitan</kind>", "X"),
        ("<root><root-step>D</root-step></root><kind>none</kind>", "N"),
    ],
)  # fmt: skip
def test_chord_symbols_have_mirex_names(xml: str, label: str):
    assert read_harmony(fromstring(f"<harmony>{xml}</harmony>")) == label
    parse_chord(label)


def test_altered_fifth_replaces_the_plain_one():
    xml = (
        "<harmony><root><root-step>C</root-step></root><kind>dominant</kind><degree><degree-value>5"
        "</degree-value><degree-alter>-1</degree-alter><degree-type>alter</degree-type></degree>"
        "</harmony>"
    )
    assert set(parse_chord(read_harmony(fromstring(xml))).intervals) == {0, 4, 6, 10}


def test_hostile_files_are_one_clear_error():
    bomb = b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><score-partwise>&a;</score-partwise>"
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("score.xml", b" " * (65 << 20))
    for content, reason in (
        (bomb, "declares the entity"),
        (stream.getvalue(), "unpacks to over"),
        (b"PK\x03\x04 nonsense", "no readable MusicXML"),
        (b"not xml", "no readable MusicXML"),
        (b"<opus/>", "no part-wise score"),
        (lied_xml().replace(b"<octave>4", b"<octave>44"), "has the pitch"),
    ):
        with pytest.raises(DataError, match=reason):
            read_musicxml(content, "test")


def test_endless_repeats_are_refused():
    again = "<barline location='right'><repeat direction='backward' times='9999999'/></barline>"
    with pytest.raises(DataError, match="repeats play over"):
        _performance(_bar(1, extra=again), _bar(2))
