"""Chord symbols of lead sheets, as MusicXML writes them, to names in MIREX syntax."""

from xml.etree.ElementTree import Element

from banso.chords import NO_CHORD, PITCH_CLASS_NAMES

UNKNOWN_CHORD = "X"

_NATURAL = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_QUALITIES = {
    "": "maj",
    "major": "maj",
    "minor": "min",
    "augmented": "aug",
    "diminished": "dim",
    "dominant": "7",
    "dominant-seventh": "7",
    "major-seventh": "maj7",
    "minor-seventh": "min7",
    "diminished-seventh": "dim7",
    "augmented-seventh": "aug(b7)",
    "augmented-ninth": "aug(b7,9)",
    "half-diminished": "hdim7",
    "major-minor": "minmaj7",
    "minor-major": "minmaj7",
    "major-sixth": "maj6",
    "minor-sixth": "min6",
    "dominant-ninth": "9",
    "major-ninth": "maj9",
    "minor-ninth": "min9",
    "dominant-11th": "11",
    "major-11th": "maj9(11)",
    "minor-11th": "min11",
    "dominant-13th": "13",
    "major-13th": "maj13",
    "minor-13th": "min13",
    "suspended-second": "sus2",
    "suspended-fourth": "sus4",
    "maj69": "maj6(9)",
    "power": "5",
    "pedal": "1",
}
_DEGREES = ("1", "b2", "2", "b3", "3", "4", "b5", "5", "b6", "6", "b7", "7")


def read_harmony(harmony: Element) -> str:
    """Return the MIREX name of a `<harmony>` element.

    Args:
        harmony: With root, kind, and perhaps bass and degrees.

    Returns:
        For example `Bb:min7/b3`; `N` for the kind `none`, `X` for what has no name in MIREX.
    """
    kind = (harmony.findtext("kind") or "").strip()
    root = _pitch_class(harmony, "root")
    if kind == "none":
        return NO_CHORD
    if root is None or kind not in _QUALITIES:
        return UNKNOWN_CHORD
    label = f"{PITCH_CLASS_NAMES[root]}:{_with_degrees(_QUALITIES[kind], harmony)}"
    bass = _pitch_class(harmony, "bass")
    if bass is None or bass == root:
        return label
    return f"{label}/{_DEGREES[(bass - root) % 12]}"


def _with_degrees(quality: str, harmony: Element) -> str:
    """Add what is altered, added or left out in parentheses."""
    head, _, extra = quality.rstrip(")").partition("(")
    changes = [change for change in extra.split(",") if change]
    for degree in harmony.iterfind("degree"):
        value = (degree.findtext("degree-value") or "").strip()
        if not value.isdigit() or not 1 <= int(value) <= 13:
            continue
        alter = round(float(degree.findtext("degree-alter") or 0))
        written = ("#" * alter if alter > 0 else "b" * -alter) + value
        kind = (degree.findtext("degree-type") or "").strip()
        if kind in ("alter", "subtract"):
            changes.append("*" + value)
        if kind in ("alter", "add"):
            # An added seventh is the minor one unless it is raised.
            changes.append("b7" if written == "7" else written)
    return head + (f"({','.join(dict.fromkeys(changes))})" if changes else "")


def _pitch_class(harmony: Element, name: str) -> int | None:
    step = (harmony.findtext(f"{name}/{name}-step") or "").strip()
    if step not in _NATURAL:
        return None
    return (_NATURAL[step] + round(float(harmony.findtext(f"{name}/{name}-alter") or 0))) % 12
