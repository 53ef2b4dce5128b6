"""The page in a real browser, with a real server and the small bundle behind it."""

import io

import pytest
import soundfile

from page_steps import LEVEL, PATIENT_MS, TIME, download, give, until, wait_for_takes
from web_service import wav_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = (375, 740)
WATCH_PROGRESS = """() => {
    const look = () => { window.sawProgress ||= !!document.querySelector(".take progress"); };
    new MutationObserver(look).observe(document.body, {childList: true, subtree: true});
}"""


def test_from_file_to_download_and_reload(open_banso, voice_file):
    page = open_banso()
    # A band of six seconds is made so fast that whoever looks now and then may miss how.
    page.evaluate(WATCH_PROGRESS)
    page.set_input_files("#file", voice_file)
    page.locator(".take.done.selected").wait_for(timeout=PATIENT_MS)
    assert page.evaluate("window.sawProgress")
    page.wait_for_selector(".strip[data-role=accompaniment]", timeout=PATIENT_MS)

    # It plays: the cursor moves on and the output is not silent, with the band alone, too.
    page.get_by_role("button", name="Only Band").click()
    page.click("#play")
    until(page, f"{TIME} > 0.3 && {LEVEL} > 0.05")
    begun = page.evaluate(TIME)
    until(page, f"{TIME} > {begun} + 0.5")
    page.click("#play")
    until(page, f"{LEVEL} === 0")

    # A chord is edited, and the next band obeys the sheet.
    page.locator("#chords .cell").first.click()
    page.keyboard.type("F#m7 B7")
    page.keyboard.press("Enter")
    assert page.inner_text("#sheet-state") == "edited"
    page.click("#generate")
    wait_for_takes(page, 2)
    name, sheet = download(page, "Lead sheet", "B")
    assert name.endswith("lead-sheet.banso.txt")
    assert b"F#m7" in sheet
    assert b"B7" in sheet

    # A region is marked and made anew; outside it the sound is the same, bit by bit.
    page.locator("#wave").scroll_into_view_if_needed()
    box = page.locator("#wave").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=8)
    page.mouse.up()
    region = [float(page.input_value(f"#region-{side}")) for side in ("start", "end")]
    assert region == pytest.approx([3.0, 4.8], abs=0.15)
    page.click("#repaint")
    wait_for_takes(page, 3)
    before, after = (
        soundfile.read(io.BytesIO(download(page, "Band alone", x)[1]))[0] for x in "BC"
    )
    changed = (before != after).any(axis=1).nonzero()[0] / 44_100
    assert len(changed) > 10_000
    assert region[0] - 0.01 <= changed.min() < changed.max() <= region[1] + 0.01

    # Everything is still there after a reload.
    page.reload()
    wait_for_takes(page, 3)
    assert "F♯" in page.inner_text("#chords").replace("#", "♯")
    page.wait_for_selector("#play:not([disabled])", timeout=PATIENT_MS)


def test_history_survives_a_restart_of_the_server(open_banso, voice_file, server):
    page = open_banso()
    give(page, voice_file)
    page.allowed_errors += ["ERR_", "Failed to load resource"]
    server.kill()
    page.get_by_text("The server does not answer").wait_for(timeout=PATIENT_MS)
    server.start()
    page.get_by_text("The server is back").wait_for(timeout=PATIENT_MS)
    page.click("#close-song")
    page.click("#open-history")
    page.locator("#songs .open-song", has_text="voice").first.click()
    wait_for_takes(page, 1)
    page.wait_for_selector("#play:not([disabled])", timeout=PATIENT_MS)


def test_variations_are_compared_while_they_play(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.locator("#variations label", has_text="2").click()
    page.fill("#seed", "41")
    page.get_by_role("button", name="Make 2 bands").click()
    wait_for_takes(page, 3)
    states = " ".join(page.locator(".take .state").all_inner_texts()).replace("\u00a0", " ")
    assert "Seed 41" in states
    assert "Seed 42" in states
    page.click("#loop")
    page.click("#play")
    until(page, f"{LEVEL} > 0.05")
    for letter in ("A", "B", "C"):
        page.locator("#compare").get_by_label(f"Listen to take {letter}").click()
        page.locator(".take.selected .letter", has_text=letter).wait_for()
        until(page, f"{LEVEL} > 0.05")
        assert page.get_attribute("#play", "aria-label") == "Pause"


def test_faders_mute_and_solo_do_what_they_say(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.click("#loop")
    page.click("#play")
    until(page, f"{LEVEL} > 0.05")
    for name in ("Mute Voice", "Mute Band"):
        page.get_by_role("button", name=name).click()
    until(page, f"{LEVEL} === 0")
    page.get_by_role("button", name="Mute Voice").click()
    until(page, f"{LEVEL} > 0.05")
    fader = page.get_by_role("slider", name="Volume of Voice")
    fader.focus()
    page.keyboard.press("Home")
    assert fader.get_attribute("aria-valuetext") == "−∞ dB"
    until(page, f"{LEVEL} === 0")
    name, mix = download(page, "Mix as your faders stand")
    assert name == "voice.A.my-mix.wav"
    sound, rate = soundfile.read(io.BytesIO(mix))
    assert (rate, sound.shape) == (44_100, (6 * 44_100, 2))
    assert abs(sound).max() == 0


def test_tempo_taps_text_and_undo_change_the_sheet(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    before = page.locator("#chords .cell").count()
    page.fill("#tempo", "120")
    page.keyboard.press("Tab")
    assert page.locator("#chords .cell").count() > 2
    page.fill("#first-beat", "0.5")
    page.keyboard.press("Tab")
    page.click("#as-text")
    page.wait_for_selector("#text-dialog[open]", timeout=PATIENT_MS)
    text = page.input_value("#sheet-text")
    assert "tempo: 120.0\n" in text
    page.fill("#sheet-text", "tempo: 90\nstart: 0\n| C | Hm |")
    page.get_by_role("button", name="Use this sheet").click()
    page.allowed_errors.append("422")
    page.get_by_text("line 3, column 7").wait_for()
    page.fill("#sheet-text", "tempo: 90\nstart: 0\n| Dm | G7 |")
    page.get_by_role("button", name="Use this sheet").click()
    page.locator("#chords .cell", has_text="G7").wait_for()
    assert page.input_value("#tempo") == "90"
    for _ in range(4):
        page.locator("#tap").dispatch_event("pointerdown")
        page.wait_for_timeout(500)
    until(page, "Math.abs(document.querySelector('#tempo').value - 90) > 5")
    assert 80 < float(page.input_value("#tempo")) < 130
    for _ in range(4):
        page.click("#undo")
    assert page.locator("#chords .cell").count() == before
    assert page.is_disabled("#undo")


def test_a_job_can_be_cancelled(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.click(".more summary")
    page.fill("#steps", "900")
    page.click("#generate")
    page.get_by_text("Playing along:").wait_for(timeout=PATIENT_MS)
    page.get_by_role("button", name="Cancel B").click()
    page.get_by_text("Cancelled").wait_for(timeout=PATIENT_MS)


def test_by_keyboard_alone(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.wait_for_selector("#play:not([disabled])", timeout=PATIENT_MS)
    page.keyboard.press("Space")
    until(page, f"{LEVEL} > 0.05")
    page.keyboard.press("Space")
    until(page, f"{LEVEL} === 0")
    page.keyboard.press("Home")
    page.keyboard.press("[")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    assert page.input_value("#region-end") == "5.00"

    def tab_to(selector):
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        pytest.fail(f"{selector} cannot be reached by Tab")

    page.evaluate("document.activeElement.blur()")
    tab_to("#chords .cell")
    page.keyboard.press("Enter")
    page.keyboard.type("Em")
    page.keyboard.press("Enter")
    assert page.locator("#chords .cell").first.inner_text() == "Em"
    assert page.evaluate("document.activeElement.matches('#chords .cell')")
    tab_to("input[name=style]")
    page.keyboard.press("ArrowRight")
    tab_to("#generate")
    page.keyboard.press("Enter")
    wait_for_takes(page, 2)
    tab_to(".take.done button[aria-pressed=false]")
    page.keyboard.press("Enter")
    page.locator(".take.selected .letter", has_text="A").wait_for()
    page.keyboard.press("2")
    page.locator(".take.selected .letter", has_text="B").wait_for()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"these are words", "no recording that the server or your browser can read"),
        (wav_bytes(1.0, peak=0.0), "has no voice: it is silent"),
        (wav_bytes(61.0, sample_rate=8000), "The recording is too long"),
    ],
    ids=["words", "silence", "long"],
)
def test_what_cannot_be_used_is_explained(open_banso, tmp_path, content, message):
    page = open_banso()
    page.allowed_errors += ["413", "422"]
    path = tmp_path / ("words.doc" if message.startswith("no") else "voice.wav")
    path.write_bytes(content)
    page.set_input_files("#file", path)
    page.get_by_text(message).first.wait_for(timeout=PATIENT_MS)


@pytest.mark.parametrize("language", ["en-GB", "ja-JP"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_a_phone(open_banso, voice_file, language, dark):
    page = open_banso(size=PHONE, language=language, dark=dark, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    give(page, voice_file)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
    page.locator("#generate").scroll_into_view_if_needed()
    small = page.evaluate(
        """[...document.querySelectorAll('button, select, summary, input')].filter((e) => {
            const box = e.getBoundingClientRect();
            const exempt = '.unseen, .cell, .link, [type=checkbox], .more > summary';
            return box.width && !e.matches(exempt) && box.height < 32;
        }).map((e) => e.id || e.outerHTML)"""
    )
    assert not small
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == dark
    assert page.evaluate("document.documentElement.lang") == language[:2]


def test_both_languages_have_all_texts(open_banso):
    page = open_banso()
    keys = page.evaluate(
        """Promise.all(['en', 'ja'].map((l) => import(`/static/js/strings/${l}.js`)))
        .then((all) => all.map((strings) => Object.keys(strings.default).sort()))"""
    )
    assert keys[0] == keys[1]
    used = page.evaluate(
        """['t', 'tLabel', 'tPlaceholder'].flatMap((name) =>
        [...document.querySelectorAll('*')].map((e) => e.dataset?.[name]).filter(Boolean))"""
    )
    assert set(used) <= set(keys[0])


def test_chord_names_mean_the_same_both_ways(open_banso):
    page = open_banso()
    pairs = page.evaluate(
        """import('/static/js/sheet.js').then((sheet) =>
        ['C:maj', 'A:min', 'G:7', 'F#:min7', 'Bb:maj7', 'C:maj/3', 'D:min7/b7', 'E:sus4', 'N',
         'B:hdim7', 'Eb:9', 'Ab:aug'].map((label) =>
        [label, sheet.shownChord(label), sheet.parseChord(sheet.shownChord(label))]))"""
    )
    assert [pair[0] for pair in pairs] == [pair[2] for pair in pairs]
    shown = {pair[0]: pair[1] for pair in pairs}
    assert (shown["C:maj/3"], shown["D:min7/b7"], shown["B:hdim7"]) == ("C/E", "Dm7/C", "Bm7b5")
    assert page.evaluate("import('/static/js/sheet.js').then((s) => s.parseChord('H'))") is None
