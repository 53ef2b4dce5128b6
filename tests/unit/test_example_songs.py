"""The six songs are well-formed, and what `docs/examples` shows of them is there and sounds."""

import json
import re
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from example_songs import REST_SECONDS, SONGS, START_SECONDS  # noqa: E402

from banso.chord_names import key_label_of  # noqa: E402
from banso.chords import parse_chord  # noqa: E402
from banso.sheet_text import read_sheet  # noqa: E402

FOLDER = ROOT / "docs" / "examples"
NAMES = [song.name for song in SONGS]
# 350 kB a song and 120 kB a picture, so that a clone stays small.
MAX_AUDIO_BYTES, MAX_PICTURE_BYTES, MAX_ALL_AUDIO_BYTES = 350_000, 120_000, 2_000_000
_SCALES = {"maj": {0, 2, 4, 5, 7, 9, 11}, "min": {0, 2, 3, 5, 7, 8, 9, 10, 11}}

each_song = pytest.mark.parametrize("song", SONGS, ids=NAMES)


@pytest.fixture(scope="module")
def told():
    return {one["name"]: one for one in json.loads((FOLDER / "examples.json").read_text("utf-8"))}


@each_song
def test_bars_add_up(song):
    first, *inner, last = [sum(note[1] for note in bar) for bar in song.bars()]
    assert set(inner) == {song.beats_per_bar}
    # A pickup and the last bar make one together.
    assert first == last == song.beats_per_bar or first + last == song.beats_per_bar


@each_song
def test_notes_can_be_sung(song):
    notes = song.notes()
    assert 20 <= song.seconds <= 35
    assert notes[0].start_seconds == START_SECONDS
    assert song.seconds == pytest.approx(notes[-1].end_seconds + REST_SECONDS)
    for one, two in pairwise(notes):
        assert one.start_seconds < one.end_seconds <= two.start_seconds + 1e-9
    pitches = [note.pitch for note in notes]
    # An octave and a half at most, within what people sing.
    assert max(pitches) - min(pitches) <= 18
    assert min(pitches) >= 55
    assert max(pitches) <= 79


@each_song
def test_the_tune_is_in_its_key(song):
    label = key_label_of(song.key)
    scale = _SCALES[label.partition(":")[2]]
    root = parse_chord(label).root
    lengths = [(n.end_seconds - n.start_seconds, (n.pitch - root) % 12) for n in song.notes()]
    inside = sum(length for length, degree in lengths if degree in scale)
    assert inside >= 0.95 * sum(length for length, _ in lengths)


def test_lead_sheets_say_what_is_sung():
    songs = [song for song in SONGS if song.sheet]
    assert songs
    for song in songs:
        sheet = read_sheet(song.lead_sheet())
        assert sheet.key == key_label_of(song.key)
        assert sheet.tempo_bpm == pytest.approx(song.bpm)
        assert sheet.beats[0] == pytest.approx(START_SECONDS)
        # One bar more, for what rings on.
        bars = [sum(note[1] for note in bar) for bar in song.bars()]
        assert len(sheet.beats) == sum(bars[:-1]) + 2 * song.beats_per_bar
        full = bars if bars[0] == song.beats_per_bar else bars[1:]
        assert len(sheet.downbeats) == len(full) + 1


def test_songs_differ():
    assert len({song.key for song in SONGS}) == len({song.singer for song in SONGS}) == len(SONGS)
    assert {song.beats_per_bar for song in SONGS} == {3, 4}
    assert len({song.options.get("style") for song in SONGS}) == len(SONGS)
    assert not any("Auld" in song.title for song in SONGS)


@each_song
def test_the_published_mix_sounds(song, told):
    path = FOLDER / f"{song.name}.ogg"
    samples, rate = soundfile.read(path, always_2d=True)
    assert samples.shape == (round(song.seconds * rate), 2)
    assert path.stat().st_size <= MAX_AUDIO_BYTES
    assert told[song.name]["seconds"] == pytest.approx(song.seconds, abs=0.01)
    # Loud enough in every part between the first and the last note, and never at full scale.
    sung = samples[round(START_SECONDS * rate) : -round(REST_SECONDS * rate)]
    levels = [np.sqrt(np.mean(np.square(part))) for part in np.array_split(sung, 8)]
    assert min(levels) > 0.01
    assert np.abs(samples).max() < 1
    # There is a band: the voice alone is mono.
    assert np.std(samples[:, 0] - samples[:, 1]) > 0.001


@each_song
def test_the_published_picture_shows_something(song):
    image = pytest.importorskip("PIL.Image")
    path = FOLDER / f"{song.name}.png"
    with image.open(path) as picture:
        assert picture.size[0] >= 800
        greys = np.asarray(picture.convert("L"), float)
    # Dark and light lanes; a blank page has neither many greys nor contrast.
    assert len(np.unique(greys)) > 24
    assert greys.std() > 60
    assert path.stat().st_size <= MAX_PICTURE_BYTES


@each_song
def test_the_mix_says_where_it_is_from(song, told):
    one = told[song.name]
    assert re.fullmatch(r"[0-9a-f]{12,64}", one["bundle_hash"])
    with soundfile.SoundFile(FOLDER / f"{song.name}.ogg") as file:
        assert file.comment == (
            f"AI-generated accompaniment; bundle {one['bundle']} {one['bundle_hash']}; "
            f"seed {one['seed']}"
        )


def test_the_page_lists_all_and_the_bundle_that_made_them(told):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert list(told) == NAMES
    for one in told.values():
        assert one["bundle"] in text
        assert one["bundle_hash"] in text
        assert f"({one['name']}.ogg)" in text
        assert f"({one['name']}.png)" in text
        assert one["command"] in text
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert all((FOLDER / link).is_file() for link in links)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ogg")) <= MAX_ALL_AUDIO_BYTES
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(
        ["README.md", "examples.json", *(f"{n}.{end}" for n in NAMES for end in ("ogg", "png"))]
    )


def test_the_front_page_shows_them():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"docs/examples/{name}.ogg" in text
        assert f"docs/examples/{name}.png" in text
