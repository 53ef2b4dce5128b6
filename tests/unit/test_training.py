import numpy as np
import pytest

from banso.errors import ConfigError, DataError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.conditioning import KNOWN, OTHERS, PART_NAMES, PARTS  # noqa: E402
from banso.config import CodecConfig, Experiment, TrainConfig  # noqa: E402
from banso.data.cache import Example  # noqa: E402
from banso.data.dataset import CropDataset  # noqa: E402
from banso.data.manifest import SPLITS, split_of  # noqa: E402
from banso.train import loop  # noqa: E402
from banso.train.export import rounded  # noqa: E402
from banso.train.module import CodecModule, assemble_batch  # noqa: E402

pytestmark = pytest.mark.lab
TINY = CodecConfig(encoder_dim=8, encoder_layers=1, decoder_dim=8, decoder_layers=1)


def example(name, split):
    random = np.random.default_rng(len(name))
    return Example(
        item_id=name,
        split=split,
        parameters=random.random((64, NUM_PARAMETERS)).astype(np.float16),
        conditions=np.zeros((64, KNOWN.start), np.float16),
    )


class Watched(CodecModule):
    """Notes the weights after every step."""

    def optimizer_step(self, *args, **kwargs):
        super().optimizer_step(*args, **kwargs)
        self.seen = [*getattr(self, "seen", []), self.model.decoder.widen.weight.detach().clone()]


def test_averaged_weights_are_what_is_exported(tmp_path):
    # Defect 5 of the published code: the average was kept and never used.
    config = TrainConfig(
        run=str(tmp_path), max_steps=6, batch_size=2, crop_frames=16, precision="fp32",
        ema_decay=0.7, learning_rate=0.05, warmup_steps=1, log_steps=1,
    )  # fmt: skip
    module = Watched(Experiment(codec=TINY, train=config))
    songs = [example("a", "train")]
    path = loop._fit(module, config, (songs, songs), resume=False)
    average = module.seen[0]
    for weight in module.seen[1:]:
        average = 0.7 * average + 0.3 * weight
    assert len(module.seen) == 6
    codec = loop.load_codec(path)
    found = codec.decoder.widen.weight.detach()
    torch.testing.assert_close(found, average, atol=1e-5, rtol=1e-4)
    assert (found - module.seen[-1]).abs().max() > 1e-3
    # The export rounds them to half precision and changes nothing else.
    half = rounded(codec).decoder.widen.weight
    torch.testing.assert_close(half, found, atol=1e-6, rtol=1e-3)
    torch.testing.assert_close(half, half.half().float(), atol=0, rtol=0)


def test_no_song_is_in_two_splits(monkeypatch):
    # Defect 7: crops of one song in both training and validation. The split is a property of the
    # song's name; all items of a song share it, whatever their number or transposition.
    songs = [f"song-{i}" for i in range(300)]
    every = [example(f"{song}-{item:02d}", split_of(song)) for song in songs for item in range(3)]
    monkeypatch.setattr(loop, "load_cache", lambda folder: iter(every))
    train, validation = loop.load_examples(TrainConfig())
    names = [{e.item_id.rsplit("-", 1)[0] for e in part} for part in (train, validation)]
    assert names[0]
    assert names[1]
    assert not names[0] & names[1]
    assert all(split_of(song) == "train" for song in names[0])
    assert {split_of(song) for song in songs} == set(SPLITS)


def test_held_out_songs_are_never_trained_on(monkeypatch, caplog):
    songs = {split: example(f"a-{split}", split) for split in SPLITS}

    def cached(*splits):
        monkeypatch.setattr(loop, "load_cache", lambda folder: (songs[s] for s in splits))
        return loop.load_examples(TrainConfig(data="some-cache"))

    for splits in (("validation",), ("test",), ("test", "validation")):
        message = rf"some-cache holds no songs to train on, only .* {', '.join(splits)};"
        with pytest.raises(DataError, match=message):
            cached(*splits)
    # Too few songs to hold any out: a warning, but nothing of the test split is listened to.
    assert cached("train", "test") == ([songs["train"]], [songs["train"]])
    assert "no songs to validate on" in caplog.text
    caplog.clear()
    assert cached(*SPLITS) == ([songs["train"]], [songs["validation"]])
    assert not caplog.text


def with_parts(name):
    rows = np.random.default_rng(1).random((64, NUM_PARAMETERS)).astype(np.float16)
    conditions = np.ones((64, KNOWN.start), np.float16)
    return Example(name, "train", rows, conditions, ("drums", "bass"), (2 * rows))


def crops_of_one(song, config):
    """The crops of one batch, each as tensors of its own."""
    batch = CropDataset([song], config, 1, augment=True)[0]
    return [{n: value[i] for n, value in batch.items()} for i in range(config.batch_size)]


def test_a_part_is_asked_for_by_name_and_the_others_are_heard_now_and_then():
    config = TrainConfig(
        batch_size=400, crop_frames=16, drop_all=0.2, drop_others=0.5, max_transpose=0
    )
    crops = crops_of_one(with_parts("p"), config)
    named = [crop["parts"].tolist() == [1, 1, 1, 0, 0] for crop in crops]
    assert np.mean(named) == pytest.approx(0.8, abs=0.06)
    assert np.mean([bool(crop["hears_others"]) for crop in crops]) == pytest.approx(0.4, abs=0.08)
    for crop, asked in zip(crops, named, strict=True):
        assert asked or not crop["parts"].any()
        assert asked or not crop["hears_others"]
        torch.testing.assert_close(crop["others"], 2 * crop["parameters"], atol=5e-3, rtol=0)


def test_the_whole_band_may_go_without_saying():
    config = TrainConfig(batch_size=200, crop_frames=16, drop_all=0.0, drop_parts=0.5)
    song = example("whole", "train")
    song = Example("w", "train", song.parameters, song.conditions + np.float16(1))
    crops = crops_of_one(song, config)
    said = [bool(crop["parts"].any()) for crop in crops]
    assert np.mean(said) == pytest.approx(0.5, abs=0.1)
    assert all(crop["parts"].sum() in (0, 1 + len(PART_NAMES)) for crop in crops)
    assert not any(crop["hears_others"] for crop in crops)


def test_conditions_of_a_batch_stand_where_inference_puts_them():
    config = TrainConfig(
        batch_size=1, crop_frames=16, drop_all=0.0, drop_others=0.0, keep_known=0.0
    )
    batch = CropDataset([with_parts("p")], config, 1, augment=True)[0]
    latents, others = torch.randn(1, 16, 64), torch.randn(1, 16, 64)
    rows = assemble_batch(batch, latents, others)[0]
    assert rows[:, PARTS].tolist() == [[1, 1, 1, 0, 0]] * 16
    assert rows[:, OTHERS.start].tolist() == [1] * 16
    torch.testing.assert_close(rows[:, OTHERS.start + 1 : OTHERS.stop], others[0])
    assert not rows[:, KNOWN].any()


def test_a_network_that_grew_begins_as_what_it_was(tmp_path):
    small, path = loop.CodecModule(Experiment(codec=TINY)), tmp_path / "small.ckpt"
    loop.save_weights(small, path)
    again = loop.CodecModule(Experiment(codec=TINY)).model
    # One input more than the checkpoint knows, and one layer that it does not have.
    again.analyse = torch.nn.Linear(NUM_PARAMETERS + 1, 64)
    again.extra = torch.nn.Linear(2, 2)
    fresh = loop.take_over(again, path)
    assert fresh == ["extra.weight", "extra.bias"]
    torch.testing.assert_close(again.analyse.weight[:, :-1], small.model.analyse.weight)
    assert not again.analyse.weight[:, -1].any()
    with pytest.raises(ConfigError, match="start_from"):
        loop.take_over(torch.nn.Linear(3, 3), path)


def test_a_frozen_encoder_keeps_its_latents_while_the_decoder_learns(tmp_path):
    first = CodecModule(Experiment(codec=TINY))
    start = tmp_path / "start.ckpt"
    loop.save_weights(first, start)
    config = TrainConfig(
        run=str(tmp_path / "run"), data=str(tmp_path), max_steps=4, batch_size=2, crop_frames=16,
        precision="fp32", learning_rate=0.05, warmup_steps=1, ema_decay=0.1, max_transpose=0,
        start_from=str(start), freeze_encoder=True,
    )  # fmt: skip
    songs = [example("a", "train")]
    module = CodecModule(Experiment(codec=TINY, train=config))
    codec = loop.load_codec(loop._fit(module, config, (songs, songs), resume=False))
    parameters = torch.rand(1, 16, NUM_PARAMETERS)
    with torch.no_grad():
        before, after = first.model.encode(parameters), codec.encode(parameters)
        torch.testing.assert_close(after, before)
        assert (codec.decode(before) - first.model.decode(before)).abs().max() > 1e-3
