"""Train the codec's renderer against recordings, within a budget of seconds, on CPU or CUDA.

Everything that does not change lies on the device from the beginning: the recordings and the
layers of their synthesis after the codec's round trip. First the spectra are fitted, then
discriminators join in. What is written are averaged weights.

References:
    Kong et al. 2020, arXiv:2010.05646 (losses beside the adversarial one). Defossez et al. 2022,
    arXiv:2210.13438, section 3.4 (losses balanced by their slopes at the waveform).
"""

import copy
import logging
import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from banso.config import RendererConfig, from_record, to_dict
from banso.errors import ConfigError
from banso.model.codec import CodecVAE
from banso.model.discriminator import (
    Discriminators,
    deception_loss,
    discriminator_loss,
    feature_distance,
)
from banso.model.renderer import RendererNetwork, RendererPlayer
from banso.train.renderer_crops import ClipSet, Crops, prepare_clips, varied
from banso.train.renderer_loss import log_mel_db, note_distance, spectral_loss

logger = logging.getLogger(__name__)
_ROOM_BYTES = 4 * 2**30  # an hour of clips needs 2.7 GB
_HEAD_START = 0.05  # share of the time that discriminators learn before they are listened to
_GROWING = 0.1
_FEATURE_WEIGHT = 2.0  # beside deception; Kong et al. 2020, equation 7


@dataclass(frozen=True, kw_only=True, slots=True)
class RendererTraining:
    """How long and how a renderer is trained.

    Attributes:
        seconds: From reading the clips to the last step.
        batch_size: Crops in a step.
        crop_frames: Codec frames of a crop, 46 ms each.
        learning_rate: Its peak; it falls to nothing by a cosine over the time.
        adversarial_from: Share of the time after which discriminators count; they begin to learn
            a little before.
        adversarial_pull: How hard discriminators pull at the waveform, relative to the spectral
            terms; it grows to this over the first tenth of the time.
        plain_weight: Of `SpectralLoss.plain`, besides the level's weight of 1.
        notes_weight: Of `SpectralLoss.notes`.
        judge_dim: Channels of the discriminators' layers.
        ema_decay: Of the averaged weights.
        seed: Of weights and crops.
        log_seconds: From one line of losses to the next.
    """

    seconds: float = 170.0
    batch_size: int = 24
    crop_frames: int = 32
    learning_rate: float = 8e-4
    adversarial_from: float = 0.4
    adversarial_pull: float = 0.5
    plain_weight: float = 0.5
    notes_weight: float = 5.0
    judge_dim: int = 32
    ema_decay: float = 0.998
    seed: int = 0
    log_seconds: float = 3.0


def fit_renderer(
    codec: CodecVAE,
    data: Path,
    out: Path,
    *,
    config: RendererConfig | None = None,
    training: RendererTraining | None = None,
    limit: int | None = None,
    start_from: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
) -> Path:
    """Train a renderer for a codec.

    Args:
        codec: Trained, on the CPU.
        data: Folder of clips; those whose names begin with `held-` are only measured on.
        out: Folder; gets `renderer.ckpt`, `renderer-plain.ckpt` as it was before discriminators
            joined in, and `renderer.log`.
        config: Of the network.
        training: How.
        limit: At most so many clips.
        start_from: Checkpoint whose weights are taken over; its settings must be `config`.
        device: Such as `cuda`; by default that if there is one.
        workers: Processes that prepare clips; None for one per core.

    Returns:
        Path of the checkpoint; `load_renderer` reads it.

    Raises:
        DataError: If there are no clips, or none is long enough.
        ConfigError: If there is no checkpoint to start from, or it has other settings.
    """
    training = training or RendererTraining()
    torch.manual_seed(training.seed)
    config = config or RendererConfig()
    network = RendererNetwork(config) if start_from is None else load_renderer(start_from)
    if network.config != config:
        raise ConfigError(f"{start_from} has other settings: {network.config}")
    out.mkdir(parents=True, exist_ok=True)
    torch.backends.cudnn.benchmark = True
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    began = time.monotonic()
    with TemporaryDirectory(dir=_fast_folder()) as folder:
        jobs = prepare_clips(data, codec, Path(folder), place, limit=limit, workers=workers)
        held = [job for job in jobs if job.is_held]
        known = ClipSet([job for job in jobs if job not in held], place)
        measured = ClipSet(held, place) if held else known
    trainer = _Trainer(network.train(), training, out, place)
    trainer.say(f"prepared in {time.monotonic() - began:.1f} s: {known.num_frames} frames")
    trainer.fit(known, measured, until=began + training.seconds)
    return trainer.save("renderer.ckpt")


def load_renderer(path: Path) -> RendererNetwork:
    """Load the renderer of a checkpoint, ready to be used.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    content = _read(path)
    network = RendererNetwork(from_record(RendererConfig, content["config"]))
    network.load_state_dict({name: value.float() for name, value in content["state_dict"].items()})
    return network.eval()


def read_training(path: Path) -> dict[str, Any]:
    """Return how the renderer of a checkpoint was trained.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    return dict(_read(path)["training"])


def _read(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigError(f"there is no checkpoint {path}")
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _fast_folder() -> str | None:
    """A folder in memory, where the system has one."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return str(memory) if roomy else None


class _Trainer:
    """The state of one training run."""

    def __init__(
        self, network: RendererNetwork, training: RendererTraining, out: Path, device: torch.device
    ) -> None:
        self._training, self._out, self._device = training, out, device
        self._player = RendererPlayer(network).to(device)
        self._average = copy.deepcopy(self._player).requires_grad_(False)
        self._judges = Discriminators(dim=training.judge_dim).to(device)
        self._optimiser, self._judges_optimiser = (
            torch.optim.AdamW(
                module.parameters(), training.learning_rate, betas=(0.8, 0.99), weight_decay=0.01
            )
            for module in (self._player, self._judges)
        )
        self._steps = 0

    @property
    def _network(self) -> RendererNetwork:
        return self._player.network

    def say(self, text: str) -> None:
        """Add a line to the log."""
        logger.info(text)
        with (self._out / "renderer.log").open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def save(self, name: str) -> Path:
        """Write the averaged weights as float16, and the settings."""
        state = self._average.network.state_dict()
        content = {
            "state_dict": {key: value.half().cpu() for key, value in state.items()},
            "config": to_dict(self._network.config),
            "training": asdict(self._training) | {"steps": self._steps},
        }
        path = self._out / name
        torch.save(content, path)
        return path

    def fit(self, known: ClipSet, measured: ClipSet, *, until: float) -> None:
        """Train on clips until the time is spent, and measure before, between and after."""
        rng = np.random.default_rng(self._training.seed)
        joins = self._training.adversarial_from
        self._report(measured)
        began = said = time.monotonic()
        joined = False
        for share in _shares(began, until):
            for optimiser in (self._optimiser, self._judges_optimiser):
                _set_rate(optimiser, self._training.learning_rate * _rate(share))
            if share >= joins and not joined:
                joined = True
                self.save("renderer-plain.ckpt")
                self._report(measured)
            crops = self._drawn(known, rng)
            losses = self._step(crops, share)
            if time.monotonic() - said >= self._training.log_seconds:
                said = time.monotonic()
                values = " ".join(
                    f"{name} {float(value.detach()):.4f}" for name, value in losses.items()
                )
                self.say(f"{said - began:6.1f} s step {self._steps} {values}")
        self._report(measured)

    def _drawn(self, known: ClipSet, rng: np.random.Generator) -> Crops:
        training, context = self._training, self._network.config.context_frames
        crops = known.draw(rng, training.batch_size, training.crop_frames, context)
        return varied(crops, rng)

    def _step(self, crops: Crops, share: float) -> dict[str, Tensor]:
        training = self._training
        with self._half():
            played = self._player(crops.parameters, crops.layers)
        losses: dict[str, Tensor] = {}
        if share >= training.adversarial_from - _HEAD_START:
            losses["judges"] = self._judge(crops.recorded, played.detach())
        spectral = spectral_loss(played, crops.recorded, crops.loudest)
        losses |= {"level": spectral.level, "plain": spectral.plain, "notes": spectral.notes}
        total = spectral.level + training.plain_weight * spectral.plain
        total = total + training.notes_weight * spectral.notes
        slope = torch.autograd.grad(total, played)[0]
        if share >= training.adversarial_from:
            grown = min(1.0, (share - training.adversarial_from) / _GROWING)
            losses |= self._judged(crops.recorded, played)
            deceived = losses["deception"] + _FEATURE_WEIGHT * losses["features"]
            other = torch.autograd.grad(deceived, played)[0]
            pull = training.adversarial_pull * grown * slope.norm() / other.norm().clamp(min=1e-12)
            slope = slope + pull * other
        self._descend(self._optimiser, self._player, played, slope)
        self._steps += 1
        self._update_average()
        return losses

    def _judged(self, recorded: Tensor, played: Tensor) -> dict[str, Tensor]:
        """What discriminators, which do not learn here, have to say."""
        self._judges.requires_grad_(False)
        with self._half():
            real, other = self._judges(recorded), self._judges(played)
        self._judges.requires_grad_(True)
        return {"deception": deception_loss(other), "features": feature_distance(real, other)}

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self._training.ema_decay, (1 + self._steps) / (10 + self._steps))
        pairs = zip(self._average.parameters(), self._player.parameters(), strict=True)
        for average, value in pairs:
            average.lerp_(value, 1 - decay)

    def _judge(self, recorded: Tensor, played: Tensor) -> Tensor:
        with self._half():
            loss = discriminator_loss(self._judges(recorded), self._judges(played))
        self._descend(self._judges_optimiser, self._judges, loss, None)
        return loss.detach()

    @staticmethod
    def _descend(
        optimiser: torch.optim.Optimizer, module: nn.Module, value: Tensor, slope: Tensor | None
    ) -> None:
        """Take a step by the slope of the loss at a value, or down the value itself."""
        optimiser.zero_grad(set_to_none=True)
        value.backward(slope)
        size = nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        # One bad crop must not spoil all weights.
        if math.isfinite(float(size)):
            optimiser.step()

    def _half(self) -> torch.autocast:
        on_cuda = self._device.type == "cuda"
        return torch.autocast(self._device.type, torch.bfloat16, enabled=on_cuda)

    @torch.no_grad()
    def _report(self, measured: ClipSet) -> None:
        """Log how far whole clips are from their recordings, without and with the renderer."""
        off: list[tuple[float, ...]] = []
        on: list[tuple[float, ...]] = []
        for index in range(len(measured.names)):
            crops = measured.whole(index)
            for parameters, scores in ((None, off), (crops.parameters, on)):
                played = self._average(parameters, crops.layers)
                notes = note_distance(played[:, 0], crops.recorded[:, 0])
                levels = log_mel_db(played[0], crops.recorded[0])
                scores.append((*levels, 1 - float(notes)))
        words = [
            f"mid {m:.3f} dB side {s:.3f} dB notes {n:.4f}"
            for m, s, n in (np.mean(scores, axis=0) for scores in (off, on))
        ]
        self.say(f"whole clips, step {self._steps}: off {words[0]}; on {words[1]}")


def _shares(began: float, until: float) -> Iterator[float]:
    """Share of the time that is spent, until all is."""
    while (share := (time.monotonic() - began) / max(until - began, 1e-3)) < 1:
        yield share


def _rate(share: float) -> float:
    """Learning rate over its peak: a short rise, then half a cosine."""
    return min(1.0, 0.02 + share / 0.03) * (0.5 + 0.5 * math.cos(math.pi * share))


def _set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
