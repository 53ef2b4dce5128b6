import sys
from pathlib import Path

import numpy as np
import pytest

from banso.chord_network import SLOTS, melody_grid
from banso.keyed_network import KeyedNetwork, melody_shape, packed, signature_shares, unpacked
from banso.onsets import SungEvents

HALF_BAR = 1.5
# I - vi - IV - V - I and once more, each bar on its chord's tones.
TUNE = [(60, 64, 67, 64), (69, 64, 60, 64), (65, 69, 60, 69), (67, 71, 62, 71)] * 4 + [(60, 64, 60)]
ROOTS = [0, 9, 5, 7] * 4 + [0]
INSIDE = np.tile([0, 1], len(TUNE))


def melody(bars, transpose=0):
    """Notes of a tune whose bars hold the given pitches evenly, and its half bars."""
    rows = [
        ((2 * bar + 2 * place / len(notes)) * HALF_BAR, pitch + transpose)
        for bar, notes in enumerate(bars)
        for place, pitch in enumerate(notes)
    ]
    start, pitch = np.array(rows, float).T
    end = np.append(start[1:], 2 * len(bars) * HALF_BAR) - 0.03
    return SungEvents(start, end, pitch, np.ones(len(start))), borders_of(bars)


def borders_of(bars):
    return np.arange(2 * len(bars) + 1) * HALF_BAR


def sure_of(key):
    return np.where(np.arange(24) == key, 0.0, -1e3)


def test_a_tune_of_chord_tones_has_these_chords():
    log = KeyedNetwork.shipped().log_probabilities(*melody(TUNE), INSIDE, sure_of(0))
    wanted = np.repeat([root + 12 * (root == 9) for root in ROOTS], 2)
    assert np.mean(log.argmax(axis=1) == wanted) > 0.7
    np.testing.assert_allclose(np.exp(log).sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("semitones", [1, 5, 11])
def test_in_another_key_it_answers_the_same(semitones):
    network = KeyedNetwork.shipped()
    here = network.log_probabilities(*melody(TUNE), INSIDE, sure_of(0))
    there = network.log_probabilities(*melody(TUNE, semitones), INSIDE, sure_of(semitones))
    turned = np.roll(here.reshape(-1, 2, 12), semitones, axis=2).reshape(-1, 24)
    np.testing.assert_allclose(there, turned, atol=1e-4)


def test_a_minor_key_is_heard_by_its_signature():
    network = KeyedNetwork.shipped()
    major = network.log_probabilities(*melody(TUNE), INSIDE, sure_of(3))
    minor = network.log_probabilities(*melody(TUNE), INSIDE, sure_of(12))  # C minor
    np.testing.assert_allclose(major, minor, atol=1e-9)


def test_a_doubtful_key_mixes_the_answers():
    network = KeyedNetwork.shipped()
    keys = np.full(24, -1e3)
    keys[[0, 7]] = 0.0
    both = np.exp(network.log_probabilities(*melody(TUNE), INSIDE, keys))
    each = [np.exp(network.log_probabilities(*melody(TUNE), INSIDE, sure_of(k))) for k in (0, 7)]
    np.testing.assert_allclose(both, np.mean(each, axis=0), atol=1e-6)
    assert signature_shares(keys)[[0, 7]] == pytest.approx([0.5, 0.5])


def test_even_without_any_idea_of_the_key_there_is_an_answer():
    log = KeyedNetwork.shipped().log_probabilities(*melody(TUNE), INSIDE, np.zeros(24))
    assert np.isfinite(log).all()


def test_a_long_song_is_heard_in_parts_that_agree():
    network, inside = KeyedNetwork.shipped(), np.tile(INSIDE, 20)
    found = network.log_probabilities(*melody(TUNE * 20), inside, sure_of(0)).argmax(axis=1)
    part = TUNE * 5
    alone = network.log_probabilities(*melody(part), np.tile(INSIDE, 5), sure_of(0)).argmax(axis=1)
    # Both begin a round of the tune; the part stands alone.
    size = 2 * len(TUNE)
    assert np.mean(found[8 * size : 10 * size] == alone[2 * size : 4 * size]) > 0.9


def test_notes_have_their_height_and_length():
    events = SungEvents(np.array([0.0, 1.5]), np.array([0.75, 2.25]), np.array([60.0, 66.0]),
                        np.ones(2))  # fmt: skip
    shape = melody_shape(events, np.array([0.0, 1.5, 3.0]))
    assert shape.shape == (2, 2 * SLOTS)
    np.testing.assert_allclose(shape[:, 0], [0, 1])
    np.testing.assert_allclose(shape[:, SLOTS], [1.0, 1.0])
    assert np.count_nonzero(shape) == 3


def test_packing_costs_at_most_half_a_step():
    rng = np.random.default_rng(0)
    weights = {
        "embed": rng.standard_normal((193, 96)).astype(np.float32),
        "norm": rng.standard_normal(96).astype(np.float32),
    }
    back = unpacked(packed(weights))
    assert packed(weights)["embed"].dtype == np.int8
    limit = np.abs(weights["embed"]).max(axis=0) / 254 + 1e-6
    assert (np.abs(back["embed"] - weights["embed"]) <= limit).all()
    np.testing.assert_allclose(back["norm"], weights["norm"], rtol=1e-3)


@pytest.mark.lab
def test_numpy_computes_what_torch_trains():
    torch = pytest.importorskip("torch")
    sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
    learn = pytest.importorskip("learn_keyed_chords")
    torch.manual_seed(0)
    plans = (learn.MemberPlan(), learn.MemberPlan())
    network = learn.Members(plans, 48, 2).eval()
    notes, borders = melody(TUNE)
    views = np.zeros((1, len(INSIDE), learn.NUM_VIEWS), np.float32)
    views[0, :, : learn.SHAPE.start - 1] = melody_grid(notes, borders).reshape(len(INSIDE), -1)
    views[0, :, learn.SHAPE.start - 1] = INSIDE
    views[0, :, learn.SHAPE] = melody_shape(notes, borders)
    views[0, :, learn.CORPUS.start] = 1
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.1 * torch.randn_like(value))
        seen = torch.from_numpy(np.stack([views, views]))
        wanted = network(seen, torch.ones(seen.shape[:3], dtype=torch.bool))[1, 0]
        wanted = torch.log_softmax(wanted[:, :24], dim=1).numpy()
    own = learn.exported(dict(network.weights), 1)
    found = KeyedNetwork([own]).log_probabilities(notes, borders, INSIDE, sure_of(0))
    np.testing.assert_allclose(found, wanted, atol=1e-3)
