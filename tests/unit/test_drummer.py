from pathlib import Path

import numpy as np
import pytest

from band_songs import tiny_song
from banso.data.arranger import arrange
from banso.data.drummer import DrumBar, Drummer, play
from banso.data.sources.groove import read_corpus
from banso.errors import DataError
from score_files import write_groove

pytestmark = pytest.mark.lab


@pytest.fixture
def drummer(tmp_path: Path) -> Drummer:
    write_groove(tmp_path)
    return Drummer(tuple(read_corpus(tmp_path)))


def _bars(tempo: float, count: int = 4, *, fills: bool = False) -> list[DrumBar]:
    beat = 60 / tempo
    return [
        DrumBar(tuple((4 * b + k) * beat for k in range(5)), 0.8, fills and b % 2 == 1, False)
        for b in range(count)
    ]


def test_corpus_has_style_tempo_metre_and_general_midi_keys(drummer: Drummer):
    rock, fill, jazz = drummer.takes
    assert (rock.styles, rock.tempo, rock.num_bars, rock.is_fill) == (("rock",), 100, 2, False)
    assert {hit.key for hit in rock.hits} == {36, 38}
    assert fill.is_fill
    assert (jazz.beats_per_bar, jazz.num_bars) == (3, 2)
    assert {hit.key for hit in jazz.hits} == {51}


def test_corpus_without_licence_is_refused(tmp_path: Path):
    write_groove(tmp_path)
    (tmp_path / "groove" / "LICENSE").unlink()
    with pytest.raises(DataError, match="no LICENSE"):
        read_corpus(tmp_path)


def test_style_metre_and_tempo_decide(drummer: Drummer):
    rng = np.random.default_rng(0)
    assert drummer.choose("rock", 4, 110, rng) is drummer.takes[0]
    assert drummer.choose("rock", 4, 180, rng) is None
    assert drummer.choose("bossa", 4, 100, rng) is None
    assert drummer.choose("waltz", 3, 100, rng) is drummer.takes[2]
    assert drummer.choose_fills("rock", 4, 100, rng) == (drummer.takes[1],) * 4


@pytest.mark.parametrize("tempo", [80.0, 123.0])
def test_strokes_keep_their_place_between_beats_at_any_tempo(drummer: Drummer, tempo: float):
    notes = play(drummer.takes[0], (), _bars(tempo), 60.0, np.random.default_rng(0))
    places = np.array([n.start_seconds for n in notes]) * tempo / 60
    assert len(notes) == 16
    assert np.allclose(places % 1, 0.02, atol=2e-3)
    assert [n.pitch for n in notes[:4]] == [36, 38, 36, 38]


def test_fills_take_the_end_of_their_bars(drummer: Drummer):
    notes = play(drummer.takes[0], drummer.takes[1:2], _bars(120, fills=True), 60.0,
                 np.random.default_rng(0))  # fmt: skip
    toms = [n.start_seconds for n in notes if n.pitch == 48]
    assert toms
    assert all(1.0 <= (t + 0.01) % 4.0 - 2.0 < 2.0 for t in toms)


def test_arranged_human_drums_are_on_the_songs_beats(drummer: Drummer):
    song = tiny_song(16)
    human = 0
    for seed in range(12):
        band = arrange(song, "rock", np.random.default_rng(seed), drummer)
        starts = np.array([n.start_seconds for n in band.tracks[0].notes]) / 0.5
        deviation = (starts + 0.25) % 0.25
        if np.all(
            np.isclose(starts % 1, 0.02, atol=5e-3) | np.isclose(starts % 0.25, 0, atol=5e-3)
        ):
            human += 1
        assert len(starts) > 20
        assert deviation.max() < 0.25
    assert 3 <= human <= 11


def test_same_seed_same_drums(drummer: Drummer):
    song = tiny_song(16)
    one, two = (arrange(song, "rock", np.random.default_rng(4), drummer) for _ in range(2))
    assert one == two
