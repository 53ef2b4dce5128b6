"""What else a singer does at the page: drop, mark with a finger, mix parts, regret, come back."""

import io
import re
import shutil
import subprocess
import urllib.request

import numpy as np
import pytest
import soundfile

from page_steps import LEVEL, PATIENT_MS, download, give, until, wait_for_band, wait_for_takes
from web_service import API, running_server, wait_until, wav_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = (375, 740)
PARTS = ("drums", "bass", "harmony", "extra")
DROP = """(bytes) => {
    const files = new DataTransfer();
    files.items.add(new File([new Uint8Array(bytes)], 'dropped.wav'));
    for (const type of ['dragover', 'drop'])
        document.querySelector('#drop-zone').dispatchEvent(
            new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def test_a_file_can_be_dropped(open_banso):
    page = open_banso()
    page.evaluate(DROP, list(wav_bytes(1.0)))
    wait_for_band(page)
    assert page.inner_text("#song-name") == "dropped"


def test_what_only_the_browser_can_read_is_sent_as_wav(open_banso, voice_file, server):
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg (Debian: apt-get install ffmpeg)")
    path = voice_file.with_suffix(".webm")
    command = ["ffmpeg", "-v", "error", "-i", str(voice_file), "-c:a", "libopus", str(path)]
    subprocess.run(command, check=True)
    page = open_banso()
    give(page, path)
    recording = server.get("/recordings")["recordings"][0]
    assert recording["duration_seconds"] == pytest.approx(6.0, abs=0.1)
    stored = server.data_folder / "recordings" / recording["id"] / "audio"
    assert stored.read_bytes()[:4] == b"RIFF"
    sound, rate = soundfile.read(stored)
    spectrum = np.abs(np.fft.rfft(sound[:, 0] if sound.ndim == 2 else sound))
    assert np.argmax(spectrum) * rate / len(sound) == pytest.approx(220, abs=2)


def test_the_player_of_a_mix_plays(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.get_by_label("Download take A").click()
    page.evaluate("document.querySelector('.downloads audio').play()")
    until(page, "document.querySelector('.downloads audio').currentTime > 0.3")
    page.get_by_label("Download take A").click()
    _, mix = download(page, "Voice and band")
    assert abs(soundfile.read(io.BytesIO(mix))[0]).max() > 0.05


def test_each_part_has_a_fader_and_a_file(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.get_by_text("Each part on a fader").click()
    page.click(".more summary")
    page.get_by_text("Also draw a picture").click()
    page.click("#generate")
    wait_for_takes(page, 2)
    page.wait_for_selector(".strip[data-role=drums]", timeout=PATIENT_MS)
    roles = page.eval_on_selector_all(".strip", "strips => strips.map((s) => s.dataset.role)")
    assert roles == ["vocals", *PARTS]

    # Only the harmony, then nothing at all.
    page.click("#loop")
    page.click("#play")
    page.get_by_role("button", name="Only Harmony").click()
    until(page, f"{LEVEL} > 0.01")
    page.get_by_role("button", name="Mute Harmony").click()
    until(page, f"{LEVEL} === 0")

    whole = soundfile.read(io.BytesIO(download(page, "Band alone", "B")[1]), dtype="int32")[0]
    names = ("Drums", "Bass", "Harmony", "Extras")
    stems = [
        soundfile.read(io.BytesIO(download(page, name, "B")[1]), dtype="int32")[0] for name in names
    ]
    assert (sum(stem.astype(np.int64) for stem in stems) == whole).all()
    assert download(page, "MIDI", "B")[1].startswith(b"MThd")
    assert download(page, "Picture", "B")[1].startswith(b"\x89PNG")


def test_the_last_part_cannot_be_left_out(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    for label in page.locator("#parts label").all():
        label.click()
    assert page.locator("#parts input:checked").count() == 1


def test_edited_chords_offer_a_band_and_outlive_a_reload(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    assert not page.is_visible("#sheet-bar")
    page.locator("#chords .cell").first.click()
    page.keyboard.type("Ebmaj7")
    page.keyboard.press("Enter")
    assert page.is_visible("#sheet-bar")
    page.reload()
    page.locator("#chords .cell", has_text="Ebmaj7").first.wait_for(timeout=PATIENT_MS)
    page.click("#play-sheet")
    wait_for_takes(page, 2)
    page.locator(".take.selected .letter", has_text="B").wait_for()
    assert b"Ebmaj7" in download(page, "Lead sheet", "B")[1]
    assert not page.is_visible("#sheet-bar")
    # The take of before follows the chords of before.
    page.locator("#compare").get_by_label("Listen to take A").click()
    page.wait_for_selector("#sheet-bar:not([hidden])")


def test_a_finger_marks_bars_and_has_them_played_anew(open_banso, voice_file):
    page = open_banso(size=PHONE, has_touch=True, is_mobile=True)
    give(page, voice_file)
    page.fill("#tempo", "120")
    page.keyboard.press("Tab")
    page.fill("#first-beat", "0")
    page.keyboard.press("Tab")
    page.tap("#mark")
    ends = [page.input_value("#region-start"), page.input_value("#region-end")]
    assert ends == ["0.00", "2.00"]
    page.tap("#longer")
    assert page.input_value("#region-end") == "4.00"
    page.tap("#repaint")
    wait_for_takes(page, 2)
    assert "0:00–0:04" in page.locator(".take .state").first.inner_text()
    page.tap("#unmark")
    assert not page.is_visible("#region-bar")


def test_a_deleted_take_can_be_brought_back(open_banso, voice_file, server):
    page = open_banso()
    give(page, voice_file)
    page.get_by_role("button", name="Delete A").click()
    page.wait_for_selector("#no-takes:not([hidden])")
    page.get_by_role("button", name="Bring it back").click()
    page.wait_for_selector(".take.done")
    page.get_by_role("button", name="Delete A").click()
    job = server.get("/jobs")["jobs"][0]["id"]
    # Whoever leaves does not regret.
    page.click("#close-song")
    page.wait_for_timeout(500)
    assert job not in [j["id"] for j in server.get("/jobs")["jobs"]]


def test_last_songs_are_on_the_first_page(open_banso, voice_file):
    page = open_banso()
    give(page, voice_file)
    page.click("#close-song")
    page.locator("#recent .open-song").first.click()
    wait_for_takes(page, 1)
    assert page.inner_text("#song-name") == "voice"


def test_a_song_opens_though_the_list_is_renewed_under_the_pointer(open_banso, voice_file, server):
    page = open_banso()
    give(page, voice_file)
    page.click("#close-song")
    page.wait_for_timeout(1000)
    recording = server.get("/recordings")["recordings"][0]
    page.locator("#recent .open-song").first.hover()
    page.mouse.down()
    with page.expect_response("**/api/v1/recordings?*"):
        server.post("/jobs", {"recording_id": recording["id"], "num_steps": 1})
    page.wait_for_timeout(100)
    page.mouse.up()
    wait_for_takes(page, 1)


def test_a_full_queue_is_explained(open_page, voice_file, tmp_path):
    with running_server(tmp_path / "service", "--queue-length", "2") as server:
        page = open_page(f"{server.url}/", language="en-GB")
        page.allowed_errors.append("429")
        page.wait_for_selector("body[data-ready]")
        give(page, voice_file)
        page.locator("#variations label", has_text="4").click()
        page.click("#generate")
        page.get_by_text("The server has its hands full").wait_for(timeout=PATIENT_MS)
        assert page.is_enabled("#generate")
        # Away, before its server goes.
        page.goto("about:blank")


def test_a_page_that_nobody_sees_lets_its_connection_go(open_banso, voice_file, server):
    def listeners():
        text = urllib.request.urlopen(f"{server.url}{API}/metrics").read().decode()
        return re.search(r"^banso_listeners (\d+)$", text, re.MULTILINE)[1]

    page = open_banso()
    give(page, voice_file)
    wait_until(lambda: listeners() == "1")
    turn = """(hidden) => {
        Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(turn, True)
    wait_until(lambda: listeners() == "0")
    page.click("#generate")
    wait_until(lambda: all(job["state"] == "done" for job in server.get("/jobs")["jobs"][:2]))
    page.evaluate(turn, False)
    wait_for_takes(page, 2)
