import lzma

import numpy as np
import pytest

from banso import conditioning as c
from banso.codec import parameters as p
from banso.data.cache import load_cache, load_example, load_vocals, save_example, save_vocals
from banso.data.shards import pack_cache, unpack_shards
from banso.errors import DataError

pytestmark = pytest.mark.lab

FRAMES = 60


def levels(seed):
    """Parameters [60, 448] with loud tones in a third of the semitones, and faint ones."""
    rng = np.random.default_rng(seed)
    rows = rng.uniform(0, 0.9, (FRAMES, p.NUM_PARAMETERS)).astype(np.float32)
    rows[:, : 2 * p.NUM_TONES] *= np.tile(np.arange(p.NUM_TONES) % 3 == 0, 2)
    return rows


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    rng = np.random.default_rng(7)
    conditions = rng.uniform(-1, 1.6, (FRAMES, c.KNOWN.start)).astype(np.float32)
    for number, split in enumerate(("train", "validation", "test")):
        save_example(folder / f"song{number}.npz", levels(number), conditions, split)
        save_vocals(folder, f"song{number}", levels(10 + number))
    save_example(
        folder / "song0-parts.npz", levels(20), conditions, "train",
        parts=("bass",), others=levels(21),
    )  # fmt: skip
    return folder


def test_what_comes_out_is_what_went_in_within_a_step(cache, tmp_path):
    packed = pack_cache(cache, tmp_path / "out", most_bytes=10_000_000, workers=1)
    assert packed.num_items == 3
    again = tmp_path / "again"
    assert unpack_shards(tmp_path / "out", again, workers=1) == 5
    for example in load_cache(again):
        before = load_example(cache / f"{example.item_id}.npz")
        assert (example.split, example.parts) == (before.split, before.parts)
        tones = slice(0, 2 * p.NUM_TONES)
        off = np.abs(example.parameters.astype(float) - before.parameters)
        heard = before.parameters[:, tones] >= 0.03
        assert off[:, tones][heard].max() < 0.006
        assert not example.parameters[:, tones][~heard].any()
        assert off[:, 3 * p.NUM_TONES :].max() < 0.04
        assert np.abs(example.conditions.astype(float) - before.conditions).max() < 0.01
    others = load_example(again / "song0-parts.npz").others
    assert others is not None
    assert np.abs(others[:, :1].astype(float) - levels(21)[:, :1]).max() < 0.03
    assert load_vocals(again, "song1") is not None
    assert load_vocals(again, "song0-parts") is None


def test_test_songs_stay_at_home(cache, tmp_path):
    pack_cache(cache, tmp_path / "out", most_bytes=10_000_000, workers=1)
    unpack_shards(tmp_path / "out", tmp_path / "again", workers=1)
    assert {e.item_id for e in load_cache(tmp_path / "again")} == {"song0", "song1", "song0-parts"}
    assert not list((tmp_path / "out").rglob("song2*"))


def test_folders_are_small_and_bands_come_before_parts_before_voices(cache, tmp_path):
    size = pack_cache(cache, tmp_path / "whole", most_bytes=10_000_000, workers=1).num_bytes[0]
    packed = pack_cache(cache, tmp_path / "out", most_bytes=size // 3, workers=1)
    assert len(packed.num_bytes) > 2
    assert max(packed.num_bytes) <= size // 3
    order = [path.name for path in sorted((tmp_path / "out").rglob("*.xz"))]
    kinds = [0 if n in ("song0.xz", "song1.xz") else 1 if "parts" in n else 2 for n in order]
    assert kinds == sorted(kinds)
    assert set(kinds) == {0, 1, 2}


def test_what_is_damaged_or_there_already_is_told(cache, tmp_path):
    pack_cache(cache, tmp_path / "out", most_bytes=10_000_000, workers=1)
    with pytest.raises(DataError, match="there already"):
        pack_cache(cache, tmp_path / "out", most_bytes=10_000_000, workers=1)
    with pytest.raises(DataError, match="no encoded items"):
        pack_cache(tmp_path / "empty", tmp_path / "other", most_bytes=10_000_000, workers=1)
    broken = next((tmp_path / "out").rglob("song0.xz"))
    for content in (broken.read_bytes()[:100], lzma.compress(b"no arrays")):
        broken.write_bytes(content)
        with pytest.raises(DataError, match=r"song0\.xz is damaged"):
            unpack_shards(tmp_path / "out", tmp_path / "again", workers=1)
