import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import conditioning as c  # noqa: E402
from banso.audio import Audio  # noqa: E402
from banso.codec import parameters as p  # noqa: E402
from banso.codec.analysis import analyze  # noqa: E402
from banso.codec.envelope import NUM_ENVELOPE, SILENCE_DB, measure_envelope  # noqa: E402
from banso.config import CodecConfig, EnvelopeConfig, Experiment, TrainConfig  # noqa: E402
from banso.data import cache as cached  # noqa: E402
from banso.data.dataset import CropDataset  # noqa: E402
from banso.data.shards import pack_cache, unpack_shards  # noqa: E402
from banso.errors import ConfigError  # noqa: E402
from banso.files import write_audio  # noqa: E402
from banso.model.codec import Block, mixed_over_time, sum_of_shifted  # noqa: E402
from banso.model.envelope import EnvelopeNetwork, level_distance  # noqa: E402
from banso.train import loop  # noqa: E402
from banso.train.module import CodecModule  # noqa: E402

pytestmark = pytest.mark.lab
TINY = CodecConfig(encoder_dim=8, encoder_layers=1, decoder_dim=8, decoder_layers=1)
SMALL = EnvelopeConfig(dim=16, layers=1)


def music(frames=60, seed=0):
    """A chord over some noise that comes and goes."""
    time = np.arange(frames * p.HOP_LENGTH) / p.SAMPLE_RATE
    rng = np.random.default_rng(seed)
    mid = sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in rng.uniform(100, 900, 4))
    mid = mid + 0.03 * rng.standard_normal(len(time)) * (time % 0.5 < 0.1)
    side = 0.02 * rng.standard_normal(len(time))
    return np.stack([mid + side, mid - side]).astype(np.float32)


def example(name="a", seed=0, *, split="train", known=True):
    samples = music(seed=seed)
    return cached.Example(
        name,
        split,
        analyze(samples).to_array().astype(np.float16),
        np.zeros((60, c.KNOWN.start), np.float16),
        envelope=cached.heard_envelope(samples).astype(np.float16) if known else None,
    )


def test_the_sum_of_shifted_rows_is_the_convolution():
    torch.manual_seed(0)
    convolution = Block(12, 5).mix
    x = torch.randn(3, 17, 12)
    torch.testing.assert_close(sum_of_shifted(x, convolution), mixed_over_time(x, convolution))


def test_untrained_it_says_what_parameters_add_up_to():
    samples = music()
    network = EnvelopeNetwork(SMALL, 64)
    parameters = torch.from_numpy(analyze(samples).to_array())[None]
    with torch.no_grad():
        found = network(torch.randn(1, 60, 64), parameters)[0].numpy()
    wanted = measure_envelope(samples).to_array()
    loud = wanted > wanted.max() - 40
    assert np.abs(found - wanted)[loud].mean() < 4
    with torch.no_grad():
        torch.testing.assert_close(network.added_up(parameters)[0].numpy(), found)


def test_a_new_scale_of_latents_changes_nothing():
    torch.manual_seed(0)
    network = EnvelopeNetwork(SMALL, 64)
    torch.nn.init.normal_(network.project.weight)
    latents, parameters = torch.randn(1, 8, 64), torch.rand(1, 8, p.NUM_PARAMETERS)
    ratio = torch.rand(64) + 0.5
    before = network(latents, parameters)
    network.rescale(ratio)
    torch.testing.assert_close(network(latents / ratio, parameters), before, atol=1e-3, rtol=1e-4)


def test_what_is_softer_than_can_be_heard_does_not_count():
    wanted = torch.tensor([[[0.0, -40.0, -90.0, -200.0]]])
    found = torch.tensor([[[2.0, -40.0, -150.0, -60.0]]])
    loudest = torch.tensor([0.0])
    assert float(level_distance(found, wanted, loudest)) == pytest.approx((2 + 10) / 4)
    only = level_distance(found, wanted, loudest, audible_only=True)
    assert float(only) == pytest.approx((2 + 10) / 3)


def test_stretches_hold_parameters_and_envelope_of_the_same_frames(tmp_path):
    folder = tmp_path / "items" / "song"
    folder.mkdir(parents=True)
    samples = music(90)
    write_audio(folder / "accompaniment.flac", Audio(samples, p.SAMPLE_RATE))
    item = {"item_id": "song", "split": "train"}
    (folder / "item.json").write_text(json.dumps(item), encoding="utf-8")

    class Item:
        item_id, split = "song", "train"
        from_json = staticmethod(lambda content: Item)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached, "Item", Item)
        assert cached._encode_stretch(folder, tmp_path, 50)
    (found,) = cached.load_cache(tmp_path)
    assert found.parameters.shape == (50, p.NUM_PARAMETERS)
    assert found.envelope is not None
    whole = measure_envelope(samples).to_array() - SILENCE_DB
    off = [
        np.abs(whole[s + 2 : s + 48] - found.envelope[2:48].astype(np.float32)).mean()
        for s in range(41)
    ]
    start = int(np.argmin(off))
    assert off[start] < 0.2
    rows = analyze(samples).to_array()[start : start + 50]
    assert np.abs(rows[9:-9] - found.parameters[9:-9]).mean() < 0.01


def test_envelopes_travel_in_steps_that_nobody_hears(tmp_path):
    given = example()
    cached.save_sound(
        tmp_path / "cache.npz", given.parameters.astype(np.float32),
        given.envelope.astype(np.float32), "train",
    )  # fmt: skip
    pack_cache(tmp_path, tmp_path / "out", most_bytes=10**7, workers=1)
    unpack_shards(tmp_path / "out", tmp_path / "again", workers=1)
    (found,) = cached.load_cache(tmp_path / "again")
    audible = given.envelope > given.envelope.max() - 70
    off = np.abs(found.envelope.astype(np.float32) - given.envelope.astype(np.float32))
    assert off[audible].max() < 0.9


def test_songs_with_an_envelope_are_not_transposed():
    songs = [example(), example("b", known=False)]
    config = TrainConfig(batch_size=40, crop_frames=60, max_transpose=3)
    batch = CropDataset(songs, config, 1, augment=True)[0]
    known = batch["envelope"].any(-1).any(-1)
    assert 5 < known.sum() < 35
    stays = torch.from_numpy(songs[0].parameters).float().expand(int(known.sum()), -1, -1)
    torch.testing.assert_close(batch["parameters"][known], stays)
    assert len(torch.unique(batch["parameters"][~known].sum((1, 2)))) > 2
    assert batch["loudest"][known].max() == songs[0].envelope[:, :320].max()
    assert batch["loudest"][~known].min() > 500


def training(tmp_path, **changes):
    config = TrainConfig(
        run=str(tmp_path / "run"), data=str(tmp_path), max_steps=150, batch_size=4, crop_frames=32,
        precision="fp32", learning_rate=0.01, warmup_steps=5, ema_decay=0.9, max_transpose=0,
        minutes=5.0,
    )  # fmt: skip
    return dataclasses.replace(config, **changes)


def test_it_learns_alone_from_a_codec_that_stays(tmp_path):
    start = tmp_path / "start.ckpt"
    first = CodecModule(Experiment(codec=TINY, envelope=SMALL))
    with torch.no_grad():
        first.model.log_std.fill_(-4)
    loop.save_weights(first, start)
    config = training(tmp_path, start_from=str(start), freeze_codec=True)
    module = CodecModule(Experiment(codec=TINY, envelope=SMALL, train=config))
    songs = [example(), example("b", seed=1)]
    batch = CropDataset(songs, config, 1, augment=False)[0]

    def error(network):
        with torch.no_grad():
            latents = first.model.encode(batch["parameters"])
            found = network(latents, first.model.decode(latents)) - SILENCE_DB
            return float(level_distance(found, batch["envelope"], batch["loudest"]))

    before = error(module.envelope)
    path = loop._fit(module, config, (songs, songs), resume=False)
    assert error(loop.load_envelope(path).eval()) < 0.6 * before
    for name, value in loop.load_codec(path).state_dict().items():
        torch.testing.assert_close(value, first.model.state_dict()[name])
    # And it can be gone on from.
    again = CodecModule(Experiment(codec=TINY, envelope=SMALL, train=config))
    loop._take_over_envelope(again.envelope, path)
    learned = loop.load_envelope(path).widen.weight
    torch.testing.assert_close(again.envelope.widen.weight, learned)


def test_a_codec_learns_with_songs_whose_envelope_nobody_measured(tmp_path):
    config = training(tmp_path, max_steps=3)
    module = CodecModule(Experiment(codec=TINY, envelope=SMALL, train=config))
    songs = [example(), example("b", seed=1, known=False)]
    path = loop._fit(module, config, (songs, songs), resume=False)
    assert all(torch.isfinite(v).all() for v in loop.load_envelope(path).state_dict().values())


@pytest.mark.parametrize("start", ["", "."])
def test_it_cannot_learn_alone_without_a_codec(tmp_path, start):
    config = training(tmp_path, freeze_codec=True, start_from=start)
    with pytest.raises(ConfigError, match=r"train\.start_from"):
        loop.fit_codec(Experiment(codec=TINY, train=config))


def test_a_checkpoint_without_says_so(tmp_path):
    module = CodecModule(Experiment(codec=TINY, envelope=SMALL))
    state = {n: v for n, v in module.state_dict().items() if not n.startswith("envelope.")}
    path = tmp_path / "old.ckpt"
    torch.save({"state_dict": state, "hyper_parameters": dict(module.hparams)}, path)
    with pytest.raises(ConfigError, match="no envelope"):
        loop.load_envelope(path)
    with pytest.raises(ConfigError, match="no checkpoint"):
        loop.load_envelope(tmp_path / "none.ckpt")
    assert module.envelope(torch.zeros(1, 4, 64), torch.zeros(1, 4, 448)).shape[-1] == NUM_ENVELOPE
