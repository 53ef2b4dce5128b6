"""The browser of these tests does what the other tests rely on."""

import pytest

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><meta charset="utf-8"><title>t</title>
<p id="hello">伴奏</p><script>document.body.dataset.dark =
matchMedia('(prefers-color-scheme: dark)').matches</script>"""


@pytest.fixture
def hello(tmp_path):
    path = tmp_path / "hello world.html"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_pages_open_in_the_size_scheme_and_language_asked_for(open_page, hello):
    page = open_page(hello, size=(375, 740), dark=True, language="ja-JP")
    assert page.inner_text("#hello") == "伴奏"
    assert page.get_attribute("body", "data-dark") == "true"
    assert page.evaluate("[innerWidth, navigator.language]") == [375, "ja-JP"]


def test_what_goes_wrong_in_a_page_is_kept(open_page, hello):
    page = open_page(hello)
    page.evaluate("console.error('a bad thing'); fetch('http://192.0.2.1/').catch(() => 0)")
    page.wait_for_function("true")
    page.wait_for_timeout(200)
    assert any("a bad thing" in problem for problem in page.problems)
    assert any("another machine" in problem for problem in page.problems)
    page.allowed_errors += ["a bad thing", "another machine", "ERR_FAILED"]
