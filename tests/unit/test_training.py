import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from banso.codec.parameters import NUM_PARAMETERS  # noqa: E402
from banso.conditioning import KNOWN  # noqa: E402
from banso.config import CodecConfig, Experiment, TrainConfig  # noqa: E402
from banso.data.cache import Example  # noqa: E402
from banso.data.manifest import SPLITS, split_of  # noqa: E402
from banso.train import loop  # noqa: E402
from banso.train.export import rounded  # noqa: E402
from banso.train.module import CodecModule  # noqa: E402

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
    train, validation = loop._examples(TrainConfig())
    names = [{e.item_id.rsplit("-", 1)[0] for e in part} for part in (train, validation)]
    assert names[0]
    assert names[1]
    assert not names[0] & names[1]
    assert all(split_of(song) == "train" for song in names[0])
    assert {split_of(song) for song in songs} == set(SPLITS)
