"""Detail says the same in torch and ONNX Runtime; the codec draws it or takes a recording's."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import runtime  # noqa: E402
from banso.bundle import load_bundle  # noqa: E402
from banso.codec import envelope as e  # noqa: E402
from banso.codec.bends import NUM_BENDS  # noqa: E402
from banso.codec.parameters import HOP_LENGTH, NUM_PARAMETERS, SAMPLE_RATE  # noqa: E402
from banso.config import DetailConfig, EnvelopeConfig, Experiment  # noqa: E402
from banso.errors import BundleError  # noqa: E402
from banso.eval import bundles  # noqa: E402
from banso.eval.codecs import Clip  # noqa: E402
from banso.runtime.streams import DetailSource  # noqa: E402
from banso.train.detail import DetailModule  # noqa: E402
from banso.train.detail_export import add_detail  # noqa: E402
from banso.train.envelope_export import add_envelope  # noqa: E402
from banso.train.export import relative_error  # noqa: E402
from banso.train.loop import save_weights  # noqa: E402
from banso.train.module import CodecModule  # noqa: E402
from banso.train.quantize import quantize_bundle  # noqa: E402
from tiny_networks import latents, played  # noqa: E402

pytestmark = pytest.mark.lab

# Relative to the largest value; measured 6e-7 (torch 2.13, ORT 1.32).
TOLERANCE = 4e-6
# As many numbers as levels, so that own detail can tell everything.
CONFIG = DetailConfig(num_channels=400, dim=24, layers=2, encoder_dim=24, encoder_layers=1)


@pytest.fixture(scope="module")
def plain(tiny_bundle):
    return tiny_bundle


@pytest.fixture(scope="module")
def enveloped(plain, tmp_path_factory):
    torch.manual_seed(0)
    module = CodecModule(
        Experiment(codec=plain.manifest.codec, envelope=EnvelopeConfig(dim=16, layers=1))
    )
    path = tmp_path_factory.mktemp("checkpoint") / "codec.ckpt"
    save_weights(module, path)
    return add_envelope(plain, path, path.parent / "bundle")[0]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    module = DetailModule(Experiment(detail=CONFIG), 64)
    spread = torch.randn(3000, e.NUM_ENVELOPE) * torch.linspace(1, 4, e.NUM_ENVELOPE)
    module.model.start_from_components(spread)
    torch.nn.init.normal_(module.model.prior.project.weight, std=0.02)
    torch.nn.init.normal_(module.model.decoder.project.weight, std=0.002)
    path = tmp_path_factory.mktemp("checkpoint") / "detail.ckpt"
    save_weights(module, path)
    return path


@pytest.fixture(scope="module")
def detailed(enveloped, checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("detailed") / "bundle"
    bundle, parity = add_detail(enveloped, checkpoint, folder)
    assert set(parity.errors) == {runtime.CODEC_DETAIL_FILE, runtime.CODEC_DETAIL_ENCODER_FILE}
    assert parity.worst < TOLERANCE
    return bundle


def music(seconds=3.0):
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(0.1 * np.sin(2 * np.pi * hz * time) for hz in (220.0, 277.2, 329.6, 1318.5))
    noise = 0.02 * np.random.default_rng(0).standard_normal((2, len(time)))
    return (tones * (1 + np.sin(8 * time)) + noise).astype(np.float32)


def test_the_bundle_says_what_it_holds(enveloped, detailed):
    opened = load_bundle(detailed.folder)
    assert opened.manifest.detail == CONFIG
    assert opened.manifest.training["detail"] == {"minutes": 60.0}
    graphs = opened.manifest.graphs
    inputs = [[t.name for t in graphs[file].inputs] for file in sorted(graphs) if "detail" in file]
    assert inputs == [["latents", "detail"], ["latents", "missing"]]
    assert enveloped.manifest.detail is None
    assert runtime.load_codec(detailed).num_detail_channels == 400 + NUM_BENDS
    assert runtime.load_codec(detailed, detail=False).num_detail_channels == 0


@pytest.mark.parametrize("cuts", [[3, 4, 50], [80]])
def test_pieces_draw_and_play_the_same_as_the_whole(detailed, cuts):
    codec, given = runtime.load_codec(detailed), latents(90)
    whole = played(codec, given)
    assert whole.shape == (2, 90 * HOP_LENGTH)
    assert relative_error(whole, played(codec, *np.split(given, cuts))) < TOLERANCE
    assert np.abs(whole - played(codec, given, seed=1)).max() > 1e-3
    assert np.abs(whole - played(runtime.load_codec(detailed, detail=False), given)).max() > 1e-3


def test_own_detail_says_what_is_missing(detailed):
    codec, given = runtime.load_codec(detailed), latents(40)
    missing = 3 * np.random.default_rng(1).standard_normal((40, e.NUM_ENVELOPE), dtype=np.float32)
    own = codec._detail_encoder.run(latents=given[None], missing=missing[None])["detail"][0]
    envelopes = [
        opened._decode_rows(rows)[:, NUM_PARAMETERS : NUM_PARAMETERS + e.NUM_ENVELOPE]
        for opened, rows in (
            (codec, np.concatenate([given, own, np.zeros((40, NUM_BENDS), np.float32)], axis=1)),
            (runtime.load_codec(detailed, detail=False), given),
        )
    ]
    assert np.abs(envelopes[0] - envelopes[1] - missing).mean() < 0.2 * np.abs(missing).mean()


def test_a_round_trip_takes_the_recordings_own(detailed):
    codec, waveform = runtime.load_codec(detailed), music()
    stream, (given, detail) = codec.decode_stream(filters=2), codec.encode_with_detail(waveform)
    pieces = [stream.add(given, detail), stream.finish()]
    own, drawn = codec.roundtrip(waveform), codec.roundtrip(waveform, own_detail=False)
    assert own.shape == waveform.shape
    np.testing.assert_array_equal(given, codec.encode(waveform))
    np.testing.assert_array_equal(own, np.concatenate(pieces, axis=1)[:, : own.shape[1]])
    np.testing.assert_array_equal(drawn, played(codec, given)[:, : own.shape[1]])
    assert np.abs(own - drawn).max() > 1e-3


def test_detail_has_the_numbers_it_says(detailed):
    codec, waveform = runtime.load_codec(detailed), music()
    frames = -(-waveform.shape[1] // HOP_LENGTH)
    assert codec.encode_with_detail(waveform)[1].shape == (frames, 400 + NUM_BENDS)
    bare = runtime.load_codec(detailed, envelope=False)
    assert bare.encode_with_detail(waveform)[1].shape == (frames, 0)


@pytest.mark.parametrize("cuts", [[1, 2, 3, 40], [64]])
def test_more_filters_play_in_pieces_the_same_as_the_whole(detailed, cuts):
    codec, given = runtime.load_codec(detailed), latents(90)

    def play(*pieces):
        stream = codec.decode_stream(filters=2)
        return np.concatenate([*(stream.add(piece) for piece in pieces), stream.finish()], axis=1)

    whole = play(given)
    assert whole.shape == (2, 90 * HOP_LENGTH)
    assert relative_error(whole, play(*np.split(given, cuts))) < TOLERANCE
    assert np.abs(whole - played(codec, given)).max() > 1e-3


def test_a_second_filter_comes_nearer_to_a_recordings_envelope(detailed):
    codec, waveform = runtime.load_codec(detailed), music()
    rows, wanted = codec.encode_with_detail(waveform), e.measure_envelope(waveform).mid[4:-4]
    errors = []
    for filters in (1, 2):
        stream = codec.decode_stream(filters=filters)
        sound = np.concatenate([stream.add(*rows), stream.finish()], axis=1)
        found = e.measure_envelope(sound[:, : waveform.shape[1]]).mid[4:-4]
        errors.append(np.abs(found - wanted)[wanted > wanted.max() - 60].mean())
    assert errors[1] < 0.9 * errors[0]


def test_tones_of_a_made_up_band_stay_where_latents_put_them(detailed):
    codec, given = runtime.load_codec(detailed), latents(20)
    drawn = DetailSource(400, NUM_BENDS, seed=3).beside(given)
    np.testing.assert_array_equal(
        codec._decode_rows(drawn)[:, :NUM_PARAMETERS], codec.decode_parameters(given)
    )


def test_whole_numbers_say_nearly_the_same(detailed, tmp_path):
    quantized = quantize_bundle(detailed, tmp_path / "whole")
    assert quantized.num_matrices[runtime.CODEC_DETAIL_FILE] > 4
    given = {"latents": latents(50)[None], "detail": np.zeros((1, 50, 400), np.float32)}
    exact, whole = (
        runtime.load_codec(bundle)._detail.run(**given)["missing"]
        for bundle in (detailed, quantized.bundle)
    )
    assert np.abs(whole - exact).mean() < 0.05 * np.abs(exact).mean() + 0.05


def test_the_report_shows_the_codec_drawing_and_without(detailed, tmp_path, monkeypatch):
    clips = [Clip(name="music", samples=music())]
    monkeypatch.setattr(bundles, "band_clips", lambda *args: clips)
    text = bundles.evaluate_codec(detailed.folder, tmp_path, (), tmp_path / "report")
    assert "banso, detail drawn" in text
    assert "banso, detail off" in text


def test_there_is_no_detail_without_an_envelope(plain, checkpoint, tmp_path):
    with pytest.raises(BundleError, match="has no envelope"):
        add_detail(plain, checkpoint, tmp_path / "x")


def test_the_shipped_codec_keeps_what_latents_do_not_tell():
    codec, waveform = runtime.load_codec(load_bundle()), music()
    wanted = e.measure_envelope(waveform).mid[4:-4]
    audible = wanted > wanted.max() - 60

    def off(samples):
        return np.abs(e.measure_envelope(samples).mid[4:-4] - wanted)[audible].mean()

    own, drawn = (off(codec.roundtrip(waveform, own_detail=choice)) for choice in (True, False))
    assert codec.num_detail_channels == 192 + NUM_BENDS
    assert own < drawn - 0.3
