"""The published network: trained on pairs by the command, then a row of an evaluation."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("lightning", reason="needs the train extra")
pytest.importorskip("librosa", reason="needs the eval extra")

import torch
from typer.testing import CliRunner

from banso.bundle import Manifest, load_bundle
from banso.cli import app
from banso.config import Experiment, TrainConfig
from banso.data.cache import load_vocals
from banso.errors import BundleError, ConfigError, DataError
from banso.eval.published import sample_published
from banso.eval.published_bands import load_published, published_system
from banso.eval.sets import EvalItem
from banso.leadsheet import LeadSheet
from banso.model.published import NUM_STEPS, cosine_alphas
from banso.runtime import load_codec
from banso.train import loop
from banso.train.export import export_bundle
from banso.train.module import CodecModule
from banso.train.published import PublishedModule, load_pairs
from conftest import sing
from prepared_pairs import RATE, SECONDS, make_item
from tiny_networks import CODEC, tiny_networks

pytestmark = pytest.mark.lab


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def codec():
    return tiny_networks()[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, codec):
    """Cache, checkpoints of codec and published network, and a bundle with the same codec."""
    folder = tmp_path_factory.mktemp("published")
    make_item(folder / "data", "song-00")
    run("prepare", "cache", "--root", folder / "data", "--out", folder / "cache", "--vocals")
    module = CodecModule(Experiment(codec=CODEC))
    module.model.load_state_dict(codec.state_dict())
    loop.save_weights(module, folder / "codec.ckpt")
    settings = {
        "data": f'"{folder / "cache"}"', "run": f'"{folder / "run"}"', "max_steps": 2,
        "batch_size": 2, "crop_frames": 16, "precision": '"fp32"', "log_steps": 1,
    }  # fmt: skip
    asked = [part for name in settings for part in ("--set", f"train.{name}={settings[name]}")]
    run("train", "published", "--codec", folder / "codec.ckpt", *asked)
    facts = Manifest(name="tiny", licence="CC0-1.0", created_from="test", styles=("pop",))
    bundle, _ = export_bundle(tiny_networks()[0], codec, folder / "bundle", facts)
    return folder, bundle


def test_voices_are_encoded_beside_the_bands(trained):
    folder, _ = trained
    vocals = load_vocals(folder / "cache", "song-00")
    (pair,) = load_pairs(folder / "cache")["train"]
    np.testing.assert_array_equal(pair.vocals, vocals)
    assert pair.parameters.shape == vocals.shape
    assert np.abs(pair.parameters - vocals).max() > 0.1
    assert load_vocals(folder / "cache", "another") is None


def test_a_cache_without_voices_is_told(trained):
    folder, _ = trained
    run("prepare", "cache", "--root", folder / "data", "--out", folder / "bands-only")
    with pytest.raises(DataError, match="--vocals"):
        load_pairs(folder / "bands-only")


def test_what_it_learns_is_what_its_sampler_needs(codec):
    # Defect 1 of the published code: target and sampler disagreed in sign.
    module = PublishedModule(Experiment(), codec)
    clean, vocals = torch.randn(2, 1, 16, 64)
    asked = []

    def perfect(noisy, step, voice):
        alpha = alphas[step][:, None, None]
        asked.append(int(step[0]))
        return (alpha.sqrt() * noisy - clean) / (1 - alpha).sqrt()

    alphas = cosine_alphas().float()
    module.model.forward = perfect
    for step in (0, 400, NUM_STEPS - 1):
        error = module._error(clean, vocals, torch.tensor([step]), torch.randn_like(clean))
        assert float(error) < 1e-3
    found = sample_published(module.model, vocals, torch.randn(1, 16, 64), num_steps=20)
    torch.testing.assert_close(found, clean, atol=1e-2, rtol=0)


def test_the_voice_is_dropped_as_often_as_asked(codec):
    config = TrainConfig(drop_all=0.25)
    module = PublishedModule(Experiment(train=config), codec)
    heard = []

    def watch(noisy, step, voice):
        heard.extend((voice.abs().amax(dim=(1, 2)) > 0).tolist())
        return noisy

    module.model.forward = watch
    module.log = lambda *args, **kwargs: None
    rows = torch.rand(64, 16, 448)
    for _ in range(8):
        module.training_step({"parameters": rows, "vocals": rows}, 0)
    assert np.mean(heard) == pytest.approx(0.75, abs=0.06)


def test_the_checkpoint_makes_bands_through_the_bundles_codec(trained):
    folder, bundle = trained
    published = load_published(folder / "run" / "final.ckpt")
    system = published_system(published, load_codec(bundle), bundle.hash, num_steps=2)
    voice = sing(SECONDS)
    item = EvalItem(
        name="a", sheet=LeadSheet(), sample_rate=RATE, read_vocals=lambda: voice,
        read_accompaniment=None,
    )  # fmt: skip
    made, again = system.make(item), system.make(item)
    assert made.samples.shape == (2, voice.shape[1])
    assert np.isfinite(made.samples).all()
    np.testing.assert_array_equal(made.samples, again.samples)
    other = published_system(published, load_codec(bundle), bundle.hash, num_steps=2, seed=1)
    assert np.abs(other.make(item).samples - made.samples).max() > 1e-4


def test_a_bundle_of_another_codec_is_refused(trained, debug_bundle):
    folder, _ = trained
    published = load_published(folder / "run" / "final.ckpt")
    with pytest.raises(BundleError, match="another codec"):
        published_system(published, load_codec(load_bundle(debug_bundle)), "hash")


def test_what_is_no_such_checkpoint_is_told(trained, tmp_path):
    folder, _ = trained
    (tmp_path / "words.ckpt").write_text("no weights")
    for path in (tmp_path / "none.ckpt", tmp_path / "words.ckpt", folder / "codec.ckpt"):
        with pytest.raises(ConfigError, match="no checkpoint of banso train published"):
            load_published(path)
