import pytest

torch = pytest.importorskip("torch")

from banso.config import MIXINGS  # noqa: E402
from banso.errors import ConfigError  # noqa: E402
from banso.model.attention import (  # noqa: E402
    LocalAttention,
    SelfAttention,
    SoftAlignmentAttention,
    apply_rope,
    rope_angles,
)

pytestmark = pytest.mark.lab
WINDOW = 8
LOCAL_MIXINGS = [mixing for mixing in MIXINGS if mixing != "global_only"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def soft(mixing, **options):
    return SoftAlignmentAttention(8, 2, WINDOW, mixing=mixing, **options).eval()


def moved_by(module, frames, place, sigma=1.0):
    """Which output frames change when keys and values change at one frame."""
    x, keys, values = torch.randn(3, 1, frames, 8)
    other_keys, other_values = keys.clone(), values.clone()
    other_keys[:, place] += 3
    other_values[:, place] += 5
    level = torch.tensor([sigma])
    with torch.no_grad():
        change = module(x, other_keys, other_values, level) - module(x, keys, values, level)
    return set(torch.nonzero(change[0].abs().amax(-1) > 1e-6).flatten().tolist())


def window_of(place, frames):
    """Frames whose window holds `place`: i - window / 2 <= place < i + window / 2."""
    half = WINDOW // 2
    return {i for i in range(frames) if i - half <= place < i + half}


@pytest.mark.parametrize("frames", [5, 8, 16, 27, 64])
@pytest.mark.parametrize("place", [0, 3, 4, 7, 8, 11, 12, 15, 16, 26])
def test_local_attention_reaches_its_window_only(frames, place):
    # In SAMUeL's code a wrong reshape scrambles time. Block borders and lengths that are no
    # multiple of the window are where such mistakes hide.
    if place < frames:
        assert moved_by(soft("local_only"), frames, place) == window_of(place, frames)


@pytest.mark.parametrize("mixing", LOCAL_MIXINGS)
def test_the_local_part_of_every_mixing_reaches_its_window_only(mixing):
    # Where the schedule leaves nothing to the global view: sigma -> 0, or infinity in reverse.
    sigma = 1e8 if mixing == "scheduled_reverse" else 1e-8
    module = soft(mixing, fixed_global=0.0)
    for place in (0, 7, 8, 19, 26):
        assert moved_by(module, 27, place, sigma) == window_of(place, 27)


def test_the_global_view_reaches_everything():
    assert moved_by(soft("global_only"), 27, 13) == set(range(27))


def test_local_attention_is_the_plain_formula():
    q, k, v = torch.randn(3, 2, 3, 21, 4)
    distance = torch.arange(21)[None, :] - torch.arange(21)[:, None]
    near = (distance >= -WINDOW // 2) & (distance < WINDOW // 2)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, v, near)
    torch.testing.assert_close(LocalAttention(WINDOW)(q, k, v), wanted, atol=1e-5, rtol=1e-5)


def test_one_value_moves_with_its_frame():
    # Keys that all look alike: every frame gets the mean of its window, so a single one at frame i
    # shows as 1 / 8 exactly where the window holds i.
    v = torch.zeros(1, 1, 32, 1)
    v[:, :, 13] = 1
    zeros = torch.zeros(1, 1, 32, 4)
    seen = LocalAttention(WINDOW)(zeros, zeros, v)[0, 0, :, 0]
    wanted = torch.tensor([1 / 8 if i in window_of(13, 32) else 0.0 for i in range(32)])
    torch.testing.assert_close(seen, wanted)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_padded_keys_are_never_looked_at(mixing):
    module = soft(mixing)
    x, keys, values = torch.randn(3, 2, 20, 8)
    mask = torch.ones(2, 20, dtype=torch.bool)
    mask[1, 13:] = False
    other_keys, other_values = keys.clone(), values.clone()
    other_keys[1, 13:] = 1e3
    other_values[1, 13:] = -1e3
    sigma = torch.tensor([0.5, 2.0])
    one, two = (
        module(x, keys, values, sigma, mask),
        module(x, other_keys, other_values, sigma, mask),
    )
    torch.testing.assert_close(one[0], two[0])
    torch.testing.assert_close(one[1, :13], two[1, :13])
    # And a padded song gives what the short one alone gives.
    alone = module(x[1:, :13], keys[1:, :13], values[1:, :13], sigma[1:])
    torch.testing.assert_close(one[1:, :13], alone, atol=1e-5, rtol=1e-5)


def test_a_frame_that_sees_no_key_gets_nothing():
    q, k, v = torch.randn(3, 1, 1, 16, 4)
    mask = torch.zeros(1, 16, dtype=torch.bool)
    assert not LocalAttention(WINDOW)(q, k, v, mask).any()


@pytest.mark.parametrize(
    ("mixing", "at_zero", "at_one", "at_infinity"),
    [
        ("scheduled", 0, 0.5, 1),
        ("scheduled_reverse", 1, 0.5, 0),
        ("learned", 0, 0.5, 1),
        ("fixed", 0.3, 0.3, 0.3),
        ("local_only", 0, 0, 0),
        ("global_only", 1, 1, 1),
    ],
)
def test_share_of_the_global_view(mixing, at_zero, at_one, at_infinity):
    share = soft(mixing, fixed_global=0.3).share(torch.tensor([1e-6, 1.0, 1e6]))
    wanted = torch.tensor([at_zero, at_one, at_infinity]).float()
    torch.testing.assert_close(
        share.detach(), wanted[:, None].expand_as(share), atol=1e-5, rtol=1e-5
    )


def test_learned_mixing_starts_as_the_schedule():
    sigma = torch.logspace(-2, 2, 9)
    learned, scheduled = soft("learned").share(sigma), soft("scheduled").share(sigma)
    torch.testing.assert_close(learned.detach(), scheduled.expand_as(learned))


@pytest.mark.parametrize("sigma", [1e-5, 1e5])
def test_learned_mixing_can_be_trained_where_one_view_is_all(sigma):
    attention = soft("learned")
    x = torch.randn(1, 16, 8)
    with torch.enable_grad():
        for parameter in attention.parameters():
            parameter.requires_grad_()
        attention(x, x, x, torch.tensor([sigma])).square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in attention.parameters())


def test_unknown_mixing_is_a_clear_error():
    with pytest.raises(ConfigError, match="magic"):
        soft("magic").share(torch.ones(1))


def test_mixing_is_the_weighted_sum_of_both_views():
    module = soft("scheduled")
    x, keys, values = torch.randn(3, 1, 24, 8)
    views = {}
    for mixing in ("local_only", "global_only"):
        module.mixing = mixing
        views[mixing] = module(x, keys, values, torch.tensor([1.0]))
    module.mixing = "scheduled"
    for sigma in (0.2, 1.0, 4.0):
        g = sigma**2 / (1 + sigma**2)
        wanted = g**0.5 * views["global_only"] + (1 - g) ** 0.5 * views["local_only"]
        torch.testing.assert_close(module(x, keys, values, torch.tensor([sigma])), wanted)


def test_mixing_keeps_the_variance_of_uncorrelated_views():
    one, two = torch.randn(2, 100_000)
    for g in (0.0, 0.3, 0.5, 0.9, 1.0):
        assert (g**0.5 * one + (1 - g) ** 0.5 * two).var().item() == pytest.approx(1, abs=0.02)


def test_scores_with_rope_depend_on_the_distance_only():
    q, k = torch.randn(2, 1, 1, 1, 16)
    angles = rope_angles(50, 16, q.device)

    def score(i, j):
        return (apply_rope(q, angles[i : i + 1]) * apply_rope(k, angles[j : j + 1])).sum().item()

    assert score(3, 10) == pytest.approx(score(30, 37), abs=1e-4)
    assert score(10, 3) == pytest.approx(score(47, 40), abs=1e-4)
    assert score(3, 10) != pytest.approx(score(3, 11), abs=1e-4)
    turned = apply_rope(q, angles[20:21])
    assert turned.norm().item() == pytest.approx(q.norm().item(), rel=1e-5)


def test_self_attention_without_rope_knows_no_order():
    x = torch.randn(1, 12, 8)
    order = torch.randperm(12)
    plain, turning = SelfAttention(8, 2, rope=False), SelfAttention(8, 2, rope=True)
    torch.testing.assert_close(plain(x)[:, order], plain(x[:, order]))
    assert (turning(x)[:, order] - turning(x[:, order])).abs().max() > 1e-3


def test_self_attention_ignores_padding():
    module = SelfAttention(8, 2)
    x = torch.randn(1, 12, 8)
    mask = torch.arange(12)[None] < 9
    padded = x.clone()
    padded[:, 9:] = 50
    torch.testing.assert_close(module(x, mask)[:, :9], module(padded, mask)[:, :9])
    torch.testing.assert_close(module(x, mask)[:, :9], module(x[:, :9]))
