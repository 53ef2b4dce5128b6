"""Tiny scores and drum files for the tests of the sources."""

import io
import zipfile
from pathlib import Path

import mido

_STEPS = "CCDDEFFGGAAB"
_ALTERS = (0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0)
PIANO_TRIADS = ((48, 60, 64, 67), (45, 57, 60, 64), (41, 57, 60, 65), (43, 59, 62, 67))


def note_xml(pitch: int, quarters: int, *, lyric: str = "", extra: str = "") -> str:
    """One note; a division is a quarter of a quarter note."""
    words = f"<lyric><syllabic>single</syllabic><text>{lyric}</text></lyric>" if lyric else ""
    return (
        f"<note>{'<chord/>' if extra == 'chord' else ''}<pitch><step>{_STEPS[pitch % 12]}</step>"
        f"<alter>{_ALTERS[pitch % 12]}</alter><octave>{pitch // 12 - 1}</octave></pitch>"
        f"<duration>{4 * quarters}</duration>{extra if extra != 'chord' else ''}{words}</note>"
    )


def measure_xml(content: str, number: int, *, first: bool = False, attributes: str = "") -> str:
    head = (
        "<attributes><divisions>4</divisions><key><fifths>0</fifths></key>"
        "<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"
    )
    return f"<measure number='{number}' {attributes}>{head if first else ''}{content}</measure>"


def score_xml(parts: dict[str, list[str]], rights: str = "OpenScore (CC0)") -> bytes:
    """A part-wise score from measures, by `name:sound`."""
    names = "".join(
        f"<score-part id='P{i}'><part-name>{key.split(':')[0]}</part-name><score-instrument "
        f"id='I{i}'><instrument-sound>{key.split(':')[1]}</instrument-sound></score-instrument>"
        "</score-part>"
        for i, key in enumerate(parts)
    )
    bodies = "".join(f"<part id='P{i}'>{''.join(m)}</part>" for i, m in enumerate(parts.values()))
    return (
        f"<score-partwise><movement-title>Test</movement-title><identification>"
        f"<creator type='composer'>Nobody</creator><rights>{rights}</rights></identification>"
        f"<part-list>{names}</part-list>{bodies}</score-partwise>"
    ).encode()


def lied_xml(num_bars: int = 8, rights: str = "OpenScore (CC0)") -> bytes:
    """A voice in quarters over triads of C, A minor, F and G at 120 quarters a minute."""
    tempo = "<direction><sound tempo='120'/></direction>"
    voice, piano = [], []
    for bar in range(num_bars):
        triad = PIANO_TRIADS[bar % 4]
        sung = "".join(note_xml(p + 12, 1, lyric="la") for p in (*triad[1:], triad[1]))
        voice.append(measure_xml((tempo if bar == 0 else "") + sung, bar + 1, first=bar == 0))
        chord = note_xml(triad[0], 4) + "".join(note_xml(p, 4, extra="chord") for p in triad[1:])
        piano.append(measure_xml(chord, bar + 1, first=bar == 0))
    return score_xml({"Voice:voice.vocals": voice, "Piano:keyboard.piano": piano}, rights)


def lead_sheet_xml() -> bytes:
    """Eight bars of melody with a chord symbol each."""
    bars = []
    for bar in range(8):
        root, kind = (("C", "major"), ("A", "minor-seventh"), ("F", "major"), ("G", "dominant"))[
            bar % 4
        ]
        symbol = f"<harmony><root><root-step>{root}</root-step></root><kind>{kind}</kind></harmony>"
        sung = "".join(note_xml(p, 1, lyric="so") for p in (60, 64, 67, 72))
        bars.append(measure_xml(symbol + sung, bar + 1, first=bar == 0))
    return score_xml({"Voice:": bars}, "")


def packed(content: bytes) -> bytes:
    """The score as `.mxl`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", "<container><not well & formed")
        archive.writestr("score.xml", content)
    return stream.getvalue()


def write_groove(root: Path) -> None:
    """A corpus of one rock beat of two bars at 100, one fill, and one jazz waltz."""
    folder = root / "groove" / "drummer1" / "session1"
    folder.mkdir(parents=True)
    (root / "groove" / "LICENSE").write_text("Creative Commons Attribution 4.0 International")
    rows = ["drummer,session,id,style,bpm,beat_type,time_signature,midi_filename"]
    for name, style, kind, metre, hits in (
        ("1", "rock", "beat", "4-4", [(b + 0.02, 36 if b % 2 == 0 else 40) for b in range(8)]),
        ("2", "rock", "fill", "4-4", [(2 + k / 4, 48) for k in range(8)]),
        ("3", "jazz", "beat", "3-4", [(b / 2, 59) for b in range(12)]),
    ):
        track, now = mido.MidiTrack(), 0
        for beat, key in hits:
            tick = round(480 * beat)
            track.append(
                mido.Message("note_on", note=key, velocity=100, time=tick - now, channel=9)
            )
            now = tick
        midi = mido.MidiFile(ticks_per_beat=480)
        midi.tracks.append(track)
        midi.save(folder / f"{name}.mid")
        path = f"drummer1/session1/{name}.mid"
        rows.append(f"drummer1,drummer1/session1,{name},{style},100,{kind},{metre},{path}")
    (root / "groove" / "info.csv").write_text("\n".join(rows))
