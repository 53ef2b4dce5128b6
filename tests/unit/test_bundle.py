import dataclasses
import json
import re

import pytest

from banso.bundle import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    DataSource,
    Graph,
    Manifest,
    Tensor,
    default_path,
    load_bundle,
    verify,
    write_bundle,
)
from banso.config import CodecConfig, DenoiserConfig, LatentFormat, SamplerConfig
from banso.errors import BundleError

MANIFEST = Manifest(
    name="tiny",
    licence="CC0-1.0",
    created_from="0123abc",
    latents=LatentFormat(sample_rate=48_000, hop_length=1_920, num_channels=8),
    codec_kind="waveform",
    codec_context_frames=7,
    sampler=SamplerConfig(
        num_steps=4, sigma_max=20.0, bias_sigmas=(0.5, 20.0), bias=((0.25,) * 8, (-1.0,) * 8)
    ),
    styles=("pop", "bossa nova"),
    codec=CodecConfig(encoder_dim=8),
    denoiser=DenoiserConfig(mixing="learned"),
    graphs={
        "a.onnx": Graph(
            opset=20,
            inputs=(Tensor(name="latents", shape=("batch", "frames", "8")),),
            outputs=(),
        )
    },
    data=(DataSource(name="Töne", licence="MIT", hours=1.5, attribution="nobody"),),
    training={"minutes": 20.0, "notes": ["a", "b"]},
)


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "tiny", MANIFEST, {"a.onnx": b"graph", "LICENCE": b"words"})


def change_manifest(bundle, **values):
    path = bundle.folder / MANIFEST_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def assert_one_line(raised, *words):
    message = str(raised.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_what_is_written_is_read_back(bundle):
    again = load_bundle(bundle.folder)
    assert again == bundle
    assert again.name == "tiny"
    assert again.path("a.onnx").read_bytes() == b"graph"
    files = again.manifest.files
    assert set(files) == {"a.onnx", "LICENCE"}
    assert {len(digest) for digest in files.values()} == {64}
    assert dataclasses.replace(again.manifest, files={}) == MANIFEST


def test_the_hash_names_all_contents(tmp_path):
    hashes = set()
    for content in (b"one", b"two"):
        bundle = write_bundle(tmp_path / "b", MANIFEST, {"a.onnx": content})
        assert re.fullmatch("[0-9a-f]{12}", bundle.hash)
        hashes.add(bundle.hash)
    hashes.add(write_bundle(tmp_path / "c", MANIFEST, {"a.onnx": b"two"}).hash)
    assert len(hashes) == 2


def test_a_changed_byte_is_noticed(bundle):
    bundle.path("a.onnx").write_bytes(b"grapf")
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle.folder)
    assert_one_line(raised, "a.onnx", "damaged")
    with pytest.raises(BundleError, match="damaged"):
        verify(bundle)


def test_a_missing_file_is_named(bundle):
    bundle.path("LICENCE").unlink()
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle.folder)
    assert_one_line(raised, "LICENCE", "lacks")


def test_a_missing_bundle_is_named(tmp_path):
    with pytest.raises(BundleError) as raised:
        load_bundle(tmp_path / "nowhere")
    assert_one_line(raised, "nowhere", MANIFEST_FILE)


def test_a_file_instead_of_a_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleError, match="cannot read"):
        load_bundle(tmp_path / "file")


def test_a_newer_format_asks_for_an_update(bundle):
    change_manifest(bundle, format_version=FORMAT_VERSION + 1, invented="later")
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle.folder)
    assert_one_line(raised, "update banso", str(FORMAT_VERSION + 1))


@pytest.mark.parametrize(
    "values",
    [
        {"sampler": {"num_stepz": 3}},
        {"sampler": {"bias_sigmas": [1.0], "bias": [[0.5, 0.5]]}},
        {"sampler": {"bias_sigmas": [1.0], "bias": ["loud"]}},
        {"latents": 3},
        {"styles": None},
        {"data": [{"name": "x"}]},
        {"surprise": 1},
        {"format_version": "one"},
        {"codec_kind": "telepathy"},
        {"files": {"../escape.onnx": "0"}},
        {"files": {"manifest.json": "0"}},
        {"files": {"..": "0"}},
    ],
)
def test_a_wrong_manifest_is_a_clear_error(bundle, values):
    change_manifest(bundle, **values)
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle.folder)
    assert_one_line(raised)


def test_a_bundle_that_names_a_planner_is_read_without_it(bundle):
    change_manifest(bundle, planner={"dim": 192, "num_layers": 4, "num_heads": 4})
    assert load_bundle(bundle.folder).manifest == bundle.manifest


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff\xfe", b"", b"null"])
def test_a_broken_manifest_is_a_clear_error(bundle, text):
    (bundle.folder / MANIFEST_FILE).write_bytes(text)
    with pytest.raises(BundleError) as raised:
        load_bundle(bundle.folder)
    assert_one_line(raised)


def test_only_bundles_are_replaced(tmp_path):
    folder = tmp_path / "music"
    folder.mkdir()
    (folder / "song.wav").write_bytes(b"precious")
    with pytest.raises(BundleError, match="other things"):
        write_bundle(folder, MANIFEST, {})
    assert (folder / "song.wav").read_bytes() == b"precious"


def test_replacing_leaves_nothing_of_the_old_one(bundle):
    write_bundle(bundle.folder, MANIFEST, {"b.onnx": b"new"})
    assert {path.name for path in bundle.folder.iterdir()} == {MANIFEST_FILE, "b.onnx"}
    assert {path.name for path in bundle.folder.parent.iterdir()} == {"tiny"}


def test_an_unknown_file_is_named(bundle):
    assert not bundle.has("z.onnx")
    with pytest.raises(BundleError, match=r"tiny has no z\.onnx"):
        bundle.path("z.onnx")


def test_the_default_bundle_lies_inside_the_package():
    assert default_path().parts[-3:] == ("banso", "bundles", "default")


def test_the_debug_bundle_is_whole_and_small(debug_bundle):
    bundle = load_bundle(debug_bundle)
    assert bundle.name == "debug"
    assert sum(path.stat().st_size for path in debug_bundle.iterdir()) < 100_000
