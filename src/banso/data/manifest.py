"""What is in a data set: items with their plan, split, rights and checksums, as JSON."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from banso.errors import DataError
from banso.leadsheet import ChordSpan, LeadSheet, Section, SungNote

ITEM_FILE = "item.json"
MANIFEST_FILE = "manifest.json"
ITEMS_FOLDER = "items"
FORMAT_VERSION = 1
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One training example: a voice, its band and the plan that both follow.

    Attributes:
        item_id: Name of the item and of its folder.
        song_id: Song that it was made from; all items of a song are in one split.
        source: Corpus.
        split: One of `SPLITS`.
        style: What the band plays.
        num_samples: Length of both files.
        sample_rate: Hz.
        lead_sheet: Plan, in seconds from the start of the files.
        start_seconds: Where in the score the item begins.
        transposition: Semitones against the score.
        tempo_factor: Speed against the score.
        seed: Seed of the run that made the item.
        soundfont: Instruments of the band, and their licence.
        licence: Licence of the score or recording.
        attribution: Whom to name.
        sha256: Checksum by file name.
    """

    item_id: str
    song_id: str
    source: str
    split: str
    style: str
    num_samples: int
    sample_rate: int
    lead_sheet: LeadSheet
    start_seconds: float
    transposition: int
    tempo_factor: float
    seed: int
    soundfont: str
    licence: str
    attribution: str
    sha256: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return the item as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: object) -> "Item":
        """Read an item back.

        Raises:
            DataError: If a field is missing, unknown or of the wrong kind.
        """
        if not isinstance(content, dict):
            raise DataError("an item must be a JSON object")
        fields = dict(content)
        try:
            fields["lead_sheet"] = _lead_sheet(fields["lead_sheet"])
            item = cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"item {fields.get('item_id', '?')} is not valid: {error}") from error
        if item.split not in SPLITS:
            raise DataError(f"item {item.item_id} is in the unknown split '{item.split}'")
        return item


@dataclass(frozen=True, slots=True)
class Manifest:
    """All items of a data set, and the folder that holds them.

    Attributes:
        folder: Folder with `manifest.json` and `items`.
        items: In order of their names.
    """

    folder: Path
    items: tuple[Item, ...]

    def of_split(self, split: str) -> tuple[Item, ...]:
        """Return the items of one split."""
        return tuple(item for item in self.items if item.split == split)

    def path(self, item: Item, name: str) -> Path:
        """Return where a file of an item lies, for example `vocals.flac`."""
        return self.folder / ITEMS_FOLDER / item.item_id / name


def split_of(song_id: str) -> str:
    """Return the split of a song, by its name alone: 5 % test, 3 % validation, the rest train."""
    bucket = int(hashlib.md5(song_id.encode(), usedforsecurity=False).hexdigest(), 16) % 100
    return "test" if bucket < 5 else "validation" if bucket < 8 else "train"


def write_item(folder: Path, item: Item) -> None:
    """Write `item.json` in one stroke; its presence says that the item is complete."""
    _write_json(folder / ITEM_FILE, item.to_json())


def read_item(folder: Path) -> Item:
    """Read `item.json` of an item's folder.

    Raises:
        DataError: If it is missing or not valid.
    """
    return Item.from_json(_read_json(folder / ITEM_FILE))


def build_manifest(folder: Path) -> Manifest:
    """Collect all complete items below a folder into its `manifest.json`."""
    paths = sorted(folder.glob(f"{ITEMS_FOLDER}/*/{ITEM_FILE}"))
    items = tuple(read_item(path.parent) for path in paths)
    content = {"format_version": FORMAT_VERSION, "items": [item.to_json() for item in items]}
    _write_json(folder / MANIFEST_FILE, content)
    return Manifest(folder, items)


def load_manifest(folder: Path) -> Manifest:
    """Read `manifest.json` of a data set.

    Raises:
        DataError: If it is missing, not valid or of another version.
    """
    content = _read_json(folder / MANIFEST_FILE)
    if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
        raise DataError(f"{folder / MANIFEST_FILE} is not a manifest of version {FORMAT_VERSION}")
    return Manifest(folder, tuple(Item.from_json(item) for item in content.get("items", [])))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 checksum of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lead_sheet(content: dict[str, Any]) -> LeadSheet:
    return LeadSheet(
        beats=tuple(content["beats"]),
        downbeats=tuple(content["downbeats"]),
        chords=tuple(ChordSpan(**span) for span in content["chords"]),
        key=content["key"],
        # Items made by older versions lack these.
        title=content.get("title", ""),
        beat_unit=content.get("beat_unit", 4),
        sections=tuple(Section(**section) for section in content.get("sections", ())),
        notes=tuple(SungNote(**note) for note in content.get("notes", ())),
    )


def _read_json(path: Path) -> object:
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    return content


def _write_json(path: Path, content: object) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(path)
