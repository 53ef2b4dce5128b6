"""Lead sheets as JSON."""

from typing import Any

from banso.leadsheet import ChordSpan, LeadSheet

_DIGITS = 4  # a tenth of a millisecond


def lead_sheet_to_json(sheet: LeadSheet) -> dict[str, Any]:
    """Write a lead sheet as JSON, times in seconds."""
    return {
        "beats": [round(beat, _DIGITS) for beat in sheet.beats],
        "downbeats": [round(beat, _DIGITS) for beat in sheet.downbeats],
        "chords": [
            {
                "start_seconds": round(span.start_seconds, _DIGITS),
                "end_seconds": round(span.end_seconds, _DIGITS),
                "label": span.label,
            }
            for span in sheet.chords
        ],
        "key": sheet.key,
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
        key=content["key"],
    )
