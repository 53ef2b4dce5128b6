from pathlib import Path

import pytest

from banso.config import (
    MIXINGS,
    DenoiserConfig,
    Experiment,
    LatentFormat,
    SamplerConfig,
    config_hash,
    from_dict,
    from_record,
    load_config,
    to_dict,
    with_overrides,
)
from banso.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"


def test_file_and_overrides(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("[train]\nbatch_size = 8\nlearning_rate = 5e-4\nminutes = 3\n")
    experiment = load_config(path, ["train.batch_size=4", "denoiser.mixing=learned"])
    assert experiment.train.batch_size == 4
    assert experiment.train.learning_rate == 5e-4
    assert experiment.train.minutes == 3.0
    assert isinstance(experiment.train.minutes, float)
    assert experiment.denoiser.mixing == "learned"
    assert load_config() == Experiment()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.batchsize=8", "did you mean 'batch_size'"),
        ("trian.batch_size=8", "did you mean 'train'"),
        ("train.batch_size=many", "must be int"),
        ("train.batch_size=8.5", "must be int"),
        ("train.batch_size=true", "must be int"),
        ("train=8", "must look like"),
        ("train.batch_size", "must look like"),
        ("denoiser.mixing=magic", "mixing 'magic' is unknown"),
        ("sampler.sigma_min=50.0", "sigma_min"),
        ("sampler.overlap_frames=1024", "overlap_frames"),
        ("sampler.bias_sigmas=[1.0]", "bias must have a row for each"),
        ("sampler.bias_sigmas='loud'", "bias_sigmas"),
        ("codec.kernel_size=4", "odd"),
        ("denoiser.window_frames=12", "multiple of 8"),
    ],
)
def test_a_wrong_setting_is_a_clear_error(override, words):
    with pytest.raises(ConfigError, match=words):
        load_config(None, [override])


def test_a_section_that_is_a_value_is_a_clear_error(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("train = 3\n")
    with pytest.raises(ConfigError, match="section"):
        load_config(path)
    path.write_text("train = [\n")
    with pytest.raises(ConfigError, match="no valid TOML"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("mixing", MIXINGS)
def test_dictionaries_hold_everything(mixing):
    experiment = Experiment(denoiser=DenoiserConfig(mixing=mixing))
    assert from_dict(Experiment, to_dict(experiment)) == experiment


def test_an_old_record_is_read_without_what_is_gone():
    experiment = Experiment(denoiser=DenoiserConfig(encoder_dim=64))
    record = to_dict(experiment)
    record["planner"] = {"dim": 192}
    record["train"]["max_stretch"] = 0.16
    assert from_record(Experiment, record) == experiment
    record["train"]["batch_size"] = "many"
    with pytest.raises(ConfigError, match="must be int"):
        from_record(Experiment, record)


def test_the_hash_follows_the_values():
    assert config_hash(SamplerConfig()) == config_hash(SamplerConfig(num_steps=9))
    assert config_hash(SamplerConfig()) != config_hash(SamplerConfig(num_steps=10))


def test_frame_rate_is_derived():
    assert LatentFormat().frame_rate == pytest.approx(21.533, abs=1e-3)
    assert LatentFormat(sample_rate=48_000, hop_length=1_920).frame_rate == 25.0


def test_an_experiment_is_changed_by_overrides():
    experiment = load_config(overrides=["train.batch_size=3"])
    changed = with_overrides(experiment, ["sampler.num_steps=5"])
    assert (changed.sampler.num_steps, changed.train.batch_size) == (5, 3)
    with pytest.raises(ConfigError, match="num_stepz"):
        with_overrides(experiment, ["sampler.num_stepz=5"])


@pytest.mark.parametrize(
    "path",
    [p for p in sorted(CONFIGS.rglob("*.toml")) if p.name != "sources.toml"],
    ids=lambda path: path.relative_to(CONFIGS).as_posix(),
)
def test_every_recipe_can_be_read(path):
    experiment = load_config(path)
    assert experiment.train.minutes > 0
    assert experiment != Experiment()
