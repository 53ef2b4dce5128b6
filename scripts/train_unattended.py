"""From encoded data to weights in one go, by time budgets: for a machine that is lent for an hour.

    python scripts/train_unattended.py --bands work/cache --codec-data work/codec-cache \
        --out runs/big --codec-minutes 10 --denoiser-minutes 17 --set train.batch_size=64
    python scripts/train_unattended.py --join runs/big

Trains the codec, then the denoiser on its latents (both from a bundle's weights with --start-from,
the denoiser's turned to the new latents), and writes averaged weights in half precision after each,
cut into parts that a slow way out can carry. What was finished is not done again, what was stopped
goes on from its last checkpoint. `--join`, on the machine where the parts arrive, makes checkpoints
of them for `banso bundle export`. `--smoke` does all of it in about a minute.
"""

import argparse
import io
import logging
from pathlib import Path

import torch

# Beside this file; scripts are no package.
from move_latents import move_file

from banso.config import Experiment, load_config
from banso.train.budget import LAST
from banso.train.loop import fit_codec, fit_denoiser

_FINAL = "final.ckpt"
_SMOKE = ("train.batch_size=2", "train.crop_frames=64", "train.validation_steps=10")
_MEGABYTE = 1_000_000


def main() -> None:
    """Read the arguments; train or join."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bands", type=Path, help="arrays of `banso prepare cache`")
    parser.add_argument("--codec-data", type=Path, help="the same and recorded stems; else --bands")
    parser.add_argument("--out", type=Path, help="folder of runs and weights")
    parser.add_argument("--start-from", type=Path, help="bundle to begin with")
    parser.add_argument("--codec-minutes", type=float, default=10.0)
    parser.add_argument("--denoiser-minutes", type=float, default=17.0)
    parser.add_argument("--part-megabytes", type=float, default=15.0)
    parser.add_argument("--set", action="append", default=[], help="setting for both networks")
    parser.add_argument("--smoke", action="store_true", help="seconds in place of minutes")
    parser.add_argument("--join", type=Path, help="instead: folder with parts")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if given.join:
        join(given.join)
    elif given.bands and given.out:
        train(given)
    else:
        parser.error("give --bands and --out, or --join")


def train(given: argparse.Namespace) -> None:
    """Train both networks; write the parts of each as soon as it is done."""
    codec = given.out / "codec"
    data = given.codec_data or given.bands
    start = str(given.start_from or "")
    settings = experiment(given, data, codec, given.codec_minutes, start)
    if not (codec / _FINAL).exists():
        fit_codec(settings, resume=(codec / LAST).exists())
    split(codec / _FINAL, given.part_megabytes)
    denoiser = given.out / "denoiser"
    if start:
        moved = given.out / "moved.ckpt"
        move_file(given.bands, given.start_from, codec / _FINAL, given.start_from, moved)
        start = str(moved)
    settings = experiment(given, given.bands, denoiser, given.denoiser_minutes, start)
    if not (denoiser / _FINAL).exists():
        fit_denoiser(settings, codec / _FINAL, resume=(denoiser / LAST).exists())
    split(denoiser / _FINAL, given.part_megabytes)


def experiment(
    given: argparse.Namespace, data: Path, run: Path, minutes: float, start_from: str
) -> Experiment:
    """Defaults, then the arguments, then --set."""
    fixed = [
        f'train.data="{data}"',
        f'train.run="{run}"',
        f'train.start_from="{start_from}"',
        f"train.minutes={minutes / 60 if given.smoke else minutes}",
        "train.checkpoint_minutes=2.0",
    ]
    return load_config(None, [*fixed, *(_SMOKE if given.smoke else ()), *given.set])


def split(checkpoint: Path, part_megabytes: float) -> None:
    """Write averaged weights in half precision beside a checkpoint, as `NAME.part00` and so on."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    content["state_dict"] = {
        name: value.half() if value.is_floating_point() and value.ndim > 1 else value
        for name, value in content["state_dict"].items()
    }
    memory = io.BytesIO()
    torch.save(content, memory)
    data, size = memory.getvalue(), int(part_megabytes * _MEGABYTE)
    for index, start in enumerate(range(0, len(data), size)):
        name = f"{checkpoint.parent.name}.part{index:02d}"
        (checkpoint.parent.parent / name).write_bytes(data[start : start + size])


def join(folder: Path) -> None:
    """Make `codec.ckpt` and `denoiser.ckpt` of the parts in a folder."""
    for kind in ("codec", "denoiser"):
        parts = sorted(folder.glob(f"{kind}.part*"))
        if not parts:
            continue
        data = b"".join(part.read_bytes() for part in parts)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        content["state_dict"] = {n: v.float() for n, v in content["state_dict"].items()}
        torch.save(content, folder / f"{kind}.ckpt")
        logging.info("%s of %d parts", folder / f"{kind}.ckpt", len(parts))


if __name__ == "__main__":
    main()
