"""Judges with weights of their own, in the shape of their packages but without them."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("librosa", reason="needs the eval extra")
pytest.importorskip("torch", reason="needs the train extra")

import torch

from banso.audio import Audio
from banso.errors import BansoError, ConfigError
from banso.eval.judges import Pair, load_judges
from banso.eval.judging import judged
from banso.eval.sets import EvalItem
from banso.eval.suite import Evaluation, band_file
from banso.files import write_audio
from banso.leadsheet import LeadSheet

pytestmark = pytest.mark.lab

BEATS = tuple(np.arange(0.5, 6, 0.5).tolist())
SHEET = LeadSheet(beats=BEATS, downbeats=BEATS[::4])


@pytest.fixture
def pair(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("vocals", "band"):
        samples = 0.1 * rng.standard_normal((1, 6 * 44_100)).astype(np.float32)
        write_audio(tmp_path / f"{name}.flac", Audio(samples, 44_100))
    return Pair(tmp_path / "vocals.flac", tmp_path / "band.flac", SHEET)


def install(monkeypatch, name, **content):
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        module = ModuleType(".".join(parts[:count]))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for key, value in content.items():
        setattr(module, key, value)


def test_audiobox_gives_four_scores_of_the_band(pair, monkeypatch):
    class Predictor:
        def forward(self, batch):
            assert [row["path"] for row in batch] == [str(pair.band)]
            return [{"CE": 6.0, "CU": 7.0, "PC": 3.0, "PQ": 7.5}]

    install(monkeypatch, "audiobox_aesthetics.infer", initialize_predictor=Predictor)
    (judge,), _ = load_judges(["audiobox"])
    assert judge.judge([pair]) == {
        "audiobox_ce": [6.0], "audiobox_cu": [7.0], "audiobox_pc": [3.0], "audiobox_pq": [7.5],
    }  # fmt: skip


def test_beat_this_is_compared_with_the_score(pair, monkeypatch):
    class File2Beats:
        def __init__(self, checkpoint_path, device, dbn):
            assert not dbn

        def __call__(self, path):
            assert path == str(pair.band)
            return np.array(BEATS) + 0.01, np.zeros(0)

    install(monkeypatch, "beat_this.inference", File2Beats=File2Beats)
    (judge,), _ = load_judges(["beat-this"])
    found = judge.judge([pair, Pair(pair.vocals, pair.band, LeadSheet())])
    assert found["beat_this_f1"][0] == 1.0
    assert found["beat_this_downbeat_f1"][0] == 0.0
    assert np.isnan(found["beat_this_f1"][1])


def test_cocola_scores_excerpts_of_five_seconds(pair, monkeypatch):
    class CoCola:
        @classmethod
        def load_from_checkpoint(cls, path):
            assert path == "weights.ckpt"
            return cls()

        def eval(self):
            return self

        def score(self, x, y):
            assert x.shape == y.shape == (1, 1, 80_000)
            assert x.dtype == torch.float32
            return torch.tensor([0.25])

    install(monkeypatch, "contrastive_model.contrastive_model", CoCola=CoCola)
    (judge,), _ = load_judges(["cocola=weights.ckpt"])
    assert judge.judge([pair]) == {"cocola": [0.25]}
    with pytest.raises(ConfigError, match="cocola=CHECKPOINT"):
        load_judges(["cocola"])


def test_fadtk_compares_folders(pair, monkeypatch):
    seen = []

    class FrechetAudioDistance:
        def __init__(self, model, audio_load_worker):
            assert model.name == "clap-laion-music"

        def cache_embedding_file(self, path):
            seen.append(path)

        def score(self, baseline, other):
            return 0.5 if (baseline, other) == (pair.band.parent, pair.vocals.parent) else -1

    models = [SimpleNamespace(name="vggish"), SimpleNamespace(name="clap-laion-music")]
    install(
        monkeypatch, "fadtk",
        FrechetAudioDistance=FrechetAudioDistance, get_all_models=lambda: models,
    )  # fmt: skip
    single, sets = load_judges(["fadtk"])
    assert single == []
    assert sets["fadtk"].distance([pair.band], [pair.vocals]) == 0.5
    assert seen == [pair.band, pair.vocals]


@pytest.mark.parametrize("name", ["audiobox", "beat-this", "cocola=x", "fadtk"])
def test_a_judge_that_is_not_installed_is_named(name, monkeypatch):
    for module in ("audiobox_aesthetics", "beat_this", "contrastive_model", "fadtk"):
        for loaded in [key for key in sys.modules if key.partition(".")[0] == module]:
            monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BansoError, match="is not installed"):
        load_judges([name])


def test_scores_of_judges_become_metrics_of_each_row(tmp_path):
    samples = np.zeros((2, 44_100), np.float32)
    items = [
        EvalItem(
            name=name, sheet=LeadSheet(), sample_rate=44_100,
            read_vocals=lambda: samples, read_accompaniment=lambda: samples,
        )
        for name in "ab"
    ]  # fmt: skip
    for row in ("true", "ours_vocal"):
        for index in range(2):
            path = band_file(tmp_path, row, index)
            path.parent.mkdir(exist_ok=True)
            write_audio(path, Audio(samples, 44_100))
    rows = {row: {"beat_f1": [0.0, 0.0]} for row in ("true", "shuffled", "ours_vocal")}
    evaluation = Evaluation(
        names=("a", "b"),
        seed=0,
        rows=rows,
        partners=(1, 0),
        observations=dict.fromkeys(rows, ()),
    )

    class NamesFiles:
        def judge(self, pairs):
            return {"number": [float(pair.band.stem) for pair in pairs]}

    class Counts:
        def distance(self, true, other):
            return float(len(true) + len(other))

    found = judged(evaluation, items, tmp_path, [NamesFiles()], {"counts": Counts()})
    assert found.rows["ours_vocal"] == {"beat_f1": [0.0, 0.0], "number": [0.0, 1.0]}
    assert found.rows["shuffled"]["number"] == [1.0, 0.0]
    assert found.distances == {"counts": {"ours_vocal": 4.0}}
    assert evaluation.rows["true"] == {"beat_f1": [0.0, 0.0]}
