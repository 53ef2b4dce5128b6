"""A listening test is blind, equally loud and balanced."""

import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.errors import ConfigError, DataError
from banso.eval.listening import (
    ListeningItem,
    ListeningOptions,
    build_listening_test,
    choose_start,
    cut_clips,
)
from banso.files import read_audio
from banso.loudness import integrated_lufs
from listening_songs import RATE, SYSTEMS, band, songs, tone, voice

pytestmark = pytest.mark.lab

OPTIONS = ListeningOptions(seed=3, excerpt_seconds=2.0, least_heard_seconds=0.5)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("test")
    return build_listening_test(songs(), out, OPTIONS)


def page_content(built):
    text = (built.page.parent / "test.js").read_text()
    return json.loads(text.removeprefix("window.LISTENING_TEST = ").rstrip(";\n"))


def key_content(built):
    return json.loads(built.key.read_text())


def loudest_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples[0]))
    hz = np.fft.rfftfreq(audio.num_samples, 1 / RATE)
    return hz[np.argmax(np.where(hz < 600, spectrum, 0))]


def test_the_key_tells_what_is_heard(built):
    clips = key_content(built)["clips"]
    assert len(clips) == built.num_clips == 3 * len(SYSTEMS)
    for name, clip in clips.items():
        sound = read_audio(built.page.parent / "clips" / f"{name}.flac")
        expected = 200 + 50 * SYSTEMS.index(clip["system"])
        assert loudest_hz(sound) == pytest.approx(expected, abs=2)


def test_nothing_that_listeners_get_tells_a_system_or_song(built):
    assert not built.key.is_relative_to(built.page.parent)
    names = re.compile(r"clips/([0-9a-f]{12}|voice)\.flac|clips|[a-z]+\.(html|js|css)")
    for path in built.page.parent.rglob("*"):
        assert names.fullmatch(str(path.relative_to(built.page.parent)))
    handed_out = (built.page.parent / "test.js").read_text()
    assert not any(word in handed_out for word in (*SYSTEMS, "song-"))
    for clip in (built.page.parent / "clips").glob("*.flac"):
        data = clip.read_bytes()[:4096]
        assert not any(word.encode() in data for word in (*SYSTEMS, "song-"))


def test_clips_are_equally_loud_whatever_the_bands_were(built):
    loudness = []
    for path in (built.page.parent / "clips").glob("*.flac"):
        audio = read_audio(path)
        assert audio.num_samples == 2 * RATE
        assert np.abs(audio.samples).max() < 0.9
        loudness.append(integrated_lufs(audio.samples, RATE))
    assert np.allclose(loudness, -23.0, atol=0.1)


def test_every_two_systems_meet_and_every_song_is_rated_whole(built):
    page, clips = page_content(built), key_content(built)["clips"]
    pairs = [trial["clips"] for trial in page["trials"] if trial["kind"] == "pair"]
    met = Counter(frozenset(clips[name]["system"] for name in pair) for pair in pairs)
    assert len(met) == 6
    assert set(met.values()) == {1}
    assert all(len({clips[name]["item"] for name in pair}) == 1 for pair in pairs)
    used = Counter(clips[pair[0]]["item"] for pair in pairs)
    assert set(used.values()) == {2}
    rated = [trial["clips"] for trial in page["trials"] if trial["kind"] == "rating"]
    assert sorted(name for names in rated for name in names) == sorted(clips)
    assert built.num_pages == 9


def test_the_seed_decides_names_and_nothing_else_does(built, tmp_path):
    again = build_listening_test(songs(), tmp_path / "a", OPTIONS)
    assert key_content(again) == key_content(built)
    other = build_listening_test(songs(), tmp_path / "b", replace(OPTIONS, seed=4))
    assert not key_content(other)["clips"].keys() & key_content(built)["clips"].keys()
    assert key_content(other)["test_id"] != key_content(built)["test_id"]


def test_other_sounds_make_another_test(built, tmp_path):
    changed = songs()
    changed[0] = ListeningItem(
        name="song-0",
        read_vocals=voice,
        bands=dict(changed[0].bands, true=lambda: band("baseline")),
    )
    other = build_listening_test(changed, tmp_path, OPTIONS)
    assert key_content(other)["test_id"] != key_content(built)["test_id"]


def test_the_excerpt_is_where_somebody_sings():
    samples = np.zeros((1, 20 * RATE), np.float32)
    samples[0, 9 * RATE : 14 * RATE] = tone(440, 5.0)
    assert choose_start(samples, 4.0) / RATE == pytest.approx(9.0, abs=0.5)
    assert choose_start(samples, 4.0, downbeats=(0.0, 3.7, 9.4, 12.0)) / RATE == 9.4
    assert choose_start(samples[:, : 2 * RATE], 4.0) == 0


def test_voice_and_band_keep_their_balance():
    clips = cut_clips(songs()[1], OPTIONS)
    spectra = {name: np.abs(np.fft.rfft(clip[0])) for name, clip in clips.items()}
    bin_of = {hz: round(hz * 2.0) for hz in (700, 200, 350)}
    ratios = [spectra[name][bin_of[hz]] / spectra[name][bin_of[700]]
              for name, hz in (("true", 200), ("shuffled", 350))]  # fmt: skip
    # 2 LU below the voice; K-weighting lifts 700 Hz by a fraction of a dB against 200 Hz.
    assert np.allclose(20 * np.log10(ratios), -2.0, atol=1.0)


def test_a_song_without_voice_is_one_clear_error(tmp_path):
    quiet = [
        ListeningItem(
            name="silence",
            read_vocals=lambda: voice().__class__(np.zeros((1, 4 * RATE), np.float32), RATE),
            bands=songs(1)[0].bands,
        )
    ]
    with pytest.raises(DataError, match="nobody sings in silence"):
        build_listening_test(quiet, tmp_path, OPTIONS)


def test_a_test_is_not_overwritten(built):
    with pytest.raises(DataError, match="holds a listening test already"):
        build_listening_test(songs(), built.key.parent, OPTIONS)


def test_a_stopped_run_is_made_again(built, tmp_path):
    def stop():
        raise DataError("the disk is gone")

    broken = songs()
    broken[2] = replace(broken[2], bands=dict(broken[2].bands, baseline=stop))
    with pytest.raises(DataError, match="the disk is gone"):
        build_listening_test(broken, tmp_path, OPTIONS)
    assert not (tmp_path / "page").exists()
    again = build_listening_test(songs(), tmp_path, OPTIONS)
    assert key_content(again) == key_content(built)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key.json", "page"]


def test_reference_and_anchor_are_needed(tmp_path):
    bands = {"true": voice, "ours": voice}
    items = [ListeningItem(name="a", read_vocals=voice, bands=bands)]
    with pytest.raises(ConfigError, match="'shuffled'"):
        build_listening_test(items, tmp_path, OPTIONS)


@pytest.mark.parametrize(
    "wrong",
    [{"excerpt_seconds": 0.5}, {"least_heard_seconds": 20.0}, {"songs_per_comparison": 0}],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        ListeningOptions(**wrong)
