"""The styles a band can play in: instruments, grooves and rhythm patterns as tables.

A pattern is a string of sixteenth notes that covers one bar of four beats, or of three. Bars of
other lengths read on cyclically. Drums and chords: `X` accent, `x` normal, `g` ghost, `.` rest; in
chords `-` lets the last hit ring. Bass: `R` root, `F` fifth, `O` octave, `T` third, `A` approach to
the next root, `-` and `.` as before. Instruments are General MIDI programs, counted from 0.
"""

from dataclasses import dataclass, field

from banso.conditioning import PART_NAMES

PARTS = PART_NAMES

# General MIDI keys of the drum channel.
DRUM_KEYS = {
    "kick": 36, "snare": 38, "clap": 39, "rim": 37, "hat": 42, "open": 46, "ride": 51,
    "crash": 49, "shaker": 70, "tambourine": 54, "conga_low": 64, "conga_high": 63,
    "tom_low": 43, "tom_mid": 47, "tom_high": 50, "brush": 40,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Groove:
    """Drum patterns of one intensity, one string per drum."""

    hits: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One instrument that plays chords.

    Attributes:
        part: `harmony` or `extra`.
        programs: Instruments to choose from.
        mode: `block` (whole chord by the pattern), `strum` (the same, string by string), `pad`
            (held), `arpeggio` (one note per hit).
        patterns: Rhythms to choose from; unused by pads.
        centre: MIDI note that the voicing stays around.
        level: Volume, 0 to 127.
        from_energy: Energy of the section, 0 to 1, from which on the layer plays.
    """

    part: str
    programs: tuple[int, ...]
    mode: str
    patterns: tuple[str, ...] = ("X",)
    centre: int = 60
    level: int = 90
    from_energy: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """What makes a band sound the way it does.

    Attributes:
        name: As in manifests and on the command line.
        grooves: Drums from sparse to full; the section's energy chooses.
        kits: Drum kits to choose from.
        bass_programs: Bass instruments to choose from.
        bass_patterns: Bass rhythms to choose from.
        layers: Chord instruments.
        meters: Beats per bar that the style is for.
        swing: Delay of off-beat notes, as a share of the note value; upper end of the range.
        swing_unit: Beats between swung notes: 0.5 for eighths, 0.25 for sixteenths.
        drum_level: Volume of the drums, 0 to 127.
        tightness_ms: Standard deviation of the players' timing.
        fills: Whether drums lead into the next phrase by a fill.
        piano_chance: How often the score's own piano track takes the harmony part.
        reverb: Reverb send, 0 to 127.
    """

    name: str
    grooves: tuple[Groove, ...]
    kits: tuple[int, ...]
    bass_programs: tuple[int, ...]
    bass_patterns: tuple[str, ...]
    layers: tuple[Layer, ...] = field(default=())
    meters: tuple[int, ...] = (4, 3)
    swing: float = 0.0
    swing_unit: float = 0.5
    drum_level: int = 100
    tightness_ms: float = 6.0
    fills: bool = True
    piano_chance: float = 0.4
    reverb: int = 40


def _groove(**hits: str) -> Groove:
    return Groove(hits=hits)


_POP = Style(
    name="pop-band",
    grooves=(
        _groove(hat="x.x.x.x.x.x.x.x.", kick="X.......x.......", rim="....x.......x..."),
        _groove(hat="X.x.X.x.X.x.X.x.", kick="X.....x.X.......", snare="....X.......X..."),
        _groove(ride="X.x.X.x.X.x.X.x.", kick="X..x..x.X.x.....", snare="....X.......X..g",
                tambourine="....x.......x..."),
    ),
    kits=(0, 8, 16),
    bass_programs=(33, 34, 33),
    bass_patterns=("R-----R-R-----R-", "R-.R--R-R-.R--A-", "R-R-R-R-R-R-R-R-"),
    layers=(
        Layer(part="harmony", programs=(0, 1, 4, 5), mode="block",
              patterns=("X---x---x---x---", "X-----x-x-----x-", "X---..x-x---..x-"), level=92),
        Layer(part="extra", programs=(25, 27, 26), mode="strum",
              patterns=("X.x.x.x.X.x.x.x.", "X---x-x---x-x-x-"), centre=62, level=70,
              from_energy=0.4),
        Layer(part="extra", programs=(48, 50, 89), mode="pad", centre=67, level=62,
              from_energy=0.6),
    ),
)  # fmt: skip

_BALLAD = Style(
    name="ballad",
    grooves=(
        _groove(hat="x...x...x...x..."),
        _groove(hat="x.x.x.x.x.x.x.x.", kick="X.........x.....", rim="....x.......x..."),
        _groove(ride="x.x.x.x.x.x.x.x.", kick="X.....x...x.....", snare="....X.......X..."),
    ),
    kits=(0, 40),
    bass_programs=(32, 33, 35),
    bass_patterns=("R---------------", "R-------R-----A-", "R-----F-R-------"),
    layers=(
        Layer(part="harmony", programs=(0, 1, 2, 4), mode="arpeggio",
              patterns=("x-x-x-x-x-x-x-x-", "X-x-x-x-X-x-x-x-"), level=100),
        Layer(part="harmony", programs=(0, 4), mode="block", patterns=("X-------x-------",),
              centre=57, level=78),
        Layer(part="extra", programs=(48, 49, 44, 52), mode="pad", centre=65, level=72,
              from_energy=0.35),
    ),
    drum_level=72, tightness_ms=9.0, piano_chance=0.55, reverb=72,
)  # fmt: skip

_ACOUSTIC = Style(
    name="acoustic",
    grooves=(
        _groove(shaker="x.g.x.g.x.g.x.g."),
        _groove(shaker="X.xgX.xgX.xgX.xg", kick="x.......x......."),
        _groove(shaker="X.xgX.xgX.xgX.xg", kick="X.....x.X.......", tambourine="....X.......X...",
                conga_low="......x.......xx"),
    ),
    kits=(0, 40),
    bass_programs=(32, 35),
    bass_patterns=("R-------R-------", "R-----R-F-------", "R---..R-F---..A-"),
    layers=(
        Layer(part="harmony", programs=(24, 25), mode="strum",
              patterns=("X---x-x---x-x-x-", "X---x-xxX---x-xx", "X---X-x-.-x-X-x-"), centre=57,
              level=102),
        Layer(part="extra", programs=(24, 25, 46, 107), mode="arpeggio",
              patterns=("x-x-x-x-x-x-x-x-", "xxxxxxxxxxxxxxxx"), centre=66, level=66,
              from_energy=0.35),
        Layer(part="extra", programs=(21, 22, 40, 48), mode="pad", centre=64, level=56,
              from_energy=0.6),
    ),
    drum_level=84, tightness_ms=9.0, fills=False, piano_chance=0.33, reverb=48,
)  # fmt: skip

_ROCK = Style(
    name="rock",
    grooves=(
        _groove(hat="X.x.X.x.X.x.X.x.", kick="X.......X.......", snare="....X.......X..."),
        _groove(hat="X.x.X.x.X.x.X.x.", kick="X.....x.X.x.....", snare="....X.......X..."),
        _groove(crash="X...............", open="x.x.x.x.x.x.x.x.", kick="X.x...x.X.x...x.",
                snare="....X.......X..."),
    ),
    kits=(16, 0, 8),
    bass_programs=(34, 33),
    bass_patterns=("R-R-R-R-R-R-R-R-", "R-R-R-R-R-R-F-A-", "R---R-R-R---R-R-"),
    layers=(
        Layer(part="harmony", programs=(29, 30, 27), mode="strum",
              patterns=("XxxxXxxxXxxxXxxx", "X-x-x-x-X-x-x-x-", "X-------X---x-x-"), centre=54,
              level=84),
        Layer(part="harmony", programs=(16, 18, 0), mode="block", patterns=("X---x---x---x---",),
              centre=64, level=74),
        Layer(part="extra", programs=(27, 28, 30), mode="arpeggio",
              patterns=("x-x-x-x-x-x-x-x-",), centre=69, level=62, from_energy=0.55),
    ),
    drum_level=112, tightness_ms=6.0, piano_chance=0.22, reverb=32,
)  # fmt: skip

_ELECTRONIC = Style(
    name="electronic",
    grooves=(
        _groove(kick="X...X...X...X...", hat="..x...x...x...x."),
        _groove(kick="X...X...X...X...", clap="....X.......X...", open="..x...x...x...x."),
        _groove(kick="X...X...X...X...", clap="....X.......X...", open="..X...X...X...X.",
                hat="xxxxxxxxxxxxxxxx", shaker="g.x.g.x.g.x.g.x."),
    ),
    kits=(24, 25),
    bass_programs=(38, 39, 81),
    bass_patterns=("..R-..R-..R-..R-", "R-RR.RR-R-RR.RO-", "R-R-O-R-R-R-O-R-"),
    layers=(
        Layer(part="harmony", programs=(90, 81, 62, 63), mode="block",
              patterns=("X..x..x.X..x..x.", "..X...X...X...X.", "X--x--x---x--x--"), level=84),
        Layer(part="extra", programs=(88, 89, 94, 95), mode="pad", centre=64, level=74),
        Layer(part="extra", programs=(80, 81, 84, 98), mode="arpeggio",
              patterns=("xxxxxxxxxxxxxxxx", "x.xx.xx.x.xx.xx."), centre=74, level=56,
              from_energy=0.4),
    ),
    drum_level=110, tightness_ms=1.0, piano_chance=0.22, reverb=44,
)  # fmt: skip

_LOFI = Style(
    name="lo-fi",
    grooves=(
        _groove(kick="X.......x.......", rim="....x.......x..."),
        _groove(kick="X......xX.......", rim="....X.......X...", hat="x.xgx.x.x.xgx.x."),
        _groove(kick="X..x...xX.x.....", snare="....X.......X..g", hat="xgx.xgx.xgx.xgxg"),
    ),
    kits=(0, 8, 25),
    bass_programs=(33, 35, 32),
    bass_patterns=("R------RR-------", "R---..R-F-----A-", "R---------R-O---"),
    layers=(
        Layer(part="harmony", programs=(4, 5, 11), mode="block",
              patterns=("X-------..x-----", "X-----x---------", "X--x------x-----"), level=98),
        Layer(part="extra", programs=(26, 11, 107), mode="arpeggio",
              patterns=("x---..x---x-..x-", "..x---x-..x---x-"), centre=69, level=64,
              from_energy=0.4),
        Layer(part="extra", programs=(89, 91, 94), mode="pad", centre=62, level=54,
              from_energy=0.3),
    ),
    swing=0.34, swing_unit=0.25, drum_level=88, tightness_ms=11.0, piano_chance=0.33, reverb=30,
)  # fmt: skip

_BOSSA = Style(
    name="bossa",
    grooves=(
        _groove(shaker="x.x.x.x.x.x.x.x.", rim="x.....x.....x..."),
        _groove(hat="x.x.x.x.x.x.x.x.", rim="X.....x.....x...", kick="X.....xxX.....xx"),
        _groove(hat="xgxgxgxgxgxgxgxg", rim="X.....X.....X...", kick="X.....xxX.....xx",
                conga_high="..x....x..x....x"),
    ),
    kits=(0, 40, 32),
    bass_programs=(32, 35, 33),
    bass_patterns=("R-----F-F-----R-", "R-----R-F-----F-"),
    layers=(
        Layer(part="harmony", programs=(24, 26, 4), mode="block",
              patterns=("X-..x-..X--x..x-", "X-..x..X-..x-...", "X--x..X-..x-..x-"), centre=59,
              level=102),
        Layer(part="extra", programs=(73, 11, 65, 48), mode="pad", centre=70, level=58,
              from_energy=0.4),
    ),
    meters=(4,), drum_level=80, tightness_ms=8.0, fills=False, piano_chance=0.33, reverb=44,
)  # fmt: skip

_FUNK = Style(
    name="funk",
    grooves=(
        _groove(hat="x.x.x.x.x.x.x.x.", kick="X.........x.....", snare="....X.......X..."),
        _groove(hat="XgxgXgxgXgxgXgxg", kick="X..x......x..x..", snare="....X..g.g..X..g"),
        _groove(hat="XxxxXxxxXxxxXxxx", kick="X..x..x...x..x..", snare="....X..g.g.gX..g",
                tambourine="....x.......x..."),
    ),
    kits=(8, 0, 16),
    bass_programs=(36, 37, 33),
    bass_patterns=("R-.R..O.R-.RF-A-", "R..R.O..R.RR..FA", "R-O..R.RR-..O.F-"),
    layers=(
        Layer(part="harmony", programs=(7, 4, 16, 0), mode="block",
              patterns=("X--x..x.X--x..xx", "X.x..x.xX.x..x..", "X-----..x..x-...",), centre=60,
              level=92),
        Layer(part="extra", programs=(27, 28), mode="strum",
              patterns=("..xx..xx..xx..xx", "x.xxx.xxx.xxx.xx"), centre=66, level=66),
        Layer(part="extra", programs=(61, 62, 66), mode="block",
              patterns=("..........X.x-..", "X-............X."), centre=67, level=72,
              from_energy=0.6),
    ),
    meters=(4,), swing=0.2, swing_unit=0.25, drum_level=106, tightness_ms=5.0, piano_chance=0.22,
    reverb=28,
)  # fmt: skip

_COUNTRY = Style(
    name="country",
    grooves=(
        _groove(kick="X.......X.......", brush="..g...g...g...g."),
        _groove(kick="X.......X.......", brush="..xg..X...xg..X.", hat="....x.......x..."),
        _groove(kick="X.......X.....x.", snare="..x.X.x...x.X.x.", hat="x.x.x.x.x.x.x.x."),
    ),
    kits=(40, 0),
    bass_programs=(32, 33),
    bass_patterns=("R-------F-------", "R---....F---..A-"),
    layers=(
        Layer(part="harmony", programs=(25, 3, 0), mode="strum",
              patterns=("x-..X-x-x-..X-x-", "....X-x-....X-x-"), centre=57, level=104),
        Layer(part="extra", programs=(105, 25, 15), mode="arpeggio",
              patterns=("xxxxxxxxxxxxxxxx", "x-xxx-xxx-xxx-xx"), centre=66, level=62,
              from_energy=0.4),
        Layer(part="extra", programs=(110, 22, 21), mode="pad", centre=69, level=54,
              from_energy=0.55),
    ),
    meters=(4,), swing=0.12, drum_level=92, tightness_ms=8.0, piano_chance=0.33, reverb=36,
)  # fmt: skip

_ORCHESTRAL = Style(
    name="orchestral",
    grooves=(
        _groove(kick="g..............."),
        _groove(kick="X.......x.......", tambourine="....g.......g..."),
        _groove(kick="X.......X.....x.", snare="....x..gx.gg....", crash="x..............."),
    ),
    kits=(48, 0),
    bass_programs=(43, 42, 32),
    bass_patterns=("R-------R-------", "R---R---R---R---", "R-------F-------"),
    layers=(
        Layer(part="harmony", programs=(48, 49, 45, 6), mode="block",
              patterns=("X---x---x---x---", "X-x-x-x-X-x-x-x-"), centre=58, level=98),
        Layer(part="harmony", programs=(48, 49), mode="pad", centre=55, level=78),
        Layer(part="extra", programs=(46, 0, 45), mode="arpeggio",
              patterns=("x-x-x-x-x-x-x-x-", "xxxxxxxxxxxxxxxx"), centre=67, level=74,
              from_energy=0.2),
        Layer(part="extra", programs=(60, 61, 52, 73), mode="pad", centre=67, level=60,
              from_energy=0.55),
    ),
    drum_level=84, tightness_ms=10.0, fills=False, piano_chance=0.33, reverb=88,
)  # fmt: skip

_WALTZ = Style(
    name="waltz",
    grooves=(
        _groove(hat="....x...x..."),
        _groove(kick="X...........", hat="....x...x...", brush="....x...x..."),
        _groove(kick="X.........x.", snare="....X...X...", ride="x...x.x.x.x."),
    ),
    kits=(40, 0),
    bass_programs=(32, 33),
    bass_patterns=("R---........", "R-------F---", "R---....A---"),
    layers=(
        Layer(part="harmony", programs=(0, 24, 21, 3), mode="block",
              patterns=("x---X---X---", "X-..x-..x-..", "X---x---x-x-"), centre=60, level=102),
        Layer(part="extra", programs=(48, 21, 71, 68), mode="pad", centre=67, level=62,
              from_energy=0.3),
    ),
    meters=(3,), drum_level=84, tightness_ms=9.0, fills=False, reverb=52,
)  # fmt: skip

STYLES = {
    style.name: style
    for style in (
        _POP, _BALLAD, _ACOUSTIC, _ROCK, _ELECTRONIC, _LOFI, _BOSSA, _FUNK, _COUNTRY, _ORCHESTRAL,
        _WALTZ,
    )
}  # fmt: skip
