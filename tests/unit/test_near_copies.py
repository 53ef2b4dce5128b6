"""A copy is found, however transposed, shifted or coded; songs in one style are not copies."""

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")

from banso.codec.analysis import analyze
from banso.codec.parameters import NUM_PARAMETERS
from banso.data.cache import save_example
from banso.eval.near_copies import (
    NearCopies,
    Neighbour,
    find_near_copies,
    fingerprint,
    nearest_neighbour,
    training_fingerprints,
)

pytestmark = pytest.mark.lab

RATE = 44_100
SECONDS = 16


def song(seed, transposed=0):
    """A minor pop band of its own: eight chords, a bass, and a rhythm, all drawn."""
    rng = np.random.default_rng(seed)
    time = np.arange(SECONDS * RATE) / RATE
    roots = rng.permutation([57, 60, 62, 64, 65, 67, 69, 55])
    out = np.zeros(len(time))
    for k, root in enumerate(roots):
        for step in (0, rng.choice((3, 4)), 7, -12):
            start = 2.0 * k
            since = time - start
            hertz = 440 * 2 ** ((root + step + transposed - 69) / 12)
            here = (since >= 0) & (since < 2)
            out[here] += 0.08 * np.sin(2 * np.pi * hertz * since[here]) * np.exp(-since[here])
    for start in np.sort(rng.uniform(0, SECONDS - 1, 40)):
        begin = int(start * RATE)
        burst = rng.standard_normal(2000) * np.exp(-np.arange(2000) / 400)
        out[begin : begin + 2000] += 0.2 * burst
    return np.stack([out, out]).astype(np.float32)


def printed(samples):
    return fingerprint(analyze(samples).to_array())


@pytest.fixture(scope="module")
def songs():
    return [(f"song {seed}", printed(song(seed))) for seed in range(4)]


@pytest.fixture(scope="module")
def strangers():
    return [printed(song(seed)) for seed in (10, 11)]


def test_a_copy_is_caught_and_a_new_song_is_not(songs, strangers):
    rng = np.random.default_rng(0)
    noisy = song(2) + 0.003 * rng.standard_normal((2, SECONDS * RATE)).astype(np.float32)
    new = printed(song(20))
    found = find_near_copies([printed(noisy), new], strangers, songs)
    assert found.nearest[0].name == "song 2"
    assert found.nearest[0].transposition == 0
    assert found.nearest[0].similarity > found.threshold + 0.1
    assert found.rate == 0.5 if found.nearest[1].similarity <= found.threshold else 1.0
    assert found.nearest[1].similarity < found.nearest[0].similarity - 0.1


def test_a_copy_in_another_key_at_another_place_is_caught(songs, strangers):
    moved = np.roll(song(1, transposed=3), int(1.3 * RATE), axis=1)
    best = nearest_neighbour(printed(moved), songs)
    threshold = max(nearest_neighbour(s, songs).similarity for s in strangers)
    assert (best.name, best.transposition) == ("song 1", 3)
    assert best.similarity > threshold


def test_what_is_too_short_has_no_neighbour(songs):
    assert nearest_neighbour(songs[0][1][:20], songs) == Neighbour("", -1.0, 0)
    assert nearest_neighbour(songs[0][1], [("short", songs[0][1][:20])]).similarity == -1


def test_rate_counts_what_lies_above_the_threshold():
    near, far = Neighbour("a", 0.9, 0), Neighbour("b", 0.5, 0)
    assert NearCopies(threshold=0.8, nearest=(near, far, far, far)).rate == 0.25


def test_training_songs_come_from_the_cache_without_held_out_ones(tmp_path):
    rows = np.zeros((40, NUM_PARAMETERS), np.float32)
    conditions = np.zeros((40, 3), np.float32)
    for name, split in (("a", "train"), ("b", "test")):
        save_example(tmp_path / f"{name}.npz", rows, conditions, split)
    found = training_fingerprints(tmp_path)
    assert [name for name, _ in found] == ["a"]
    assert found[0][1].shape == (10, 16)
