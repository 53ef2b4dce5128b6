"""Move a trained denoiser to the latents of another codec, so that it need not begin anew.

Both codecs scale their latents so that a unit error is about equally audible in any channel, hence
one latent space is nearly the other one turned. The rotation that fits best on a data set (the
orthogonal Procrustes problem, Schönemann 1966) goes into the denoiser's first and last layers;
unit Gaussian noise stays unit Gaussian noise under it. Train on from there.

    python scripts/move_latents.py --data work/cache --old old-bundle --new runs/codec/final.ckpt \
        --denoiser old-bundle --out runs/moved.ckpt
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from banso.conditioning import KNOWN, OTHERS
from banso.config import Experiment, to_dict
from banso.data.cache import load_cache
from banso.model.codec import CodecVAE
from banso.model.denoiser import DenoiserNetwork
from banso.train.loop import load_codec, load_denoiser

_FRAMES_PER_SONG = 256


def main() -> None:
    """Read the arguments and write the moved denoiser."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("data", "old", "new", "denoiser", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    move_file(given.data, given.old, given.new, given.denoiser, given.out)


def move_file(data: Path, old_codec: Path, new_codec: Path, denoiser: Path, out: Path) -> None:
    """Write the denoiser of a checkpoint or bundle, moved to a new codec's latents."""
    old, new = load_codec(old_codec), load_codec(new_codec)
    rotation, shared = procrustes(*latent_pairs(data, old, new))
    print(f"share of the new latents' energy that the turned old ones explain: {shared:.3f}")
    network = load_denoiser(denoiser)
    move(network, rotation)
    state = {f"model.{name}": value for name, value in network.state_dict().items()}
    save(out, state, Experiment(codec=new.config, denoiser=network.config))


def save(path: Path, state: dict[str, torch.Tensor], settings: Experiment) -> None:
    """Write a checkpoint with weights and settings only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"state_dict": state, "hyper_parameters": {"experiment": to_dict(settings)}}
    torch.save(content, path)


@torch.no_grad()
def latent_pairs(data: Path, old: CodecVAE, new: CodecVAE) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [items, 64] of the same frames of the training songs by both codecs."""
    pairs = []
    for song in load_cache(data, "train"):
        middle = max(0, (len(song.parameters) - _FRAMES_PER_SONG) // 2)
        rows = song.parameters[middle : middle + _FRAMES_PER_SONG].astype(np.float32)
        parameters = torch.from_numpy(rows)[None]
        pairs.append((old.encode(parameters)[0], new.encode(parameters)[0]))
    return torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs])


def procrustes(old: torch.Tensor, new: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Rotation [64, 64] that turns old latents [items, 64] into new ones, and what it explains."""
    old, new = old - old.mean(0), new - new.mean(0)
    left, _, right = torch.linalg.svd(old.T @ new)
    rotation = left @ right
    error = (old @ rotation - new).square().mean()
    return rotation, 1 - float(error / new.square().mean())


@torch.no_grad()
def move(network: DenoiserNetwork, rotation: torch.Tensor) -> None:
    """Turn every place where latents go in or come out; old = new @ rotation.T."""
    hourglass = network.hourglass
    hourglass.embed.weight.copy_(hourglass.embed.weight @ rotation)
    hourglass.project.weight.copy_(rotation.T @ hourglass.project.weight)
    hourglass.project.bias.copy_(rotation.T @ hourglass.project.bias)
    weight = network.encoder.embed.weight
    for group in (KNOWN, OTHERS):
        latents = slice(group.start + 1, group.stop)
        weight[:, latents] = weight[:, latents] @ rotation


if __name__ == "__main__":
    main()
