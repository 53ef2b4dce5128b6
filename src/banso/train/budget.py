"""A training run as long as its time budget: learning rate, checkpoints and stop by the clock."""

import logging
import time
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from banso.config import TrainConfig

logger = logging.getLogger(__name__)

LAST = "last.ckpt"


class TimeBudget(Callback):
    """Stops after a number of minutes of training, summed over resumed runs.

    The learning rate warms up over some steps, stays, and falls linearly to zero over the last
    part of the time, so that a run on any machine ends annealed (Hägele et al. 2024,
    arXiv:2405.18392, section 3).

    Args:
        config: Minutes, rates and how often to save.
        folder: Where checkpoints go; `last.ckpt` is replaced in place.
    """

    _FALL_SHARE = 0.4

    def __init__(self, config: TrainConfig, folder: Path) -> None:
        self._config, self._folder = config, folder
        self._spent_seconds = 0.0
        self._last_tick: float | None = None
        self._last_save = 0.0

    @property
    def progress(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, self._spent_seconds / (60 * self._config.minutes))

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rate."""
        warm = min(1.0, (trainer.global_step + 1) / self._config.warmup_steps)
        fall = min(1.0, (1 - self.progress) / self._FALL_SHARE)
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self._config.learning_rate * warm * fall
        if self._last_tick is None:
            self._last_tick = time.monotonic()

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count the time, save now and then, stop at the end."""
        now = time.monotonic()
        self._spent_seconds += now - (self._last_tick or now)
        self._last_tick = now
        due = self._last_save + 60 * self._config.checkpoint_minutes
        if self.progress >= 1 or trainer.global_step >= self._config.max_steps:
            trainer.should_stop = True
        elif self._spent_seconds > due:
            self._last_save = self._spent_seconds
            trainer.save_checkpoint(self._folder / LAST)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Do not count validation as training."""
        self._last_tick = None

    def state_dict(self) -> dict[str, Any]:
        """Time spent, for resuming."""
        return {"spent_seconds": self._spent_seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting where the checkpoint stopped."""
        self._spent_seconds = float(state_dict["spent_seconds"])
        self._last_save = self._spent_seconds


class ValidationLog(Callback):
    """Says in one line what each validation found."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log all that was measured last, in training and validation."""
        found = {name: float(value) for name, value in trainer.callback_metrics.items()}
        text = ", ".join(f"{name} {value:.4f}" for name, value in sorted(found.items()))
        logger.info("step %d: %s", trainer.global_step, text)
