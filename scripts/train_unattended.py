"""From encoded data to weights in one go, by time budgets: for a machine that is lent for an hour.

    python scripts/pack_data.py …                     # at home; carry the folders over
    python scripts/train_unattended.py --unpack carried --bands cache --codec-data cache \
        --out runs/big codec=2 denoiser=4 distill=1.5 published=1.5
    python scripts/train_unattended.py --join runs/big                    # at home again

Trains what is named, in this order and each for so many minutes: the codec, the denoiser on its
latents, the student of the denoiser, the published network. Settings come from the files of those
names in `--configs`. Averaged weights are written in half precision after each, cut into parts that
a slow way out can carry. What was finished is not done again, what was stopped goes on from its
last checkpoint, and what fails is told and does not keep the rest from being tried. `--join`, on
the machine where the parts arrive, makes checkpoints of them for `banso bundle export`. `--smoke`
does all of it in seconds.
"""

import argparse
import io
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch

from banso.config import Experiment, load_config
from banso.data.shards import unpack_shards
from banso.train.budget import LAST
from banso.train.distill import fit_distilled
from banso.train.loop import fit_codec, fit_denoiser
from banso.train.published import fit_published

logger = logging.getLogger("unattended")

STAGES = ("codec", "denoiser", "distill", "published")
FINAL = "final.ckpt"
_SMOKE = ("train.batch_size=2", "train.crop_frames=64", "train.validation_steps=5")
_SMOKE_MINUTES = 0.05
_MEGABYTE = 1_000_000


def main() -> None:
    """Read the arguments; train or join."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stages", nargs="*", metavar="NAME=MINUTES")
    parser.add_argument("--bands", type=Path, help="arrays of `banso prepare cache`")
    parser.add_argument("--codec-data", type=Path, help="the same and recorded stems; else --bands")
    parser.add_argument("--codec", type=Path, help="codec to use if none is trained here")
    parser.add_argument("--unpack", type=Path, help="folder of packed arrays, unpacked to --bands")
    parser.add_argument("--after", type=Path, help="file to wait for, once all is unpacked")
    parser.add_argument("--out", type=Path, help="folder of runs and weights")
    parser.add_argument("--configs", type=Path, default=Path("configs"))
    parser.add_argument("--part-megabytes", type=float, default=15.0)
    parser.add_argument("--set", action="append", default=[], help="setting for all networks")
    parser.add_argument("--smoke", action="store_true", help="seconds in place of minutes")
    parser.add_argument("--join", type=Path, help="instead: folder with parts")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if torch.cuda.is_available():
        # The CPU only draws crops; many threads that wait for each other, in several processes at
        # once, made a step five times as long.
        torch.set_num_threads(1)
    if given.join:
        join(given.join)
    elif given.bands and given.out and given.stages:
        train(given)
    else:
        parser.error("give --bands, --out and stages, or --join")


def train(given: argparse.Namespace) -> None:
    """Train what is asked for; write the parts of each as soon as it is done."""
    minutes = dict(stage.split("=") for stage in given.stages)
    for name in STAGES:
        if name not in minutes:
            continue
        if name != "codec":
            unpack(given)
        start = time.monotonic()
        try:
            path = given.out / name / FINAL
            if not path.exists():
                path = fit(name, given, float(minutes[name]))
            split(path, given.part_megabytes)
        # Whatever happens to one, an hour of the machine is not to be lost for the others.
        except Exception:
            logger.exception("%s failed", name)
        logger.info("%s: %.0f s", name, time.monotonic() - start)


def unpack(given: argparse.Namespace) -> None:
    """Unpack what came along; then wait for what is made elsewhere, such as a codec."""
    if given.unpack:
        start = time.monotonic()
        count = unpack_shards(given.unpack, given.bands, os.cpu_count() or 1)
        logger.info("%d items unpacked in %.0f s", count, time.monotonic() - start)
    while given.after and not given.after.exists():
        time.sleep(0.2)


def fit(name: str, given: argparse.Namespace, minutes: float) -> Path:
    """Train one network; return its checkpoint."""
    resume = (given.out / name / LAST).exists()
    settings = experiment(name, given, minutes)
    if name == "codec":
        return fit_codec(settings, resume=resume)
    codec = given.out / "codec" / FINAL
    codec = codec if codec.exists() or not given.codec else given.codec
    if name == "distill":
        teacher = given.out / "denoiser" / FINAL
        return fit_distilled(settings, codec, teacher, resume=resume)
    train_on: Callable[..., Path] = fit_denoiser if name == "denoiser" else fit_published
    return train_on(settings, codec, resume=resume)


def experiment(name: str, given: argparse.Namespace, minutes: float) -> Experiment:
    """Settings of a stage: its file, then the arguments, then --set."""
    data = given.codec_data if name == "codec" and given.codec_data else given.bands
    fixed = [
        f'train.data="{data}"',
        f'train.run="{given.out / name}"',
        f"train.minutes={_SMOKE_MINUTES if given.smoke else minutes}",
    ]
    path = given.configs / f"{name}.toml"
    return load_config(path, [*fixed, *(_SMOKE if given.smoke else ()), *given.set])


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
    """Make `codec.ckpt`, `denoiser.ckpt` and so on of the parts in a folder."""
    for kind in STAGES:
        parts = sorted(folder.glob(f"{kind}.part*"))
        if not parts:
            continue
        data = b"".join(part.read_bytes() for part in parts)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        content["state_dict"] = {n: v.float() for n, v in content["state_dict"].items()}
        torch.save(content, folder / f"{kind}.ckpt")
        logger.info("%s of %d parts", folder / f"{kind}.ckpt", len(parts))


if __name__ == "__main__":
    main()
