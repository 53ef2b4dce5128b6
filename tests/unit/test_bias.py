"""What a denoiser is wrong by on average is found along the sampler's way, and taken off."""

import dataclasses

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("lightning")

from banso import conditioning as c
from banso.bundle import load_bundle
from banso.cli import app
from banso.codec.parameters import NUM_PARAMETERS
from banso.config import SamplerConfig
from banso.data.cache import Example, save_example
from banso.errors import BundleError, DataError
from banso.generation import noise_levels
from banso.train.bias import Crop, crops_of, measure_bias, remove_bias

pytestmark = pytest.mark.lab
FRAMES = 16
SAMPLER = SamplerConfig(num_steps=4, guidance_folded=True, order=1, sigma_min=0.25, rho=30.0)


class Remembering:
    """A denoiser that knows each crop by the first number of its conditioning, and is off."""

    def __init__(self, latents, offset):
        self.latents, self.offset = latents, offset

    def condition(self, conditioning):
        clean = self.latents[int(conditioning[0, 0, 0])]

        def denoise(noisy, sigma):
            # Of what later steps begin with it takes some over: errors add up.
            share = np.float32(0.3 / (1 + sigma))
            wrong = np.float32(sigma / (1 + sigma)) * self.offset
            return (clean + share * (noisy - clean) / (1 + sigma) + wrong).astype(np.float32)

        return denoise


@pytest.fixture
def songs():
    random = np.random.default_rng(0)
    latents = random.standard_normal((6, FRAMES, 8), dtype=np.float32)
    conditioning = np.zeros((6, FRAMES, c.NUM_CONDITIONS), np.float32)
    conditioning[:, :, 0] = np.arange(6)[:, None]
    return [Crop(*rows) for rows in zip(latents, conditioning, strict=True)]


@pytest.fixture
def denoiser(songs):
    offset = np.linspace(-0.4, 0.4, 8, dtype=np.float32)
    return Remembering([song.latents for song in songs], offset)


def test_the_mean_of_the_samplers_latents_becomes_right(songs, denoiser):
    bias = measure_bias(denoiser, songs, SAMPLER)
    assert bias.before > 0.04
    assert bias.after < 0.2 * bias.before
    assert bias.sampler.bias_sigmas == tuple(sorted(map(float, noise_levels(SAMPLER)[:-1])))
    found = np.array(bias.sampler.bias)
    assert found.shape == (4, 8)
    # At the highest level there is nothing before it.
    np.testing.assert_allclose(found[-1], denoiser.offset * 40 / 41, atol=0.02)
    assert np.linalg.norm(found[0]) < 0.5 * np.linalg.norm(found[-1])


def test_a_bias_that_is_known_already_is_measured_anew(songs, denoiser):
    first = measure_bias(denoiser, songs, SAMPLER)
    assert measure_bias(denoiser, songs, first.sampler) == first


def test_guidance_is_measured_as_it_is_used(songs, denoiser):
    doubled = dataclasses.replace(SAMPLER, guidance_folded=False, guidance_scale=2.0, order=2)
    bias = measure_bias(denoiser, songs, doubled)
    assert bias.after < 0.3 * bias.before


def example(name, frames, split="train", **changes):
    random = np.random.default_rng(len(name))
    parameters = random.uniform(0, 0.3, (frames, NUM_PARAMETERS)).astype(np.float32)
    conditions = random.uniform(0, 1, (frames, c.KNOWN.start)).astype(np.float32)
    conditions[:, c.VOCAL.start] = 1
    return Example(name, split, parameters, conditions, **changes)


def encode(parameters):
    return parameters[:, :8].copy()


def test_middles_of_whole_bands_are_taken_and_style_is_left_open():
    song = example("long", 700)
    others = np.zeros((700, NUM_PARAMETERS), np.float32)
    part = example("part", 700, parts=("bass",), others=others)
    recording = dataclasses.replace(song, conditions=np.zeros_like(song.conditions))
    (crop,) = crops_of([song, part, recording, example("short", 500)], encode, 9)
    np.testing.assert_array_equal(crop.latents, song.parameters[94 : 94 + 512, :8])
    told = slice(0, c.STYLE.start)
    np.testing.assert_array_equal(crop.conditioning[:, told], song.conditions[94:606, told])
    assert not crop.conditioning[:, c.STYLE.start :].any()


def test_as_many_songs_as_asked_for_come_from_all_of_them():
    songs = [example(f"song {number}", 512 + number) for number in range(10)]
    assert len(crops_of(songs, encode, 4)) == 4
    assert len(crops_of(songs, encode, 100)) == 10


def test_without_a_whole_band_there_is_nothing_to_measure():
    with pytest.raises(DataError, match="512 frames of a whole band"):
        crops_of([example("short", 500)], encode, 9)


@pytest.fixture
def cache(tmp_path):
    for number in range(3):
        song = example("song" + "x" * number, 520)
        path = tmp_path / "cache" / f"{song.item_id}.npz"
        path.parent.mkdir(exist_ok=True)
        save_example(path, song.parameters, song.conditions, "train")
    return path.parent


def test_a_bundle_is_written_again_without_its_bias(tiny_bundle, cache, tmp_path):
    out = tmp_path / "out"
    command = ["bundle", "remove-bias", str(cache), "--bundle", str(tiny_bundle.folder)]
    result = CliRunner().invoke(app, [*command, "--out", str(out), "--songs", "2"])
    assert result.exit_code == 0, result.output
    assert "mean error of latents" in result.output
    made = load_bundle(out)
    own = tiny_bundle.manifest.sampler
    assert made.manifest.files == tiny_bundle.manifest.files
    assert dataclasses.replace(made.manifest.sampler, bias=(), bias_sigmas=()) == own
    assert np.array(made.manifest.sampler.bias).shape == (own.num_steps, 64)


def test_a_codec_that_gives_sound_has_no_encoded_songs(tiny_bundle, cache, tmp_path, monkeypatch):
    monkeypatch.setattr("banso.runtime.load_codec", lambda *args, **kwargs: object())
    with pytest.raises(BundleError, match="gives sound"):
        remove_bias(tiny_bundle, cache, tmp_path / "out")
    assert not (tmp_path / "out").exists()
