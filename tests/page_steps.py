"""Steps that tests of the page share."""

import pytest

PATIENT_MS = 60_000
LEVEL = "document.querySelector('#level').value"
TIME = "Number(document.querySelector('#cursor').dataset.seconds)"


def until(page, expression):
    """Wait until an expression holds; Playwright's own way is what the page's policy forbids."""
    for _ in range(PATIENT_MS // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{expression} did not hold in time")


def give(page, path):
    """Upload a file and wait for the first take."""
    page.set_input_files("#file", path)
    wait_for_band(page)


def wait_for_band(page):
    """Wait until the first take and the chords are there."""
    page.wait_for_selector(".take.done.selected", timeout=PATIENT_MS)
    page.wait_for_selector(".strip[data-role=accompaniment]", timeout=PATIENT_MS)
    page.wait_for_selector("#chords .cell", timeout=PATIENT_MS)


def wait_for_takes(page, number):
    """Wait until so many takes are done."""
    page.locator(".take.done").nth(number - 1).wait_for(timeout=PATIENT_MS)


def download(page, name, letter="A"):
    """Save a file of a take; its name and content."""
    page.get_by_label(f"Download take {letter}").click()
    with page.expect_download() as download:
        page.locator(".downloads[open]").get_by_text(name, exact=True).click()
    page.get_by_label(f"Download take {letter}").click()
    return download.value.suggested_filename, download.value.path().read_bytes()
