"""A worker that remembers voices makes the same music, and listens once."""

import numpy as np
import pytest

from banso import features
from banso.files import AudioReader
from banso.options import GenerationOptions, OutputOptions
from banso.web import remembering
from banso.web.remembering import RememberingAccompanist
from fakes import fake_accompanist


@pytest.fixture
def plain():
    return fake_accompanist()


@pytest.fixture
def accompanist(plain):
    return RememberingAccompanist(
        plain.denoiser,
        plain.codec,
        bundle=plain.bundle,
        sampler=plain.sampler,
        styles=plain.styles,
        knows_parts=True,
    )


@pytest.fixture
def num_listens(monkeypatch):
    """Counts how often somebody starts to listen; num_listens() tells."""
    begun = []

    class Counted(features.FeatureStream):
        def __init__(self):
            begun.append(self)
            super().__init__()

    monkeypatch.setattr("banso.listening.FeatureStream", Counted)
    return lambda: len(begun)


def test_what_is_remembered_gives_the_same_files(accompanist, plain, vocals_file, tmp_path):
    path = vocals_file()
    asked = [GenerationOptions(seed=7), GenerationOptions(seed=7, bpm=120.0, style="rock")]
    for number, options in enumerate([*asked, *asked]):
        for who, name in ((accompanist, "first"), (plain, "second")):
            output = OutputOptions(output_dir=tmp_path / f"{name}-{number}")
            result = who.accompany_file(path, output, options)
            assert result.provenance.lead_sheet is not None
        made = [
            (tmp_path / f"{name}-{number}" / "song.accompaniment.wav").read_bytes()
            for name in ("first", "second")
        ]
        assert made[0] == made[1]


def test_a_file_is_listened_to_once_per_tuning(accompanist, vocals_file, num_listens):
    reader = AudioReader(vocals_file())
    for tuning in (None, None, 10.0, 10.0, None):
        heard = accompanist.listen(reader, tuning)
        assert tuning is None or heard.tuning_cents == tuning
    assert num_listens() == 2


def test_a_file_that_has_changed_is_listened_to_again(accompanist, vocals_file, num_listens):
    before = accompanist.listen(AudioReader(vocals_file(seconds=1.0)))
    after = accompanist.listen(AudioReader(vocals_file(seconds=2.0)))
    assert (before.duration_seconds, after.duration_seconds) == (1.0, 2.0)
    assert num_listens() == 2


def test_each_wish_has_its_own_plan(accompanist, vocals_file):
    heard = accompanist.listen(AudioReader(vocals_file()))
    plans = [
        accompanist.song_plan(heard, GenerationOptions(bpm=bpm)).obeyed.beats
        for bpm in (90.0, 120.0, 90.0)
    ]
    assert plans[0] == plans[2]
    assert np.diff(plans[1]) == pytest.approx(0.5)
    assert np.diff(plans[0]) == pytest.approx(2 / 3)


def test_memory_is_bounded(accompanist, vocals_file, monkeypatch, num_listens):
    monkeypatch.setattr(remembering, "MAX_LISTENINGS", 2)
    paths = [vocals_file(f"{name}.wav", seconds=0.6) for name in "abc"]
    for path in [*paths, paths[2], paths[1], paths[0]]:
        accompanist.listen(AudioReader(path))
    assert num_listens() == 4
    assert len(accompanist._listenings) == 2
