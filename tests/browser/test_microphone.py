"""Record in the page: Chromium's fake microphone plays a file, and the band answers it."""

import os
import shutil

import httpx
import numpy as np
import pytest
import soundfile

from web_service import API, running_server, wav_bytes

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENT_MS = 60_000


@pytest.fixture
def listening_browser(chromium, tmp_path):
    """A Chromium whose microphone hears a sung A over and over."""
    file = tmp_path / "microphone.wav"
    file.write_bytes(wav_bytes(4.0, sample_rate=48_000))
    path = os.environ.get("BANSO_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    browser = chromium.browser_type.launch(
        executable_path=path,
        args=[
            "--mute-audio",
            "--disable-dev-shm-usage",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={file}",
        ],
    )
    yield browser
    browser.close()


def open_banso(browser, server, **options):
    page = browser.new_context(locale="en-GB", **options).new_page()
    page.goto(f"{server.url}/")
    page.wait_for_selector("body[data-ready]", timeout=PATIENT_MS)
    return page


def test_what_is_sung_into_the_microphone_gets_a_band(listening_browser, server):
    page = open_banso(listening_browser, server, permissions=["microphone"])
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    for _ in range(400):
        if page.evaluate("parseFloat(document.querySelector('#record-time').value.slice(2))") > 2:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("document.querySelector('#record-level').value") > 0.05
    page.click("#record-stop")
    page.wait_for_selector(".take.done.selected", timeout=PATIENT_MS)
    assert page.inner_text("#song-name").startswith("Recording 20")
    recording = httpx.get(f"{server.url}{API}/recordings").json()["recordings"][0]
    assert recording["duration_seconds"] > 2
    folder = server.data_folder / "recordings" / recording["id"]
    sound, rate = soundfile.read(folder / "audio")
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.argmax(spectrum) * rate / len(sound) == pytest.approx(220, abs=3)


def test_a_recording_can_be_discarded(listening_browser, server):
    page = open_banso(listening_browser, server, permissions=["microphone"])
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    page.click("#record-cancel")
    page.wait_for_selector("#record")
    assert page.is_visible("#start")


def test_a_microphone_that_is_not_lent_is_explained(listening_browser, server):
    page = open_banso(listening_browser, server)
    page.click("#record")
    page.get_by_text("not allowed to use the microphone").wait_for(timeout=PATIENT_MS)
    assert page.is_enabled("#record")


def test_a_token_is_asked_for_once(chromium, tmp_path):
    with running_server(tmp_path / "data", "--token", "open sesame") as server:
        context = chromium.new_context(locale="en-GB")
        page = context.new_page()
        page.goto(f"{server.url}/")
        page.fill("#token", "not this one")
        page.click("#token-form button")
        page.get_by_text("This is not the token.").wait_for(timeout=PATIENT_MS)
        page.fill("#token", "open sesame")
        page.click("#token-form button")
        page.wait_for_selector("body[data-ready]", timeout=PATIENT_MS)
        page.reload()
        page.wait_for_selector("body[data-ready]", timeout=PATIENT_MS)
        assert not page.is_visible("#token-dialog")
        context.close()


def test_what_was_sung_is_kept_until_it_has_arrived(listening_browser, server):
    page = open_banso(listening_browser, server, permissions=["microphone"], accept_downloads=True)
    page.click("#record")
    page.wait_for_selector("#recording:not([hidden])")
    page.wait_for_timeout(1500)
    server.kill()
    page.click("#record-stop")
    page.get_by_text("Your recording is still here").wait_for(timeout=PATIENT_MS)
    with page.expect_download() as saved:
        page.click("#unsent-save")
    assert saved.value.suggested_filename.endswith(".wav")
    assert soundfile.info(saved.value.path()).duration > 1
    server.start()
    page.click("#unsent-send")
    page.wait_for_selector(".take.done.selected", timeout=PATIENT_MS)
    assert not page.is_visible("#unsent")
