"""The listening test from page to table: simulated listeners, by keyboard alone, in a real browser.

The answers are a program's, and say so: in the page, in the exported file and in the report.
"""

import json
import re

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.eval.listening import ListeningOptions, build_listening_test
from banso.eval.listening_report import analyze_listening
from browser.conftest import DESKTOP, PHONE
from listening_songs import SYSTEMS, songs

pytestmark = [pytest.mark.browser, pytest.mark.lab]

MERIT = dict(zip(SYSTEMS, (4.8, 3.9, 2.6, 1.2), strict=True))
PLAYING = "[...document.querySelectorAll('audio')].filter((a) => !a.paused)"
HEARD = 0.2


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    options = ListeningOptions(seed=1, excerpt_seconds=3.0, least_heard_seconds=HEARD)
    return build_listening_test(songs(2), tmp_path_factory.mktemp("listening test"), options)


@pytest.fixture(scope="module")
def system_of(built):
    clips = json.loads(built.key.read_text())["clips"]
    return {name: clip["system"] for name, clip in clips.items()}


def start(open_page, built, **options):
    return open_page(built.page.as_uri() + "?simulated", **options)


def shown(page):
    """Clips on the page in the order of their letters."""
    sources = page.eval_on_selector_all("audio", "all => all.map((a) => a.getAttribute('src'))")
    return [source.removeprefix("clips/").removesuffix(".flac") for source in sources]


def tab_to(page, condition):
    """Press Tab until the focused element meets a condition."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(f"((e) => Boolean({condition}))(document.activeElement)"):
            return
    raise AssertionError(f"the keyboard does not reach {condition}")


def answer(page, question, digit):
    tab_to(page, f"e.closest('fieldset')?.dataset.name === '{question}'")
    page.keyboard.press(str(digit))


def listen(page, letters):
    for letter in letters:
        page.keyboard.press(letter)
        card = f"[data-clip={letter}]"
        page.wait_for_function(f"document.querySelector('{card} .heard').textContent[0] === '✓'")
        assert page.evaluate(f"{PLAYING}.length") == 1
    page.keyboard.press(letters[-1])
    assert page.evaluate(f"{PLAYING}.length") == 0


def answer_trial(page, system_of, rng):
    names = shown(page)
    letters = "abcdefgh"[: len(names)]
    felt = [MERIT[system_of[name]] + rng.normal(0, 0.3) for name in names]
    listen(page, letters)
    if page.locator("fieldset").count() == 1:
        page.keyboard.press("1" if felt[0] > felt[1] else "3")
        return
    for letter, value in zip(letters.upper(), felt, strict=True):
        for scale in ("fit", "quality"):
            answer(page, f"{scale}-{letter}", int(np.clip(round(value), 1, 5)))


def take_part(page, built, system_of, seed):
    """Answer everything from where the page is; return the name of the listener's file."""
    rng = np.random.default_rng(seed)
    if page.locator("fieldset[data-name=device]").count():
        answer(page, "device", 1)
        answer(page, "training", 2)
        page.keyboard.press("Enter")
    while page.locator("#save").count() == 0:
        answer_trial(page, system_of, rng)
        page.keyboard.press("Enter")
    tab_to(page, "e.id === 'save'")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    return download.value


@pytest.mark.slow
def test_listeners_answer_by_keyboard_and_their_order_is_found(
    open_page, built, system_of, tmp_path
):
    pages = (
        {"size": DESKTOP},
        {"size": PHONE, "language": "ja-JP", "dark": True, "has_touch": True},
        {"size": DESKTOP, "dark": True},
    )
    paths, orders = [], []
    for seed, options in enumerate(pages):
        page = start(open_page, built, **options)
        download = take_part(page, built, system_of, seed)
        path = tmp_path / download.suggested_filename
        download.save_as(path)
        paths.append(path)
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["simulated"] is True
        assert result["about"] == {"device": "headphones", "training": "hobby"}
        assert all(min(a["heard_seconds"]) >= HEARD for a in result["answers"])
        orders.append([a["trial"] for a in result["answers"]])
    assert len({tuple(order) for order in orders}) == 3
    assert len({path.name for path in paths}) == 3
    text = analyze_listening(paths, built.key, tmp_path / "report")
    found = json.loads((tmp_path / "report" / "listening.json").read_text())
    strengths = found["groups"]["passing"]["strengths"]
    assert sorted(strengths, key=lambda s: -strengths[s][0]) == list(SYSTEMS)
    fits = found["groups"]["passing"]["scores"]["fit"]
    assert all(fits[s][0] == pytest.approx(MERIT[s], abs=0.5) for s in SYSTEMS)
    assert found["num_simulated"] == 3
    assert "SIMULATED ANSWERS: 3 of 3" in text


def test_sound_plays_and_only_one_clip_at_a_time(open_page, built):
    page = start(open_page, built)
    page.keyboard.press("v")
    page.wait_for_function("document.querySelector('audio').currentTime > 0.2")
    page.keyboard.press("v")
    at = page.evaluate("document.querySelector('audio').currentTime")
    page.wait_for_timeout(150)
    assert page.evaluate("document.querySelector('audio').currentTime") == at
    assert page.evaluate("document.querySelector('audio').duration") == pytest.approx(3, abs=0.01)


def test_another_clip_goes_on_where_the_first_one_is(open_page, built):
    page = first_trial(open_page, built)
    page.keyboard.press("a")
    page.wait_for_function("document.querySelectorAll('audio')[0].currentTime > 0.8")
    page.keyboard.press("b")
    assert page.evaluate("document.querySelectorAll('audio')[1].currentTime") > 0.8
    assert page.evaluate(f"{PLAYING}.length") == 1


def first_trial(open_page, built, **options):
    page = start(open_page, built, **options)
    answer(page, "device", 2)
    answer(page, "training", 1)
    page.keyboard.press("Enter")
    return page


def test_nothing_can_be_skipped(open_page, built):
    page = start(open_page, built)
    page.keyboard.press("Enter")
    assert page.inner_text("#status") == "Please answer both questions about you."
    page = first_trial(open_page, built)
    assert "Page 1 of 8" in page.inner_text("#progress")
    page.keyboard.press("Enter")
    assert page.inner_text("#status") == "Please listen first to: A, B."
    listen(page, "ab")
    page.keyboard.press("Enter")
    assert page.inner_text("#status") == "One answer is still missing."
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    assert "Page 2 of 8" in page.inner_text("#progress")


def test_progress_survives_closing_the_page(open_page, built, system_of):
    page = first_trial(open_page, built)
    answer_trial(page, system_of, np.random.default_rng(0))
    page.keyboard.press("Enter")
    before = shown(page)
    page.goto(built.page.as_uri())
    assert "Page 2 of 8" in page.inner_text("#progress")
    assert shown(page) == before
    # Once simulated, a run stays so, whatever its address says later.
    assert page.is_visible("#simulated")
    page.get_by_role("button", name="Back").click()
    assert page.locator("input:checked").count() == 1
    assert page.locator(".heard", has_text="✓").count() == 2


def test_the_language_can_be_changed_in_the_middle(open_page, built):
    page = first_trial(open_page, built)
    assert page.get_attribute("html", "lang") == "en"
    page.get_by_role("button", name="日本語").click()
    assert page.get_attribute("html", "lang") == "ja"
    assert page.inner_text("h1") == "どちらの伴奏が歌声に合っていますか"
    assert not re.search(r"[A-Za-z]{6}", page.inner_text("main"))


def test_both_languages_have_the_same_texts(open_page, built):
    page = start(open_page, built)
    names = page.evaluate("Object.values(LISTENING_TEXTS).map((t) => Object.keys(t).sort())")
    assert names[0] == names[1]


@pytest.mark.parametrize("language", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("dark", [False, True])
def test_pages_fit_a_phone(open_page, built, system_of, language, dark):
    page = first_trial(open_page, built, size=PHONE, language=language, dark=dark)
    for step in (0, 1, 2, 7, 9):
        go_to(page, step)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        heights = page.eval_on_selector_all(
            "main button, main .choices label, main summary",
            "all => all.map((e) => e.getBoundingClientRect().height)",
        )
        assert min(heights) >= 40


def test_words_stand_out_from_their_ground(open_page, built):
    for dark in (False, True):
        page = first_trial(open_page, built, dark=dark)
        go_to(page, 8)
        page.evaluate("document.querySelectorAll('input')[2].click()")
        for selector in (
            "body",
            "button.main",
            "label:has(:checked)",
            ".soft",
            ".heard",
            "#simulated",
        ):
            assert contrast(page, selector) >= 4.5, (selector, dark)


def go_to(page, step):
    """Open a page of the test by what the browser keeps, not by answering."""
    page.evaluate(
        """(step) => {
          const name = Object.keys(localStorage).find((k) => k.startsWith('banso-listening'));
          const kept = JSON.parse(localStorage.getItem(name));
          localStorage.setItem(name, JSON.stringify({ ...kept, step, finished: null }));
        }""",
        step,
    )
    page.reload()


def contrast(page, selector):
    """Contrast ratio of WCAG 2.2 between an element's text and the ground behind it."""
    colours = page.eval_on_selector(
        selector,
        """(element) => {
          const parts = (text) => text.match(/[\\d.]+/g).map(Number);
          let ground = element;
          const clear = (e) => (parts(getComputedStyle(e).backgroundColor)[3] ?? 1) === 0;
          while (clear(ground)) ground = ground.parentElement;
          const style = getComputedStyle(element);
          return [parts(style.color), parts(getComputedStyle(ground).backgroundColor)];
        }""",
    )

    def luminance(colour):
        share = np.array(colour[:3]) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    dark, light = sorted(luminance(colour) for colour in colours)
    return (light + 0.05) / (dark + 0.05)
