"""What planning learns from: scores in numbers, and parts of them as networks see them."""

import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from banso.chord_network import melody_grid
from banso.data.manifest import split_of
from banso.data.song import Note, Song
from banso.keyed_network import melody_shape
from banso.leadsheet import ChordSpan, LeadSheet
from banso.onsets import SungEvents

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
lessons = pytest.importorskip("song_lessons")

BEAT = 0.6
LABELS = ("D:maj", "B:min7", "G:sus4", "A:7", "N")


class Raw:
    """A song that reads as it is."""

    def __init__(self, song):
        self.song = song

    def read(self):
        return self.song


def song(num_bars=20, beats_per_bar=4, song_id="pop909-001"):
    """A song in D whose chords change with every bar."""
    beats = np.arange(num_bars * beats_per_bar) * BEAT + 1.0
    downs = tuple(beats[::beats_per_bar])
    ends = (*downs[1:], beats[-1] + BEAT)
    chords = tuple(
        ChordSpan(start, end, LABELS[bar % len(LABELS)])
        for bar, (start, end) in enumerate(zip(downs, ends, strict=True))
    )
    melody = tuple(
        Note(float(beat), float(beat) + 0.5, 62 + int(index * 7) % 12, 80)
        for index, beat in enumerate(beats)
    )
    return Song(
        song_id=song_id, source="pop909", melody=melody, bridge=melody[:50], piano=(),
        lead_sheet=LeadSheet(beats=tuple(beats), downbeats=downs, chords=chords, key="D:maj"),
        duration_seconds=float(beats[-1]) + 2, licence="MIT", attribution="nobody",
    )  # fmt: skip


def lesson(**changes):
    return next(lessons.lessons_of([Raw(song(**changes))]))


@pytest.mark.parametrize(
    ("label", "column"),
    [("C:maj", 0), ("B:min7", 23), ("A:7/3", 9), ("N", 24), ("G:sus4", 25), ("B:dim", 25)],
)
def test_chords_have_columns(label, column):
    assert lessons.column_of(label) == column


def test_seconds_of_chords_add_up():
    chords = np.array([[0.0, 1.5, 0], [1.5, 4.0, 19]])
    seconds = lessons.chord_seconds(chords, np.array([0.0, 1.0, 2.0, 5.0]))
    np.testing.assert_allclose(seconds[:, 0], [1, 0.5, 0])
    np.testing.assert_allclose(seconds[:, 19], [0, 0.5, 2])
    assert seconds.sum() == pytest.approx(4)


def test_a_song_becomes_a_lesson_and_is_read_back(tmp_path):
    made = lesson()
    assert (made.signature, made.beats_per_bar, made.source) == (2, 4, "pop909")
    assert len(made.measures.starts) == 40
    lessons.write_lessons(tmp_path / "lessons.npz", [made, lesson(beats_per_bar=3)])
    one, other = lessons.read_lessons(tmp_path / "lessons.npz")
    for field in fields(made):
        own, back = getattr(made, field.name), getattr(one, field.name)
        if isinstance(own, np.ndarray):
            np.testing.assert_allclose(back, own, rtol=1e-6)
        else:
            assert back == own
    assert other.beats_per_bar == 3
    assert not other.measures.inside.any()


def test_songs_set_apart_are_training_songs():
    for number in range(40):
        own = lesson(song_id=f"pop909-{number:03}")
        assert (own.split in ("train", "tuning")) == (split_of(own.song_id) == "train")


def test_short_songs_teach_nothing():
    assert list(lessons.lessons_of([Raw(song(num_bars=4))])) == []


@pytest.mark.lab
def test_crops_show_what_the_program_sees():
    torch = pytest.importorskip("torch")
    crops = pytest.importorskip("keyed_crops")
    own = lesson()
    pool = crops.pool_of([own, own], torch.device("cpu"))
    whole = crops.crops(pool, torch.tensor([1]), 40, start=torch.tensor([0]))
    measures = own.measures
    borders = np.append(measures.starts, measures.ends[-1])
    borders[0] = own.beats[0]
    notes = own.notes
    events = SungEvents(notes[:, 0], notes[:, 1], notes[:, 2] - 2, np.ones(len(notes)))
    views = whole.views[0].numpy()
    grid = melody_grid(events, borders).reshape(40, -1)
    np.testing.assert_array_equal(views[:, : crops.SHAPE.start - 1], grid)
    np.testing.assert_array_equal(views[:, crops.SHAPE.start - 1], measures.inside)
    np.testing.assert_allclose(views[:, crops.SHAPE], melody_shape(events, borders), atol=1e-5)
    np.testing.assert_array_equal(views[:, crops.CORPUS], np.tile([1, 0, 0, 0], (40, 1)))
    # The first bar's chord is the tonic, seen from which it is C.
    np.testing.assert_allclose(whole.seconds[0, :2, 0], 1, atol=1e-3)
    assert not views[:, crops.HINTS].any()


@pytest.mark.lab
def test_spoiled_crops_keep_their_chords_in_step():
    torch = pytest.importorskip("torch")
    crops = pytest.importorskip("keyed_crops")
    torch.manual_seed(0)
    pool = crops.pool_of([lesson(num_bars=60)], torch.device("cpu"))
    many = torch.zeros(200, dtype=torch.long)
    made = crops.crops(pool, many, 32, hint_share=torch.full((200,), 0.8))
    assert made.live.all()
    np.testing.assert_allclose(made.seconds.sum(dim=2), 1, atol=2e-3)
    told = made.views[..., crops.HINTS].sum(dim=2)
    np.testing.assert_array_equal(told, 1 - made.asked)
    assert 0.2 < told.mean() < 0.6
    # Some are shown at half the tempo: two chords in a unit. Others never have more than one.
    mixed = (made.seconds.max(dim=2)[0] < 0.9).float().mean(dim=1)
    assert 0.02 < (mixed > 0.5).float().mean() < 0.3
