"""The preview of a data set in a real browser: pictures are drawn, and players play."""

import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.data.manifest import build_manifest
from banso.data.preview import write_preview
from browser.conftest import DESKTOP, PHONE
from prepared_pairs import SECONDS, make_item

pytestmark = [pytest.mark.browser, pytest.mark.lab]

# Share of pixels of the first picture that are not its ground.
INK = """() => {
  const canvas = document.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let other = 0;
  for (let k = 0; k < data.length; k += 4) {
    other += data[k] !== data[0] || data[k + 1] !== data[1] || data[k + 2] !== data[2];
  }
  return (4 * other) / data.length;
}"""
AUDIO = "document.querySelectorAll('audio')[{}]"


@pytest.fixture(scope="module")
def preview(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data set")
    for number, style in enumerate(("ballad", "rock")):
        make_item(folder, f"song-{number}-00", style)
    build_manifest(folder)
    return write_preview(folder, folder / "page", workers=1)


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)])
def test_pictures_are_drawn_and_fit(open_page, preview, size, dark):
    page = open_page(preview.page, size=size, dark=dark)
    assert page.locator("canvas").count() == 2
    assert page.evaluate(INK) > 0.1
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert f"{preview.chord_accuracy:.3f} of the time" in page.inner_text("#summary")
    assert "both as they must be" in page.inner_text("#summary")
    assert "CC0-1.0" in page.inner_text("article >> nth=0")


def test_one_pair_plays_at_a_time_from_where_it_is_pressed(open_page, preview):
    page = open_page(preview.page)
    page.get_by_role("button", name="Play").first.press("Enter")
    page.wait_for_function(f"{AUDIO.format(0)}.currentTime > 0.2")
    assert page.evaluate(f"{AUDIO.format(0)}.duration") == pytest.approx(SECONDS, abs=0.1)
    picture = page.locator("canvas").nth(1)
    picture.click(position={"x": picture.bounding_box()["width"] / 2, "y": 10})
    page.wait_for_function(f"{AUDIO.format(1)}.currentTime > {SECONDS / 2}")
    assert page.evaluate(f"{AUDIO.format(0)}.paused")


def test_parts_are_changed_without_losing_the_place(open_page, preview):
    page = open_page(preview.page)
    page.get_by_role("button", name="Play").first.click()
    page.wait_for_function(f"{AUDIO.format(0)}.currentTime > 0.5")
    page.get_by_role("radio", name="band").first.check()
    page.wait_for_function(f"{AUDIO.format(0)}.currentTime > 0.5")
    assert page.evaluate(f"{AUDIO.format(0)}.src").endswith("song-0-00-band.mp3")
    assert not page.evaluate(f"{AUDIO.format(0)}.paused")
