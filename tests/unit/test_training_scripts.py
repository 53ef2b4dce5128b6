import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import move_latents  # noqa: E402
import train_unattended  # noqa: E402

from banso.conditioning import KNOWN, NUM_CONDITIONS, OTHERS  # noqa: E402
from banso.config import Experiment  # noqa: E402
from banso.train.loop import load_codec  # noqa: E402
from tiny_networks import CODEC, tiny_networks  # noqa: E402

pytestmark = pytest.mark.lab


def turned(conditioning, rotation):
    moved = conditioning.clone()
    for group in (KNOWN, OTHERS):
        latents = slice(group.start + 1, group.stop)
        moved[..., latents] = conditioning[..., latents] @ rotation
    return moved


@torch.no_grad()
def test_a_moved_denoiser_does_in_turned_latents_what_it_did_before():
    torch.manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(64, 64)).Q
    conditioning = torch.rand(1, 32, NUM_CONDITIONS)
    conditioning[..., KNOWN.start] = 0
    noisy, sigma = torch.randn(1, 32, 64), torch.tensor([0.7])
    network = tiny_networks()[0]
    wanted = network(noisy, sigma, conditioning) @ rotation
    move_latents.move(network, rotation)
    found = network(noisy @ rotation, sigma, turned(conditioning, rotation))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_the_rotation_is_found():
    torch.manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(64, 64)).Q
    old = torch.randn(2_000, 64) * torch.linspace(0.2, 2, 64)
    found, explained = move_latents.procrustes(old, old @ rotation + 0.05 * torch.randn(2_000, 64))
    torch.testing.assert_close(found, rotation, atol=0.05, rtol=0)
    assert explained > 0.99


def test_parts_join_to_the_weights_in_half_precision(tmp_path):
    codec, path = tiny_networks()[1], tmp_path / "codec" / "final.ckpt"
    path.parent.mkdir()
    state = {f"model.{name}": value for name, value in codec.state_dict().items()}
    move_latents.save(path, state, Experiment(codec=CODEC))
    train_unattended.split(path, part_megabytes=0.05)
    assert len(list(tmp_path.glob("codec.part*"))) > 1
    path.unlink()
    train_unattended.join(tmp_path)
    again = load_codec(tmp_path / "codec.ckpt")
    for name, value in codec.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3)
