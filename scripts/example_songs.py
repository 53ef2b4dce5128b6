"""The six songs of `docs/examples`: tune, words, singer and how the band is asked for.

All tunes are traditional or their composers have been dead for more than a hundred years, and so
are the words; sources stand beside each. A tune is written as `pitch length syllable` with bars for
the eye and for a test; a comma after a syllable is a breath.
"""

from dataclasses import dataclass, field, replace

from banso.data.singer import Voice
from banso.data.song import Note

START_SECONDS = 0.6
REST_SECONDS = 1.4
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "b": -1, "": 0}
# A breath is taken from the end of a note; seconds, but never more than half of the note.
_BREATH_SECONDS = 0.28
_STRONG, _WEAK = 98, 84

# A trained but human singer; the songs change what their voices need.
_HABITS = Voice(
    centre=62.0,
    size=1.0,
    tilt_db=-6.5,
    breathiness=0.45,
    vibrato_hz=5.4,
    vibrato_cents=30.0,
    vibrato_delay_seconds=0.28,
    glide_seconds=0.06,
    legato=0.9,
    scoop=0.15,
    offset_cents=6.0,
    drift_cents=5.0,
    timing_ms=9.0,
    lag_ms=5.0,
    clarity=0.85,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleSong:
    """One example.

    Attributes:
        name: Of its files.
        title: As people know it.
        source: Where tune and words come from, and how old they are.
        key: Key in which it is sung, as musicians write it.
        beats_per_bar: Upper number of its metre; beats are quarter notes.
        bpm: Tempo.
        tune: See the module's description.
        shift: Semitones from the written tune to the sung one.
        singer: `formants`, `espeak:VOICE` or `bank:FOLDER`.
        voice: The singer's habits; the middle of its range.
        syllables: Aliases of the bank to sing; none for the tune's own words.
        options: Of `banso accompany`, besides the seed.
        sheet: Bars of a lead sheet, to be obeyed, and one for what rings on; empty for none.
        asks: What of banso it shows, in a few words.
    """

    name: str
    title: str
    source: str
    key: str
    beats_per_bar: int
    bpm: float
    tune: str
    shift: int
    singer: str
    voice: Voice
    asks: str
    options: dict[str, str] = field(default_factory=dict)
    syllables: tuple[str, ...] = ()
    sheet: str = ""

    def bars(self) -> list[list[tuple[int, float, str, bool]]]:
        """Return each bar's notes: MIDI pitch as sung, beats, syllable, whether a breath follows.

        Raises:
            ValueError: If the tune is not written as it should be.
        """
        bars = []
        for bar in self.tune.split("|"):
            words = bar.split()
            if len(words) % 3:
                raise ValueError(f"{self.name}: '{bar.strip()}' is not of pitch, length, syllable")
            bars.append(
                [
                    (
                        _midi(pitch) + self.shift,
                        float(beats),
                        syllable.rstrip(","),
                        syllable.endswith(","),
                    )
                    for pitch, beats, syllable in zip(
                        words[::3], words[1::3], words[2::3], strict=True
                    )
                ]
            )
        return bars

    def notes(self) -> list[Note]:
        """Return the melody in seconds; first notes of bars are a little stronger."""
        beat = 60 / self.bpm
        time, notes = START_SECONDS, []
        for bar in self.bars():
            for place, (pitch, beats, syllable, breath) in enumerate(bar):
                length = beats * beat
                sounding = length - min(_BREATH_SECONDS, length / 2) * breath
                velocity = _WEAK if place else _STRONG
                notes.append(Note(time, time + sounding, pitch, velocity, syllable))
                time += length
        return notes

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.notes()[-1].end_seconds + REST_SECONDS

    def lead_sheet(self) -> str:
        """Return the text of a `.banso.txt`."""
        first = sum(beats for _, beats, _, _ in self.bars()[0])
        pickup = f"pickup: {first:g}\n" if first < self.beats_per_bar else ""
        return (
            f"title: {self.title}\nkey: {self.key}\nmeter: {self.beats_per_bar}/4\n"
            f"tempo: {self.bpm:g}\nstart: {START_SECONDS:g}\n{pickup}\n{self.sheet.strip()}\n"
        )


def _midi(name: str) -> int:
    """MIDI number of a pitch such as `F#4`."""
    return 12 * (int(name[-1]) + 1) + _SEMITONES[name[0]] + _ACCIDENTALS[name[1:-1]]


# Traditional, Edo period; in print in 1888 (Tokyo Academy of Music, "Collection of Koto Music").
SAKURA = ExampleSong(
    name="sakura",
    title="Sakura Sakura",
    source="Japanese, traditional (Edo period), in print 1888",
    key="Am",
    beats_per_bar=4,
    bpm=112,
    shift=0,
    tune="""
        A4 1 sa  A4 1 ku  B4 2 ra,          | A4 1 sa  A4 1 ku  B4 2 ra,
      | A4 1 ya  B4 1 yo  C5 1 i   B4 1 no  | A4 1 so  B4 0.5 ra  A4 0.5 a  F4 2 wa,
      | E4 1 mi  C4 1 wa  E4 1 ta  F4 1 su  | E4 1 ka  E4 0.5 gi  C4 0.5 i  B3 2 ri,
      | A4 1 ka  B4 1 su  C5 1 mi  B4 1 ka  | A4 1 ku  B4 0.5 mo  A4 0.5 o  F4 2 ka,
      | E4 1 ni  C4 1 o   E4 1 i   F4 1 zo  | E4 1 i   E4 0.5 zu  C4 0.5 u  B3 2 ru,
      | A4 1 i   A4 1 za  B4 2 ya,          | A4 1 i   A4 1 za  B4 2 ya,
      | E4 1 mi  F4 1 ni  B4 0.5 yu  A4 0.5 u  F4 1 ka  | E4 3 n  E4 1 n
    """,
    singer="bank:erithacus",
    voice=replace(_HABITS, centre=58.0, vibrato_cents=22.0),
    asks="a lead sheet typed by hand is given",
    options={"style": "orchestral"},
    sheet="""
[Sakura]
| Am | Am | Am | F | Am F | Am E |
| Am | F | Am F | Am E |
[Izaya]
| Am | Am | Dm | Am | Am |
""",
)

# Anonymous, registered in London in 1580; words from "A Handful of Pleasant Delights", 1584.
GREENSLEEVES = ExampleSong(
    name="greensleeves",
    title="Greensleeves",
    source="English, anonymous, 1580; words 1584",
    key="F#m",
    beats_per_bar=3,
    bpm=112,
    shift=2,
    tune="""
        E4 1 a | G4 2 la  A4 1 my | B4 1.5 love  C#5 0.5 you  B4 1 do | A4 2 me  F#4 1 ee
      | D4 1.5 wrong  E4 0.5 oh  F#4 1 to | G4 2 car  E4 1 me | E4 1.5 awe  D#4 0.5 oh  E4 1 dee
      | F#4 2 kur  D#4 1 tee | B3 2 lee,
        E4 1 for | G4 2 I  A4 1 have | B4 1.5 loved  C#5 0.5 you  B4 1 well | A4 2 and  F#4 1 ah
      | D4 1.5 long  E4 0.5 oh  F#4 1 dee | G4 1.5 light  F#4 0.5 eye  E4 1 thing
      | D#4 1.5 in  C#4 0.5 ee  D#4 1 your | E4 2 come  E4 1 pa | E4 2 knee
    """,
    singer="espeak:en-gb+m1",
    voice=replace(_HABITS, centre=52.0, vibrato_cents=18.0),
    asks="the voice alone, minor",
    options={"style": "acoustic"},
)

# Johannes Brahms (died 1897), op. 49 no. 4, 1868; words from "Des Knaben Wunderhorn", 1808.
LULLABY = ExampleSong(
    name="lullaby",
    title="Guten Abend, gut' Nacht",
    source="Johannes Brahms (died 1897), op. 49 no. 4, 1868; words 1808",
    key="Eb",
    beats_per_bar=3,
    bpm=104,
    shift=3,
    tune="""
        E4 0.5 gu  E4 0.5 ten | G4 1.5 a  E4 0.5 bend  E4 1 gut | G4 2 nah,  E4 0.5 mit  G4 0.5 i
      | C5 1 ro  B4 1.5 sen  A4 0.5 e | A4 1 be  G4 1 dah,  D4 0.5 mit  E4 0.5 i
      | F4 1 näg  D4 1 lein  D4 0.5 be  E4 0.5 e | F4 2 steh,  D4 0.5 schlu  F4 0.5 u
      | B4 0.5 un  A4 0.5 u  G4 1 ter  B4 1 die | C5 2 deck,  C4 0.5 mor  C4 0.5 gen
      | C5 2 früh  A4 0.5 wenn  F4 0.5 gott | G4 2 will,  E4 0.5 wirst  C4 0.5 du
      | F4 1 wie  G4 1 der  A4 1 ge | G4 2 weh,  C4 0.5 mor  C4 0.5 gen
      | C5 2 früh  A4 0.5 wenn  F4 0.5 gott | G4 2 will,  E4 0.5 wirst  C4 0.5 du
      | F4 1 wie  E4 1 der  D4 1 ge | C4 2 weh
    """,
    singer="espeak:de+f4",
    voice=replace(_HABITS, centre=65.0),
    # Without a sheet its three beats were heard as four, and the waltz came out in four.
    asks="three beats and the tempo are given, chords are found",
    options={"style": "waltz"},
    sheet="""
| ? |
| ? | ? | ? | ? | ? | ? | ? | ? |
| ? | ? | ? | ? | ? | ? | ? | Eb |
| Eb |
""",
)

# English sea shanty, described at sea in 1839.
SAILOR = ExampleSong(
    name="sailor",
    title="Drunken Sailor",
    source="English sea shanty, traditional, heard at sea by 1839",
    key="Cm",
    beats_per_bar=4,
    bpm=138,
    shift=-2,
    tune="""
        A4 1 what  A4 0.5 shall  A4 0.5 we  A4 1 do  A4 0.5 with  A4 0.5 a
      | A4 1 drunk  D4 1 un  F4 1 say  A4 1 ler,
      | G4 1 what  G4 0.5 shall  G4 0.5 we  G4 1 do  G4 0.5 with  G4 0.5 a
      | G4 1 drunk  C4 1 un  E4 1 say  G4 1 ler,
      | A4 1 what  A4 0.5 shall  A4 0.5 we  A4 1 do  A4 0.5 with  A4 0.5 a
      | A4 1 drunk  B4 1 un  C5 1 say  D5 1 ler,
      | C5 1 err  A4 1 lee  G4 1 in  E4 1 the | D4 2 more  D4 2 ning,
      | A4 2 way  A4 1 hay  A4 1 and | A4 1 oh  D4 1 she  F4 1 rise  A4 1 is,
      | G4 2 way  G4 1 hay  G4 1 and | G4 1 oh  C4 1 she  E4 1 rise  G4 1 is,
      | A4 2 way  A4 1 hay  A4 1 and | A4 1 oh  B4 1 she  C5 1 rise  D5 1 is,
      | C5 1 err  A4 1 lee  G4 1 in  E4 1 the | D4 2 more  D4 2 ning
    """,
    singer="espeak:en-us+m3",
    voice=replace(_HABITS, centre=54.0, vibrato_cents=12.0, scoop=0.3, legato=0.7),
    # Its tempo is heard at half, so a bar of the progression is two bars of the tune; with the
    # tempo given (`--bpm 138`) bars were heard to begin two beats late.
    asks="a progression of chords is given",
    options={"style": "rock", "chords": "Cm | Bb | Cm | Bb Cm"},
)

# Ludwig van Beethoven (died 1827), Symphony no. 9, 1824; words by Friedrich Schiller (died 1805).
JOY = ExampleSong(
    name="joy",
    title="Freude, schöner Götterfunken",
    source="Ludwig van Beethoven (died 1827), Symphony no. 9, 1824; words Friedrich Schiller, 1785",
    key="E",
    beats_per_bar=4,
    bpm=128,
    shift=2,
    tune="""
        F#4 1 freu  F#4 1 de   G4 1 schö  A4 1 ner  | A4 1 göt  G4 1 ter  F#4 1 fun  E4 1 ken
      | D4 1 toch  D4 1 ter  E4 1 aus  F#4 1 e  | F#4 1.5 ly  E4 0.5 si  E4 2 um,
      | F#4 1 wir  F#4 1 be  G4 1 tre  A4 1 ten  | A4 1 feu  G4 1 er  F#4 1 trun  E4 1 ken
      | D4 1 himm  D4 1 li  E4 1 sche  F#4 1 dein  | E4 1.5 hei  D4 0.5 lig  D4 2 tum,
      | E4 1 dei  E4 1 ne  F#4 1 zau  D4 1 ber
      | E4 1 bin  F#4 0.5 den  G4 0.5 e  F#4 1 wie  D4 1 der
      | E4 1 was  F#4 0.5 die  G4 0.5 i  F#4 1 mo  E4 1 de  | D4 1 streng  E4 1 ge  A3 2 teilt,
      | F#4 1 al  F#4 1 le  G4 1 men  A4 1 schen  | A4 1 wer  G4 1 den  F#4 1 brü  E4 1 der
      | D4 1 wo  D4 1 dein  E4 1 sanf  F#4 1 ter  | E4 1.5 flü  D4 0.5 gel  D4 2 weilt
    """,
    singer="formants",
    voice=replace(_HABITS, centre=66.0, size=1.17, vibrato_cents=45.0),
    asks="drums and bass only",
    options={"style": "electronic", "parts": "drums,bass"},
)

# George R. Poulton (died 1867), 1861.
AURA_LEE = ExampleSong(
    name="aura-lee",
    title="Aura Lee",
    source="George R. Poulton (died 1867), 1861",
    key="G",
    beats_per_bar=4,
    bpm=100,
    shift=0,
    tune="""
        D4 1 -  G4 1 -  F#4 1 -  G4 1 - | A4 1 -  E4 1 -  A4 2 -,
      | G4 1 -  F#4 1 -  E4 1 -  F#4 1 - | G4 4 -,
      | B4 1 -  B4 1 -  B4 2 - | B4 1 -  B4 1 -  B4 2 -,
      | B4 1 -  A4 1 -  G4 1 -  A4 1 - | B4 4 -,
      | B4 1 -  B4 1 -  C5 1 -  B4 1 - | A4 1 -  E4 1 -  A4 2 -,
      | G4 1 -  F#4 1 -  E4 1 -  F#4 1 - | G4 4 -
    """,
    singer="bank:dorodoro",
    voice=replace(_HABITS, centre=66.0, vibrato_cents=25.0),
    asks="the voice alone, major",
    options={"style": "country"},
    # No words: na, ma, ya, ro.
    syllables=("な", "ま", "や", "ろ"),
)

SONGS = (SAKURA, GREENSLEEVES, LULLABY, SAILOR, JOY, AURA_LEE)
