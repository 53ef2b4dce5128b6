import shutil

import numpy as np
import pytest

from band_songs import raw_song, tiny_song
from banso.data.manifest import sha256_of, split_of
from banso.data.prepare import choose_excerpt, plan, prepare_pop909
from banso.data.studio import Studio
from banso.errors import DataError
from banso.files import read_audio

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="needs fluidsynth"),
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for raw in (raw_song("001"), raw_song("002"), raw_song("003", chord_midi=b"0 16 N\n")):
        folder = root / raw.number
        folder.mkdir()
        for name, content in raw.files.items():
            (folder / name).write_bytes(content)
    return root


def test_items_are_complete_and_consistent(corpus, tmp_path, caplog):
    manifest = prepare_pop909(corpus, tmp_path, max_seconds=10.0, workers=1)
    assert {item.song_id for item in manifest.items} == {"pop909-001", "pop909-002"}
    assert [r for r in caplog.records if "pop909-003-00 rejected" in r.message]
    for item in manifest.items:
        assert item.num_samples <= 10 * 44_100
        assert item.licence == "MIT"
        for name, checksum in item.sha256.items():
            audio = read_audio(manifest.path(item, name))
            assert audio.num_samples == item.num_samples
            assert audio.num_channels == (1 if name.startswith("vocals") else 2)
            assert np.sqrt(np.mean(np.square(audio.samples))) > 0.005
            assert sha256_of(manifest.path(item, name)) == checksum
        end = item.lead_sheet.chords[-1].end_seconds
        assert end <= item.num_samples / item.sample_rate + 1e-3


def test_resumes_and_repeats_itself(corpus, tmp_path):
    arguments = {"max_seconds": 8.0, "num_items": 2, "workers": 1, "seed": 7}
    first = prepare_pop909(corpus, tmp_path / "a", **arguments)
    kept = first.path(first.items[0], "item.json")
    before = kept.stat().st_mtime_ns
    (first.path(first.items[-1], "item.json")).unlink(missing_ok=True)
    again = prepare_pop909(corpus, tmp_path / "a", **arguments)
    other = prepare_pop909(corpus, tmp_path / "b", **arguments)
    if len(first.items) > 1:
        assert kept.stat().st_mtime_ns == before
    assert first.items == again.items == other.items


def test_held_out_songs_come_first_and_rounds_follow(tmp_path):
    corpus = [raw_song(f"{i:03d}") for i in range(60)]
    tasks = plan(corpus, tmp_path, 8.0, 2, 0, Studio(soundfonts=()))
    splits = [split_of(task.raw.song_id) for task in tasks]
    num_held_out = sum(split != "train" for split in splits)
    assert splits[:num_held_out] == sorted(splits[:num_held_out])  # test before validation
    assert "train" not in splits[:num_held_out]
    num_train = 60 - num_held_out
    rounds = [task.item_id[-2:] for task in tasks]
    assert rounds == ["00"] * 60 + ["01"] * num_train


def test_excerpt_begins_at_most_a_beat_before_a_downbeat():
    song = tiny_song(32)
    for seed in range(10):
        start, end = choose_excerpt(song, 16.0, np.random.default_rng(seed))
        pickup = min(abs(down - start) for down in song.lead_sheet.downbeats if down >= start)
        assert pickup <= 0.5
        assert end - start <= 16.0 + 1e-9


def test_song_without_enough_singing_is_rejected():
    song = tiny_song(32)
    object.__setattr__(song, "melody", song.melody[:4])
    with pytest.raises(DataError, match="enough singing"):
        choose_excerpt(song, 16.0, np.random.default_rng(0))
