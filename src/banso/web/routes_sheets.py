"""Lead sheets: from text to JSON and back, with a place for every mistake."""

from typing import Any

from fastapi import APIRouter

from banso.errors import DataError
from banso.leadsheet import LeadSheet
from banso.sheet_text import read_sheet
from banso.sheet_writer import write_sheet
from banso.web.leadsheets import lead_sheet_from_json, lead_sheet_to_json
from banso.web.problems import answers
from banso.web.schemas import Sheet, SheetAnswer, SheetBody, Wishes

router = APIRouter(tags=["lead sheets"])


@router.post("/lead-sheets", responses=answers(422))
def convert_lead_sheet(body: SheetBody) -> SheetAnswer:
    """Check a lead sheet and give it back as JSON and as text; nothing is kept."""
    sheet = one_sheet(body.lead_sheet, body.text)
    content = Sheet.model_validate(lead_sheet_to_json(sheet))
    return SheetAnswer(lead_sheet=content, text=write_sheet(sheet))


def one_sheet(content: Sheet | None, text: str | None) -> LeadSheet:
    """Read a lead sheet from whichever form was sent.

    Raises:
        DataError: If none or both were, or it makes no sense.
    """
    if content is not None and text is None:
        return lead_sheet_from_json(content.model_dump())
    if text is not None and content is None:
        return read_sheet(text)
    raise DataError("send a lead sheet either as JSON or as text")


def asked_of(body: Wishes, apart: set[str]) -> dict[str, Any]:
    """Return what a request asks for, as a job keeps it; its lead sheet in one form.

    Args:
        body: The request.
        apart: Fields that the caller looks after itself.

    Raises:
        DataError: If the lead sheet makes no sense.
    """
    sheets = {"lead_sheet", "lead_sheet_text"}
    asked = body.model_dump(exclude=apart | sheets, exclude_defaults=True)
    if body.lead_sheet is not None or body.lead_sheet_text is not None:
        asked["lead_sheet"] = lead_sheet_to_json(one_sheet(body.lead_sheet, body.lead_sheet_text))
    return asked
