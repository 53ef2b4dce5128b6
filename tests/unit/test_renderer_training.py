import dataclasses
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
soundfile = pytest.importorskip("soundfile")

from banso.codec import gains as g  # noqa: E402
from banso.codec import parameters as p  # noqa: E402
from banso.codec.synthesis import Synthesizer, synthesize  # noqa: E402
from banso.config import RendererConfig  # noqa: E402
from banso.errors import ConfigError, DataError  # noqa: E402
from banso.eval.fidelity import log_mel_distance  # noqa: E402
from banso.model.discriminator import Discriminators, discriminator_loss  # noqa: E402
from banso.model.renderer import RendererNetwork, RendererPlayer  # noqa: E402
from banso.train import renderer_clips as clips  # noqa: E402
from banso.train.renderer import RendererTraining, fit_renderer, load_renderer  # noqa: E402
from banso.train.renderer_crops import ClipSet, prepare_clips, varied  # noqa: E402
from banso.train.renderer_loss import log_mel_db, spectral_loss  # noqa: E402

pytestmark = pytest.mark.lab
RATE = p.SAMPLE_RATE
TINY = RendererConfig(dim=16, layers=1, step_dim=12, step_layers=1)


class Transparent(torch.nn.Module):
    """Stands for a codec that loses nothing."""

    def encode(self, parameters):
        return parameters

    def decode(self, latents):
        return latents


def band(seconds, seed):
    """Plucked chords with bright attacks over quiet noise, wider on the right."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    since = time % 0.5
    tones = sum(np.sin(2 * np.pi * hz * time) for hz in 220 * 2 ** (random.integers(0, 24, 4) / 12))
    noise = random.standard_normal((2, len(time)))
    left = 0.1 * tones * np.exp(-4 * since) + 0.2 * np.exp(-40 * since) * noise[0]
    right = 0.6 * left + 0.01 * noise[1]
    return np.stack([left, right]).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for index, name in enumerate(("a", "b", "held-c")):
        soundfile.write(folder / f"{name}.wav", band(3.0, index).T, RATE, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def jobs(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("layers")
    return prepare_clips(data, Transparent(), folder, torch.device("cpu"), workers=1)


@pytest.fixture(scope="module")
def known(jobs):
    return ClipSet([job for job in jobs if not job.is_held], torch.device("cpu"))


def random_network(seed=0):
    torch.manual_seed(seed)
    network = RendererNetwork(TINY).eval().requires_grad_(False)
    torch.nn.init.normal_(network.project.weight, std=0.1)
    return network


def test_a_new_network_changes_nothing():
    gains = RendererNetwork(TINY)(torch.rand(2, 7, p.NUM_PARAMETERS))
    neutral = torch.tensor(g.NEUTRAL_GAINS).repeat_interleave(g.NUM_GAIN_POINTS)
    torch.testing.assert_close(gains, neutral.repeat(p.NOISE_PER_FRAME).expand(2, 7, -1))


def test_gains_depend_on_as_many_frames_as_said():
    network, parameters = random_network(), torch.rand(1, 40, p.NUM_PARAMETERS)
    other = parameters.clone()
    other[:, 20] += 1
    moved = (network(parameters) - network(other)).abs().amax(dim=(0, 2)) > 0
    reach = TINY.context_frames
    assert not moved[: 20 - reach].any()
    assert not moved[21 + reach :].any()
    assert moved[20]


def test_gains_stay_within_bounds():
    network = random_network()
    torch.nn.init.normal_(network.project.weight, std=100)
    gains = network(torch.rand(1, 30, p.NUM_PARAMETERS)).numpy()
    gains = gains.reshape(-1, len(g.GAIN_KINDS), g.NUM_GAIN_POINTS)
    assert gains[:, :2].min() > 0.04
    assert gains[:, :2].max() < 21
    assert np.abs(gains[:, 2]).max() <= 1


def test_torch_plays_what_numpy_plays(known):
    network, crops = random_network(), known.whole(1)
    played = RendererPlayer(network)(crops.parameters, crops.layers)[0].numpy()
    decoded = p.Parameters.from_array(crops.parameters[0].numpy())
    gains = network(crops.parameters)[0].numpy()
    left, right = Synthesizer().add(decoded, gains)[:, p.SYNTHESIS_HOP :]
    # Layers are kept as float16.
    np.testing.assert_allclose(played[0], (left + right) / 2, atol=3e-3)
    np.testing.assert_allclose(played[1], (left - right) / 2, atol=3e-3)
    plain = RendererPlayer(network)(None, crops.layers)[0].numpy()
    mid = synthesize(decoded).mean(axis=0)[p.SYNTHESIS_HOP :]
    np.testing.assert_allclose(plain[0], mid, atol=3e-3)


def test_crops_are_parts_of_clips(known):
    whole = [known.whole(index) for index in range(2)]
    crops = known.draw(np.random.default_rng(0), 6, 8, 3)
    assert crops.parameters.shape == (6, 14, p.NUM_PARAMETERS)
    for row, sound in zip(crops.parameters, crops.recorded, strict=True):
        places = [
            (clip, start)
            for clip in whole
            for start in range(clip.parameters.shape[1] - 13)
            if torch.equal(clip.parameters[0, start : start + 14], row)
        ]
        assert len(places) == 1
        clip, start = places[0]
        # What is recorded begins a synthesis step after the crop's first frame.
        first = (start + 3) * p.HOP_LENGTH
        torch.testing.assert_close(clip.recorded[0, :, first : first + sound.shape[1]], sound)


def test_variations_are_what_louder_and_exchanged_recordings_would_be(known):
    crops = known.draw(np.random.default_rng(0), 4, 8, 2)
    changed = varied(crops, np.random.default_rng(3))
    gain = changed.recorded[:, 0].abs().amax(1) / crops.recorded[:, 0].abs().amax(1)
    assert gain.std() > 0.05
    network = random_network()
    torch.nn.init.zeros_(network.project.weight)
    for before, after, factor in zip(
        RendererPlayer(network)(crops.parameters, crops.layers),
        RendererPlayer(network)(changed.parameters, changed.layers),
        gain,
        strict=True,
    ):
        torch.testing.assert_close(after[0], before[0] * factor, atol=1e-4, rtol=1e-3)
    level = changed.parameters[..., 0] / crops.parameters[..., 0].clamp(min=1e-6)
    sounding = crops.parameters[..., 0] > 0.05
    wanted = (gain**p.COMPRESSION)[:, None].expand_as(level)
    torch.testing.assert_close(level[sounding], wanted[sounding], atol=1e-3, rtol=1e-3)


def test_the_distance_is_nothing_for_the_same_and_grows_with_a_lost_octave(known):
    recorded = known.draw(np.random.default_rng(0), 3, 16, 0).recorded
    loudest = torch.ones(3)
    same = spectral_loss(recorded, recorded, loudest)
    assert max(float(same.level), float(same.plain), float(same.notes)) < 1e-5
    spectra = torch.fft.rfft(recorded)
    spectra[..., spectra.shape[-1] // 2 :] = 0
    duller = spectral_loss(torch.fft.irfft(spectra, recorded.shape[-1]), recorded, loudest)
    assert duller.level > 0.1
    assert duller.notes < 0.01


def test_the_distance_in_db_agrees_with_the_evaluation(known):
    recorded = known.whole(0).recorded[0]
    played = recorded + 0.003 * torch.randn_like(recorded, generator=None)

    def stereo(mid_side):
        mid, side = mid_side.numpy()
        return np.stack([mid + side, mid - side])

    wanted = log_mel_distance(stereo(recorded), stereo(played), RATE)
    mid_db, side_db = log_mel_db(played, recorded)
    assert mid_db == pytest.approx(wanted.mid_db, rel=0.05)
    assert side_db == pytest.approx(wanted.side_db, rel=0.05)


def test_discriminators_learn_to_tell_noise_from_tones():
    torch.manual_seed(0)
    judges = Discriminators((512,), dim=8)
    time = torch.arange(8_192) / RATE
    tones = torch.sin(2 * torch.pi * 440 * time).expand(2, 2, -1) * 0.1
    noise = 0.1 * torch.randn(2, 2, 8_192)
    optimiser = torch.optim.Adam(judges.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = discriminator_loss(judges(tones), judges(noise))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_training_brings_clips_nearer_to_their_recordings(data, tmp_path, monkeypatch):
    """Discriminators join in, clips that are held out are measured, the checkpoint loads."""
    # Half a second goes by whenever the time is asked for.
    seconds = iter(np.arange(0, 1_000, 0.5))
    monkeypatch.setattr("banso.train.renderer.time.monotonic", lambda: float(next(seconds)))
    training = RendererTraining(
        seconds=16, batch_size=1, crop_frames=8, learning_rate=2e-2, adversarial_from=0.75,
        judge_dim=4, log_seconds=2,
    )  # fmt: skip
    path = fit_renderer(
        Transparent(), data, tmp_path, config=TINY, training=training, device="cpu", workers=1
    )
    log = (tmp_path / "renderer.log").read_text()
    sides = [float(found) for found in re.findall(r"on mid .*side ([0-9.]+) dB", log)]
    assert len(sides) == 3
    assert sides[1] < 0.95 * sides[0]
    assert "judges" in log
    network = load_renderer(path)
    assert network.config == TINY
    assert network.project.weight.abs().max() > 0
    assert path.stat().st_size < 2 * (tmp_path / "renderer-plain.ckpt").stat().st_size
    assert load_renderer(tmp_path / "renderer-plain.ckpt").config == TINY
    again = dataclasses.replace(training, seconds=4)
    fit_renderer(
        Transparent(), data, tmp_path / "again", config=TINY, training=again, start_from=path,
        device="cpu", workers=1,
    )  # fmt: skip
    first = re.findall(r"on mid .*side ([0-9.]+) dB", (tmp_path / "again/renderer.log").read_text())
    assert float(first[0]) == pytest.approx(sides[-1], abs=0.002)
    with pytest.raises(ConfigError, match="other settings"):
        fit_renderer(Transparent(), data, tmp_path, start_from=path)


def test_a_folder_without_clips_is_an_error(tmp_path):
    with pytest.raises(DataError, match="holds no clips"):
        clips.find_clips(tmp_path)
    with pytest.raises(ConfigError, match="no checkpoint"):
        load_renderer(tmp_path / "renderer.ckpt")


def test_clips_at_48_khz_are_brought_to_the_codec_rate(tmp_path):
    time = np.arange(48_000) / 48_000
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1_000 * time), 48_000)
    samples = clips.read_clip(tmp_path / "a.wav")
    assert samples.shape == (2, 21 * p.HOP_LENGTH)
    wanted = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(samples.shape[1]) / RATE)
    assert np.abs(samples[0] - wanted)[500:-500].max() < 5e-3
