import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import conditioning as c  # noqa: E402
from banso.codec.envelope import NUM_ENVELOPE, missing_levels  # noqa: E402
from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.config import (  # noqa: E402
    CodecConfig,
    DetailConfig,
    EnvelopeConfig,
    Experiment,
    TrainConfig,
)
from banso.data.cache import Example  # noqa: E402
from banso.errors import ConfigError, DataError  # noqa: E402
from banso.model.detail import DetailNetwork  # noqa: E402
from banso.train import detail, loop  # noqa: E402
from banso.train.module import CodecModule  # noqa: E402

pytestmark = pytest.mark.lab
TINY = DetailConfig(num_channels=6, dim=16, layers=1, encoder_dim=16, encoder_layers=1)
RANK = 6


def levels(count=4, frames=60, seed=0):
    """Missing levels [count, frames, NUM_ENVELOPE] that RANK numbers a frame tell all of."""
    rng = np.random.default_rng(7)
    shapes = rng.standard_normal((RANK, NUM_ENVELOPE)) * np.arange(1, RANK + 1)[:, None] / RANK
    drawn = np.random.default_rng(seed).standard_normal((count, frames, RANK))
    return torch.from_numpy((2 * drawn @ shapes).astype(np.float32))


def test_it_begins_as_principal_components():
    network, missing = DetailNetwork(TINY, 64), levels()
    held = network.start_from_components(missing.flatten(0, 1))
    assert held == pytest.approx(1, abs=1e-6)
    latents = torch.zeros(4, 60, 64)
    with torch.no_grad():
        own = network.encode(latents, missing)
        again = network.decode(latents, own)
    # As loud as is encoded: what is missing by more than 30 dB is not heard as more.
    torch.testing.assert_close(again, missing, atol=0.05, rtol=0.01)
    assert own.std() == pytest.approx(1, rel=0.1)


def test_what_the_prior_knows_is_no_detail():
    torch.manual_seed(0)
    network = DetailNetwork(TINY, 64)
    network.start_from_components(levels().flatten(0, 1))
    with torch.no_grad():
        network.prior.project.bias[:6] = 3.0  # it expects so much
        network.prior.project.bias[6:] = 10.0  # and is sure of nothing
        latents, missing = torch.randn(1, 30, 64), levels(1, 30)
        own = network.encode(latents, missing)
        torch.testing.assert_close(network.decode(latents, own), missing, atol=0.05, rtol=0.01)
        plain = (network._posterior(latents, missing) - 3.0) / 4.0
    torch.testing.assert_close(own, plain, atol=1e-3, rtol=1e-3)


def test_divergence_is_none_where_posterior_and_prior_agree():
    network = DetailNetwork(TINY, 64)
    with torch.no_grad():
        network.log_std.zero_()
        network.analyse.weight.zero_()
        found = network(torch.randn(2, 10, 64), levels(2, 10))
    assert float(found.kl) == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        network.log_std.fill_(-1.0)
        further = network(torch.randn(2, 10, 64), levels(2, 10))
    assert float(further.kl) == pytest.approx(6 * (0.5 * (np.exp(-2) - 1) + 1), rel=1e-4)


def test_only_what_can_be_heard_is_missing():
    wanted = np.full((2, NUM_ENVELOPE), -20.0, np.float32)
    wanted[0, 0], wanted[1] = 0.0, -200.0
    read = np.full_like(wanted, -26.0)
    read[1] = -100.0
    found = missing_levels(wanted, read)
    assert found[0, 1] == 6
    assert not found[1].any()
    np.testing.assert_array_equal(missing_levels(wanted + 130, read + 130), found)


def song(name, seed, *, split="train", frames=60, known=True):
    rng = np.random.default_rng(seed)
    return Example(
        name,
        split,
        rng.random((frames, NUM_PARAMETERS)).astype(np.float16),
        np.zeros((frames, c.KNOWN.start), np.float16),
        envelope=(90 + levels(1, frames, seed)[0].numpy()).astype(np.float16) if known else None,
    )


@pytest.fixture
def codec(tmp_path):
    tiny = CodecConfig(encoder_dim=8, encoder_layers=1, decoder_dim=8, decoder_layers=1)
    module = CodecModule(Experiment(codec=tiny, envelope=EnvelopeConfig(dim=16, layers=1)))
    path = tmp_path / "codec.ckpt"
    loop.save_weights(module, path)
    return path


def experiment(tmp_path, **changes):
    config = TrainConfig(
        run=str(tmp_path / "run"), data=str(tmp_path), max_steps=60, batch_size=4, crop_frames=32,
        precision="fp32", warmup_steps=5, ema_decay=0.9, minutes=5.0,
    )  # fmt: skip
    return Experiment(detail=TINY, train=dataclasses.replace(config, **changes))


def test_it_learns_what_the_envelope_lacks(codec, tmp_path, monkeypatch):
    songs = [song("a", 0), song("b", 1), song("c", 2, known=False)]
    monkeypatch.setattr(detail, "load_examples", lambda config: (songs, songs))
    path = detail.fit_detail(experiment(tmp_path), codec)
    network = detail.load_detail(path)
    heard = detail.hear_all(songs, loop.load_codec(codec), loop.load_envelope(codec))
    assert len(heard) == 2
    for own in heard:
        latents = torch.from_numpy(own.latents.astype(np.float32))[None]
        missing = torch.from_numpy(own.missing)[None]
        with torch.no_grad():
            again = network.decode(latents, network.encode(latents, missing))
        assert (again - missing).abs().mean() < 0.6 * missing.abs().mean()


def test_without_envelopes_or_long_songs_there_is_nothing_to_learn(codec, tmp_path, monkeypatch):
    bare = [song("a", 0, known=False)]
    monkeypatch.setattr(detail, "load_examples", lambda config: (bare, bare))
    with pytest.raises(DataError, match="stretches"):
        detail.fit_detail(experiment(tmp_path), codec)
    short = [song("a", 0, frames=20)]
    monkeypatch.setattr(detail, "load_examples", lambda config: (short, short))
    with pytest.raises(DataError, match="crop_frames"):
        detail.fit_detail(experiment(tmp_path), codec)


def test_there_must_be_a_codec_and_a_checkpoint(tmp_path):
    with pytest.raises(ConfigError, match="no checkpoint"):
        detail.fit_detail(experiment(tmp_path), tmp_path / "none.ckpt")
    with pytest.raises(ConfigError, match="no checkpoint"):
        detail.load_detail(tmp_path / "none.ckpt")


def test_there_must_be_something_to_resume(codec, tmp_path, monkeypatch):
    songs = [song("a", 0)]
    monkeypatch.setattr(detail, "load_examples", lambda config: (songs, songs))
    with pytest.raises(ConfigError, match="nothing to resume"):
        detail.fit_detail(experiment(tmp_path), codec, resume=True)
