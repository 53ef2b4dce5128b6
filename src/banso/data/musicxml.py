"""MusicXML to parts and measures, without trust in the file.

Only what music needs is read: notes, ties, lyrics, chord symbols, metre, key, tempo marks,
dynamics and repeats. Layout is skipped; grace and cue notes have no length of their own and are
left out. Plain (`.xml`, `.musicxml`) and packed (`.mxl`) scores are read alike.

References:
    W3C Music Notation Community Group 2021, "MusicXML 4.0".
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from banso.data.chordsymbols import read_harmony
from banso.errors import DataError

_LARGEST_BYTES = 64 << 20
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
# Loudness of dynamic marks as MIDI velocity, about 6 dB from the softest to the next and so on.
_VELOCITIES = {
    "pppp": 24, "ppp": 32, "pp": 44, "p": 56, "mp": 68, "mf": 80, "f": 94, "ff": 108, "fff": 118,
    "ffff": 124, "sf": 98, "sfz": 100, "fz": 98, "fp": 80,
}  # fmt: skip
_UNITS = {"whole": 4.0, "half": 2.0, "quarter": 1.0, "eighth": 0.5, "16th": 0.25}


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoreNote:
    """One written note.

    Attributes:
        onset: Quarter notes from the start of the measure.
        length: Quarter notes.
        pitch: MIDI note number as it sounds.
        velocity: From the dynamic mark in force.
        lyrics: Syllable of each verse; empty if nothing is sung to it.
        is_tied: Whether it goes on from the note of the same pitch before it.
    """

    onset: Fraction
    length: Fraction
    pitch: int
    velocity: int
    lyrics: tuple[str, ...]
    is_tied: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """Something written at a place of a measure: a tempo in quarters per minute or a chord."""

    onset: Fraction
    tempo: float | None = None
    chord: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One measure of one part.

    Attributes:
        length: Quarter notes that its notes and rests fill.
        notes: In the order of the file.
        marks: Tempi and chord symbols.
        beats: Upper number of the time signature.
        beat_type: Its lower number.
        fifths: Sharps, or flats below 0.
        mode: `major`, `minor` or empty if the score does not say.
        is_partial: Whether it is a pickup or the rest of a split measure.
        repeat_starts: Whether a repeated section begins with it.
        repeat_times: How often the section that it ends is played; 0 if it ends none.
        endings: Passes in which it is played; empty for all.
    """

    length: Fraction
    notes: tuple[ScoreNote, ...]
    marks: tuple[Mark, ...]
    beats: int
    beat_type: int
    fifths: int
    mode: str
    is_partial: bool
    repeat_starts: bool
    repeat_times: int
    endings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One instrument or voice: its name, its sound such as `voice.soprano`, its measures."""

    name: str
    sound: str
    measures: tuple[Measure, ...]

    @property
    def is_sung(self) -> bool:
        """Whether it has words."""
        return any(note.lyrics for measure in self.measures for note in measure.notes)


@dataclass(frozen=True, slots=True)
class Score:
    """A piece: title, creators by their role, rights as written, parts from top to bottom."""

    title: str
    creators: dict[str, str]
    rights: str
    parts: tuple[Part, ...]


def read_musicxml(content: bytes, name: str) -> Score:
    """Read a score.

    Args:
        content: The file, packed or plain.
        name: What errors call it.

    Raises:
        DataError: If it is damaged, too large, declares entities or holds no parts.
    """
    try:
        root = _parse(_unpacked(content, name))
        parts = _parts(root)
    except (expat.ExpatError, zipfile.BadZipFile, KeyError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"{name} is no readable MusicXML: {error}") from error
    if root.tag != "score-partwise" or not parts:
        raise DataError(f"{name} holds no part-wise score; its root is <{root.tag}>")
    creators = {c.get("type", "creator"): _text(c) for c in root.iter("creator")}
    title = root.findtext("work/work-title") or root.findtext("movement-title") or ""
    rights = " ".join(_text(element) for element in root.iter("rights"))
    return Score(" ".join(title.split()), creators, rights, parts)


def _unpacked(content: bytes, name: str) -> bytes:
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # The first score is the piece; its container says so too but is often not well-formed.
        places = [place for place in archive.infolist() if not place.filename.startswith("META-")]
        scores = [p for p in places if p.filename.lower().endswith((".xml", ".musicxml"))]
        if not scores:
            raise DataError(f"{name} is an archive without a score in it")
        if scores[0].file_size > _LARGEST_BYTES:
            raise DataError(f"{name} unpacks to over {_LARGEST_BYTES >> 20} MB; no score does")
        return archive.read(scores[0])


def _parse(content: bytes) -> Element:
    """Parse without entities: those of a hostile file grow without end or name other files."""
    builder = TreeBuilder()

    def refuse(name: str, *_: object) -> None:
        raise ValueError(f"it declares the entity '{name}'")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    return builder.close()


def _parts(root: Element) -> tuple[Part, ...]:
    names = {}
    for entry in root.iterfind("part-list/score-part"):
        sound = entry.findtext("score-instrument/instrument-sound") or ""
        names[entry.get("id")] = (entry.findtext("part-name") or "", sound.strip())
    parts = []
    for part in root.iterfind("part"):
        name, sound = names.get(part.get("id"), ("", ""))
        measures = tuple(_PartReader().measures(part))
        if measures:
            parts.append(Part(name.strip(), sound, measures))
    return tuple(parts)


class _PartReader:
    """Reads the measures of one part; holds what goes on from one measure to the next."""

    def __init__(self) -> None:
        self._divisions = 1
        self._beats, self._beat_type = 4, 4
        self._fifths, self._mode = 0, ""
        self._transposition = 0
        self._velocity = _VELOCITIES["mf"]
        self._ending: tuple[int, ...] = ()

    def measures(self, part: Element) -> Iterator[Measure]:
        for number, element in enumerate(part.iterfind("measure")):
            yield self._measure(element, number)

    def _measure(self, element: Element, number: int) -> Measure:
        notes: list[ScoreNote] = []
        marks: list[Mark] = []
        here = before = end = Fraction(0)
        for child in element:
            if child.tag in ("attributes", "direction", "sound", "harmony"):
                self._attributes(child)
                marks += self._marks(child, here)
            elif child.tag in ("backup", "forward"):
                here += self._length(child) * (1 if child.tag == "forward" else -1)
            elif child.tag == "note" and not _without_length(child):
                length = self._length(child)
                onset = before if child.find("chord") is not None else here
                if child.find("pitch") is not None:
                    notes.append(self._note(child, onset, length))
                before, here = onset, onset + length
            end = max(end, here)
        nominal = Fraction(4 * self._beats, self._beat_type)
        partial = element.get("implicit") == "yes" or (number == 0 and 0 < end < nominal)
        starts, times, endings = self._repeats(element)
        return Measure(
            length=end or nominal,
            notes=tuple(notes),
            marks=tuple(marks),
            beats=self._beats,
            beat_type=self._beat_type,
            fifths=self._fifths,
            mode=self._mode,
            is_partial=partial and end < nominal,
            repeat_starts=starts,
            repeat_times=times,
            endings=endings,
        )

    def _length(self, element: Element) -> Fraction:
        return Fraction(element.findtext("duration", "0").strip()) / self._divisions

    def _attributes(self, element: Element) -> None:
        if element.tag != "attributes":
            return
        self._divisions = int(element.findtext("divisions", str(self._divisions)))
        beats = element.findtext("time/beats")
        if beats is not None:
            self._beats = sum(int(number) for number in beats.split("+"))
            self._beat_type = int(element.findtext("time/beat-type", "4"))
        if element.find("key/fifths") is not None:
            self._fifths = int(element.findtext("key/fifths", "0"))
            self._mode = element.findtext("key/mode", "").strip()
        if element.find("transpose") is not None:
            octaves = int(element.findtext("transpose/octave-change", "0"))
            self._transposition = int(element.findtext("transpose/chromatic", "0")) + 12 * octaves

    def _marks(self, element: Element, here: Fraction) -> Iterator[Mark]:
        """Tempo or chord of a direction; also notes its dynamics."""
        if element.tag == "harmony":
            onset = here + Fraction(element.findtext("offset", "0").strip()) / self._divisions
            yield Mark(max(onset, Fraction(0)), chord=read_harmony(element))
            return
        for dynamics in element.iterfind("direction-type/dynamics/*"):
            self._velocity = _VELOCITIES.get(dynamics.tag, self._velocity)
        sound = element if element.tag == "sound" else element.find("sound")
        tempo = float(sound.get("tempo", "0")) if sound is not None else 0.0
        if tempo <= 0:
            tempo = _metronome(element)
        if tempo > 0:
            yield Mark(here, tempo=tempo)

    def _note(self, element: Element, onset: Fraction, length: Fraction) -> ScoreNote:
        step, octave = element.findtext("pitch/step", ""), element.findtext("pitch/octave", "4")
        alter = round(float(element.findtext("pitch/alter", "0")))
        pitch = 12 * (int(octave) + 1) + _STEPS[step.strip()] + alter + self._transposition
        if not 0 <= pitch <= 127:
            raise ValueError(f"it has the pitch {step}{octave}")
        return ScoreNote(
            onset=onset,
            length=length,
            pitch=pitch,
            velocity=self._velocity,
            lyrics=_lyrics(element),
            is_tied=any(tie.get("type") == "stop" for tie in element.iterfind("tie")),
        )

    def _repeats(self, element: Element) -> tuple[bool, int, tuple[int, ...]]:
        starts, times = False, 0
        endings = self._ending
        for barline in element.iterfind("barline"):
            ending = barline.find("ending")
            if ending is not None and ending.get("type") == "start":
                digits = "".join(c if c.isdigit() else " " for c in ending.get("number", "1"))
                endings = self._ending = tuple(int(number) for number in digits.split()) or (1,)
            elif ending is not None:
                self._ending = ()
            repeat = barline.find("repeat")
            if repeat is not None and repeat.get("direction") == "forward":
                starts = True
            elif repeat is not None:
                times = max(int(repeat.get("times", "2")), max(endings, default=1) + 1)
        return starts, times, endings


def _without_length(note: Element) -> bool:
    return note.find("grace") is not None or note.find("cue") is not None


def _lyrics(note: Element) -> tuple[str, ...]:
    """Syllables in the order of the verses; hyphens at the border mark where a word goes on."""
    verses = []
    for lyric in note.iterfind("lyric"):
        text = "".join(_text(part) for part in lyric if part.tag in ("text", "elision"))
        goes_on = lyric.findtext("syllabic", "single") in ("begin", "middle")
        if text:
            verses.append(text + "-" * goes_on)
    return tuple(verses)


def _metronome(element: Element) -> float:
    """Quarters per minute of a metronome mark; 0 if there is none that can be read."""
    metronome = element.find("direction-type/metronome")
    if metronome is None:
        return 0.0
    unit = _UNITS.get(metronome.findtext("beat-unit", "").strip(), 0.0)
    if metronome.find("beat-unit-dot") is not None:
        unit *= 1.5
    digits = metronome.findtext("per-minute", "").strip()
    return unit * float(digits) if digits.replace(".", "", 1).isdigit() else 0.0


def _text(element: Element) -> str:
    return " ".join((element.text or "").split())
