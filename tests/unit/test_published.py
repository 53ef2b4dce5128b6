"""The published network: size, cost, alignment, and a sampler that a perfect v drives home."""

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("librosa", reason="needs the eval extra")

import torch
from torch.utils.flop_counter import FlopCounterMode

from banso.eval.published import sample_published, time_published
from banso.model import published

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return published.PublishedNetwork().eval()


def test_size_and_cost_are_the_published_ones_within_one_percent(network):
    num_parameters = sum(p.numel() for p in network.parameters())
    assert num_parameters == 15_710_144
    assert num_parameters == pytest.approx(15_571_904, rel=0.01)
    latents = torch.zeros(1, published.NUM_FRAMES, published.NUM_CHANNELS)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(latents, torch.tensor([400]), latents)
    assert counter.get_total_flops() / 2 == pytest.approx(2.75e9, rel=0.01)


@torch.no_grad()
def test_both_inputs_and_the_step_matter(network):
    noisy, vocals = torch.randn(2, 1, 64, 64)
    out = network(noisy, torch.tensor([10]), vocals)
    assert out.shape == noisy.shape
    for changed in (
        network(noisy + 1, torch.tensor([10]), vocals),
        network(noisy, torch.tensor([700]), vocals),
        network(noisy, torch.tensor([10]), vocals.flip(1)),
    ):
        assert (changed - out).abs().max() > 1e-3


@torch.no_grad()
def test_local_attention_reaches_eight_back_and_seven_ahead():
    torch.manual_seed(0)
    attention = published.SoftAlignment(32, 4)
    x, context = torch.randn(2, 1, 64, 32)
    changed = context.clone()
    changed[:, 30] += 1
    difference = attention(x, changed, torch.zeros(1)) - attention(x, context, torch.zeros(1))
    moved = difference.abs().amax(dim=(0, 2)) > 1e-6
    assert moved.nonzero().ravel().tolist() == list(range(23, 39))


@torch.no_grad()
def test_global_attention_reaches_everything():
    torch.manual_seed(0)
    attention = published.SoftAlignment(32, 4)
    x, context = torch.randn(2, 1, 64, 32)
    changed = context.clone()
    changed[:, 30] += 1
    difference = attention(x, changed, torch.ones(1)) - attention(x, context, torch.ones(1))
    assert (difference.abs().amax(dim=(0, 2)) > 1e-6).all()


def test_cosine_schedule_runs_from_clean_to_noise():
    alphas = published.cosine_alphas()
    assert len(alphas) == 800
    assert (alphas.diff() < 0).all()
    assert alphas[0] > 0.9999
    assert alphas[-1] < 1e-4
    # Nichol & Dhariwal 2021, eq. 17, at the middle of the schedule.
    assert alphas[399].item() == pytest.approx(0.4938, abs=1e-3)


def test_a_perfect_v_recovers_the_clean_latents_with_two_evaluations_per_step():
    clean, noise = torch.randn(2, 1, 16, 64)
    alphas = published.cosine_alphas().float()
    calls = []

    def perfect(noisy, step, vocals):
        calls.append(int(step[0]))
        alpha = alphas[step[0]]
        return (alpha.sqrt() * noisy - clean) / (1 - alpha).sqrt()

    out = sample_published(perfect, torch.ones(1, 16, 64), noise, num_steps=50)
    torch.testing.assert_close(out, clean, atol=1e-3, rtol=0)
    assert len(calls) == 100
    assert calls[0] == 799
    assert calls[-1] == 0


def test_guidance_pushes_away_from_the_branch_without_voice():
    seen = []

    def predict(noisy, step, vocals):
        seen.append(float(vocals.abs().max()))
        return torch.full_like(noisy, float(vocals.max()))

    noise = torch.zeros(1, 8, 64)
    once = sample_published(predict, torch.ones(1, 8, 64), noise, num_steps=1)
    alpha = published.cosine_alphas().float()[-1]
    torch.testing.assert_close(once, -(1 - alpha).sqrt() * 3.0 * torch.ones_like(noise))
    assert seen == [1.0, 0.0]


def test_time_is_extrapolated_to_all_evaluations():
    measured = time_published(num_repeats=1)
    assert measured.total_seconds == pytest.approx(1600 * measured.evaluation_seconds)
    assert measured.evaluation_seconds > 0.001
