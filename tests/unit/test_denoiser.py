import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso.conditioning import CHORDS, KNOWN, NUM_CONDITIONS, VOCAL  # noqa: E402
from banso.config import MIXINGS, DenoiserConfig, TrainConfig  # noqa: E402
from banso.data.dataset import kept_groups, known_masks  # noqa: E402
from banso.model.denoiser import DenoiserNetwork, Hourglass  # noqa: E402
from banso.schedule import preconditioning  # noqa: E402

pytestmark = pytest.mark.lab
TINY = {
    "encoder_dim": 16,
    "encoder_layers": 1,
    "full_dim": 12,
    "half_dim": 16,
    "quarter_dim": 16,
    "quarter_layers": 1,
    "num_heads": 2,
}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def network(**options):
    """A tiny network whose zero-initialised layers are woken up, as training would."""
    model = DenoiserNetwork(DenoiserConfig(**(TINY | options))).eval()
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def inputs(batch=1, frames=32):
    conditioning = torch.rand(batch, frames, NUM_CONDITIONS)
    conditioning[..., KNOWN] = 0
    return torch.randn(batch, frames, 64), torch.linspace(0.5, 3, batch), conditioning


@pytest.mark.parametrize("sigma", [0.01, 0.3, 1.0, 5.0, 40.0])
def test_a_perfect_velocity_recovers_the_clean_latents(sigma, monkeypatch):
    # Defect 1 of the published code: target and sampler disagreed in sign.
    model = network()
    clean, noise = torch.randn(2, 1, 16, 64, dtype=torch.float64)
    level = torch.tensor([sigma], dtype=torch.float64)
    scale = preconditioning(sigma)

    def ideal(self, x, sigma, encoding, mask):
        torch.testing.assert_close(x, scale.input * (clean + level * noise))
        velocity = (noise - sigma * clean) / (1 + sigma**2) ** 0.5
        return -velocity

    monkeypatch.setattr(Hourglass, "network", ideal)
    conditioning = torch.zeros(1, 16, NUM_CONDITIONS)
    denoised = model(clean + level * noise, level, conditioning)
    torch.testing.assert_close(denoised, clean, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_the_voice_changes_the_music_in_every_mixing(mixing):
    model = network(mixing=mixing)
    noisy, sigma, conditioning = inputs()
    other = conditioning.clone()
    other[..., VOCAL] = 0
    assert (model(noisy, sigma, conditioning) - model(noisy, sigma, other)).abs().mean() > 1e-3


def test_modulation_is_per_frame():
    # Defect 3: FiLM from a context averaged over time throws the alignment away. With the local
    # view only, a change of keys and values at one place must modulate its neighbourhood only.
    model = network(mixing="local_only")
    block = model.hourglass.half_in[0]
    x, keys, values = torch.randn(3, 1, 64, 16)
    level, sigma = torch.zeros(1, 1, 16), torch.ones(1)
    other = values.clone()
    other[:, 50] += 4
    change = block(x, level, keys, other, sigma, None) - block(x, level, keys, values, sigma, None)
    change = change.abs().amax(-1)[0]
    assert change[50] > 0.1
    # Window of 8 frames at half rate; the block itself mixes no frames after the alignment.
    assert change[:40].max() == 0
    assert change[60:].max() == 0
    context = block.align(x, keys, values, sigma)
    film = block.film(context)
    assert film.std(dim=1).mean() > 1e-3


def test_distant_frames_do_not_share_a_modulation():
    model = network(mixing="local_only")
    block = model.hourglass.half_in[0]
    x = torch.randn(1, 1, 16).expand(1, 64, 16).clone()
    keys = torch.zeros(1, 64, 16)
    values = torch.randn(1, 2, 16).repeat_interleave(32, dim=1)
    out = block(x, torch.zeros(1, 1, 16), keys, values, torch.ones(1), None)
    # The same latents under two contexts: equal within each half, different between them.
    torch.testing.assert_close(out[:, 10], out[:, 20])
    assert (out[:, 10] - out[:, 50]).abs().max() > 0.05


def test_known_frames_are_kept_exactly():
    model = network()
    noisy, sigma, conditioning = inputs(2)
    fixed = torch.randn(2, 32, 64)
    conditioning[:, :10, KNOWN.start] = 1
    conditioning[:, :10, KNOWN.start + 1 : KNOWN.stop] = fixed[:, :10]
    denoised = model(noisy, sigma, conditioning)
    torch.testing.assert_close(denoised[:, :10], fixed[:, :10])
    assert (denoised[:, 10:] - fixed[:, 10:]).abs().mean() > 0.1


def test_padding_changes_attention_of_no_real_frame():
    # Defect 6. Convolutions may see a few frames over the border; beyond their reach nothing may.
    model = network()
    noisy, sigma, conditioning = inputs(1, 256)
    mask = (torch.arange(256) < 128)[None]
    one = model(noisy, sigma, conditioning, mask)
    other_noisy, other_conditioning = noisy.clone(), conditioning.clone()
    other_noisy[:, 192:], other_conditioning[:, 192:] = 30, 30
    two = model(other_noisy, sigma, other_conditioning, mask)
    torch.testing.assert_close(one[:, :128], two[:, :128], atol=1e-5, rtol=1e-5)
    unmasked = model(other_noisy, sigma, other_conditioning)
    assert (unmasked[:, :64] - model(noisy, sigma, conditioning)[:, :64]).abs().max() > 1e-3


def test_songs_of_a_batch_do_not_meet():
    model = network()
    noisy, sigma, conditioning = inputs(3)
    together = model(noisy, sigma, conditioning)
    for i in range(3):
        alone = model(noisy[i : i + 1], sigma[i : i + 1], conditioning[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_an_untrained_network_outputs_the_skip_path():
    model = DenoiserNetwork(DenoiserConfig(**TINY))
    noisy, sigma, conditioning = inputs(2)
    wanted = noisy / (1 + sigma[:, None, None] ** 2)
    torch.testing.assert_close(model(noisy, sigma, conditioning), wanted)


def test_the_default_network_is_small_enough():
    assert DenoiserNetwork(DenoiserConfig()).num_parameters <= 15_600_000


def test_conditions_are_really_dropped():
    # Defect 4: in the published code the condition was never dropped, so guidance was untrained.
    draw = torch.Generator().manual_seed(0)
    config = TrainConfig(drop_all=0.2, drop_chords=0.5, drop_beats=0.3, drop_style=0.4)
    kept = kept_groups(2_000, config, draw, drop=True).numpy()
    nothing = np.mean([not k.any() for k in kept])
    assert nothing == pytest.approx(0.2, abs=0.03)
    assert np.mean([k[CHORDS].any() for k in kept]) == pytest.approx(0.8 * 0.5, abs=0.04)
    # A group goes as a whole, flag and content, or stays as a whole; the voice goes only with all.
    for k in kept:
        assert k[CHORDS].all() == k[CHORDS].any()
        assert k[VOCAL].all() == k.any()
    assert kept_groups(5, config, draw, drop=False).all()


def test_known_frames_in_training_leave_something_to_do():
    masks = known_masks(2_000, 64, 0.4, torch.Generator().manual_seed(0)).numpy()
    assert np.mean(masks.any(axis=1)) == pytest.approx(0.4, abs=0.04)
    assert not masks.all(axis=1).any()
    assert masks[masks.any(axis=1)][:, 0].all()
