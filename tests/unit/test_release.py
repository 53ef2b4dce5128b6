from pathlib import Path

import pytest

pytest.importorskip("torch")

from banso.config import Experiment, SamplerConfig, to_dict
from banso.errors import ConfigError
from banso.train import release as module
from banso.train.export import Parity

pytestmark = pytest.mark.lab
PATHS = Path("codec.ckpt"), Path("denoiser.ckpt"), Path("bundle")


@pytest.fixture
def written(monkeypatch):
    facts = []
    monkeypatch.setattr(module, "_recorded", lambda path: {"experiment": to_dict(Experiment())})
    monkeypatch.setattr(module, "load_styles", lambda folder: ("pop-band",))
    monkeypatch.setattr(
        module, "export_checkpoints", lambda *args: (facts.append(args[-1]), Parity({}))
    )
    return facts


def test_the_sampler_may_be_chosen_after_training(written):
    module.release(*PATHS, name="a", licence="MIT", overrides=["sampler.num_steps=5"])
    module.release(*PATHS, name="a", licence="MIT")
    assert [facts.sampler.num_steps for facts in written] == [5, Experiment().sampler.num_steps]
    assert written[0].sampler.guidance_scale == Experiment().sampler.guidance_scale


def test_what_was_trained_cannot_be_chosen_afterwards(written):
    with pytest.raises(ConfigError, match=r"denoiser\.rope"):
        module.release(*PATHS, name="a", licence="MIT", overrides=["denoiser.rope=false"])
    assert written == []


def test_a_student_is_released_with_its_steps_and_its_teacher(written, monkeypatch):
    sampler = SamplerConfig(num_steps=4, order=1, guidance_folded=True, sigma_min=0.4)
    student = {"experiment": to_dict(Experiment(sampler=sampler)), "teacher": {"config_hash": "a1"}}
    monkeypatch.setattr(module, "_recorded", lambda path: student)
    module.release(*PATHS, name="a", licence="MIT")
    assert written[0].sampler == sampler
    assert written[0].training["teacher"] == {"config_hash": "a1"}


@pytest.mark.parametrize(
    ("kind", "function"),
    [("renderer", "add_checkpoint"), ("envelope", "add_envelope"), ("detail", "add_detail")],
)
def test_what_shapes_the_sound_joins_what_was_exported(written, monkeypatch, kind, function):
    added = []

    def add(bundle, checkpoint, out):
        added.append((checkpoint, out))
        return f"with {kind}", Parity({f"codec_{kind}.onnx": 1e-7})

    monkeypatch.setattr(module, function, add)
    given = {kind: Path("further.ckpt")}
    bundle, parity = module.release(*PATHS, name="a", licence="MIT", **given)
    assert added == [(given[kind], PATHS[-1])]
    assert bundle == f"with {kind}"
    assert parity.worst == 1e-7


def test_what_else_was_used_is_on_record(tmp_path, monkeypatch):
    file = tmp_path / "sources.toml"
    file.write_text(
        '[[source]]\nname = "a"\nlicence = "MIT"\nhours = 1.5\nattribution = "b"\n'
        '[[source]]\nname = "c"\nlicence = "CC0-1.0"\nhours = 2\n'
    )
    first, second = module.read_sources(file)
    assert (first.name, first.licence, first.hours, first.attribution) == ("a", "MIT", 1.5, "b")
    assert (second.name, second.attribution) == ("c", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold"),
        ("source = 3", "must hold"),
        ("[[source]]\nname = 'a'\n[other]", "must hold"),
        ("[[source]]\nname = 'a'", "needs name, licence and hours"),
        ("[[source]]\nname = 'a'\nlicense = 'b'", "did you mean 'licence'"),
        ("[[source]", "no valid TOML"),
    ],
)
def test_sources_that_make_no_sense_are_refused(tmp_path, text, message):
    file = tmp_path / "sources.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        module.read_sources(file)


def test_the_sources_of_the_shipped_weights_can_be_read():
    found = module.read_sources(Path(__file__).parents[2] / "configs" / "sources.toml")
    assert {source.licence for source in found} >= {"MIT", "CC-BY-4.0", "CC0-1.0"}
    assert all(source.attribution for source in found)
