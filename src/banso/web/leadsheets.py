"""Lead sheets as JSON."""

from pathlib import Path
from typing import Any

from banso.leadsheet import ChordSpan, LeadSheet, Section
from banso.sheet_files import MIDI_ENDING, TEXT_ENDING, format_sheet

# By role, under which names a sheet is delivered.
SHEET_FILES = {"lead_sheet": f"lead-sheet{TEXT_ENDING}", "midi": f"lead-sheet{MIDI_ENDING}"}


def lead_sheet_to_json(sheet: LeadSheet) -> dict[str, Any]:
    """Write a lead sheet as JSON, times in seconds."""
    return {
        "beats": list(sheet.beats),
        "downbeats": list(sheet.downbeats),
        "chords": [
            {"start_seconds": s.start_seconds, "end_seconds": s.end_seconds, "label": s.label}
            for s in sheet.chords
        ],
        "key": sheet.key,
        "title": sheet.title,
        "beat_unit": sheet.beat_unit,
        "sections": [{"start_seconds": s.start_seconds, "name": s.name} for s in sheet.sections],
    }


def lead_sheet_from_json(content: dict[str, Any]) -> LeadSheet:
    """Read a lead sheet from JSON of the right types.

    Raises:
        DataError: If beats or chords are out of order, or a chord's name is none.
    """
    spans = [ChordSpan(c["start_seconds"], c["end_seconds"], c["label"]) for c in content["chords"]]
    return LeadSheet(
        beats=tuple(content["beats"]),
        downbeats=tuple(content["downbeats"]),
        chords=tuple(spans),
        key=content.get("key"),
        title=content.get("title", ""),
        beat_unit=content.get("beat_unit", 4),
        sections=tuple(Section(s["start_seconds"], s["name"]) for s in content.get("sections", ())),
    )


def write_sheet_files(sheet: LeadSheet, folder: Path) -> dict[str, Path]:
    """Write a lead sheet for people and for programs; return the files by role."""
    paths = {role: folder / name for role, name in SHEET_FILES.items()}
    for path, ending in zip(paths.values(), (TEXT_ENDING, MIDI_ENDING), strict=True):
        path.write_bytes(format_sheet(sheet, ending))
    return paths
