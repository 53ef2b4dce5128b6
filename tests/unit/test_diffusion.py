import pytest

torch = pytest.importorskip("torch")

from banso.model.diffusion import denoising_loss, draw_sigmas  # noqa: E402

pytestmark = pytest.mark.lab


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def test_levels_are_log_normal():
    logs = torch.cat([draw_sigmas(64, 0.5, 1.6, torch.device("cpu")).log() for _ in range(200)])
    assert logs.mean().item() == pytest.approx(0.5, abs=0.03)
    assert logs.std().item() == pytest.approx(1.6, abs=0.05)


def test_levels_of_a_batch_are_spread():
    # One in each stratum: a batch of ten has exactly one in each tenth of the distribution.
    for _ in range(20):
        normal = draw_sigmas(10, 0.0, 1.0, torch.device("cpu")).log()
        share = torch.special.ndtr(normal).sort().values
        gaps = share.diff()
        torch.testing.assert_close(gaps, torch.full((9,), 0.1), atol=2e-3, rtol=0)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_silence_of_the_network_costs_one_at_every_level(sigma):
    latents = torch.randn(4, 500, 16)
    level = torch.full((4,), sigma)

    def skip_only(noisy, levels):
        return noisy / (1 + levels[:, None, None] ** 2)

    loss = denoising_loss(skip_only, latents, level, torch.zeros(4, 500, dtype=torch.bool))
    torch.testing.assert_close(loss, torch.ones(4), atol=0.06, rtol=0)


def test_perfect_estimates_cost_nothing():
    latents = torch.randn(2, 8, 4)
    known = torch.zeros(2, 8, dtype=torch.bool)
    assert not denoising_loss(lambda *_: latents, latents, torch.ones(2), known).any()


def test_known_frames_do_not_count():
    latents = torch.randn(1, 8, 4)
    known = torch.arange(8)[None] < 4
    wrong_where_known = latents + known[..., None] * 100
    wrong_elsewhere = latents + (~known)[..., None] * 1.0
    level = torch.ones(1)
    assert denoising_loss(lambda *_: wrong_where_known, latents, level, known) == 0
    # Error 1 in every free frame, weight (1 + 1) / 1 at sigma 1.
    assert denoising_loss(
        lambda *_: wrong_elsewhere, latents, level, known
    ).item() == pytest.approx(2)
    everything = torch.ones(1, 8, dtype=torch.bool)
    assert denoising_loss(lambda *_: latents + 1, latents, level, everything) == 0
