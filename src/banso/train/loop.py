"""Train the codec or the denoiser from cached data to a checkpoint; the same on CPU and CUDA."""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EMAWeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader, Dataset

from banso.bundle import load_bundle
from banso.config import Experiment, TrainConfig, from_record
from banso.data.cache import Example, load_cache
from banso.data.dataset import CropDataset
from banso.errors import ConfigError, DataError
from banso.model.codec import Block, CodecVAE
from banso.model.denoiser import AlignedBlock, DenoiserNetwork, EncoderBlock
from banso.model.envelope import EnvelopeNetwork
from banso.train.budget import LAST, TimeBudget, ValidationLog
from banso.train.bundle_weights import read_weights
from banso.train.listening import Listening
from banso.train.module import Batch, CodecModule, DenoiserModule

logger = logging.getLogger(__name__)
ModelT = TypeVar("ModelT", bound=torch.nn.Module)
ConfigT = TypeVar("ConfigT")

_VALIDATION_CROPS = 64
_COMPONENT_FRAMES = 60_000


def fit_codec(experiment: Experiment, *, resume: bool = False) -> Path:
    """Train the learned half of the codec.

    Args:
        experiment: Settings; `train.data` holds cached items, `train.run` takes the results.
        resume: Whether to go on from the run's last checkpoint.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights.

    Raises:
        DataError: If there is no data. ConfigError: If there is nothing to resume, or the codec is
            to stay as it is and there is none.
    """
    config = experiment.train
    if config.freeze_codec and (not config.start_from or Path(config.start_from).is_dir()):
        # A bundle does not say how far its codec's latents spread, which training draws from.
        raise ConfigError("train.freeze_codec needs a codec's checkpoint in train.start_from")
    module = CodecModule(experiment)
    examples = load_examples(config)
    if not resume and not config.start_from:
        held = module.model.start_from_components(_frames(examples[0], config.seed))
        logger.info("principal components hold %.1f %% of the variance", 100 * held)
    path = _fit(module, config, examples, resume)
    if not config.freeze_encoder and not config.freeze_codec:
        frames = _frames(examples[0], config.seed).unflatten(0, (-1, 100))
        # Compiling for this once would take longer than it does.
        with torch.compiler.set_stance("force_eager"):
            before = module.model.latent_scale.clone()
            module.model.set_latent_scale(frames)
            module.envelope.rescale(before / module.model.latent_scale)
        save_weights(module, path)
    return path


def fit_denoiser(experiment: Experiment, codec: Path, *, resume: bool = False) -> Path:
    """Train the denoiser on latents of a trained codec.

    Args:
        experiment: Settings; `train.data` holds cached items, `train.run` takes the results.
        codec: Checkpoint of `fit_codec`.
        resume: Whether to go on from the run's last checkpoint.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights.

    Raises:
        DataError: If there is no data. ConfigError: If there is nothing to resume.
    """
    trained = load_codec(codec)
    module = DenoiserModule(experiment, trained)
    examples = load_examples(experiment.train)
    listening = Listening(trained, examples[1][0], experiment.sampler)
    return _fit(module, experiment.train, examples, resume, [listening])


def load_codec(path: Path) -> CodecVAE:
    """Load the codec of a checkpoint, averaged weights, or of a bundle's folder."""
    if path.is_dir():
        return _from_bundle(CodecVAE, load_bundle(path).manifest.codec, path)
    state, experiment = load_checkpoint(path)
    return _filled(CodecVAE(experiment.codec), state)


def load_denoiser(path: Path) -> DenoiserNetwork:
    """Load the denoiser of a checkpoint, averaged weights, or of a bundle's folder."""
    if path.is_dir():
        return _from_bundle(DenoiserNetwork, load_bundle(path).manifest.denoiser, path)
    state, experiment = load_checkpoint(path)
    return _filled(DenoiserNetwork(experiment.denoiser), state)


def load_envelope(path: Path) -> EnvelopeNetwork:
    """Load what hears the envelope in a codec's latents from the codec's checkpoint.

    Raises:
        ConfigError: If there is no such checkpoint, or its codec was trained without.
    """
    content = _content(path)
    experiment = from_record(Experiment, content["hyper_parameters"]["experiment"])
    state = _part(content["state_dict"], "envelope.")
    if not state:
        raise ConfigError(f"{path} holds no envelope network; train the codec anew")
    network = EnvelopeNetwork(experiment.envelope, experiment.codec.num_channels)
    return _filled(network, state)


def load_settings(path: Path) -> Experiment:
    """Return the settings that a checkpoint was trained with."""
    return load_checkpoint(path)[1]


def save_weights(module: L.LightningModule, path: Path) -> None:
    """Write a checkpoint with weights and settings only."""
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    torch.save(content, path)


def take_over(model: torch.nn.Module, path: Path) -> list[str]:
    """Begin with the weights of a checkpoint, even if the network has grown since.

    Inputs that were added at the end of a layer's inputs start with weights of zero, so that the
    network does at first what it did before; layers that are new stay as they are.

    Args:
        model: To be filled.
        path: Checkpoint of the same kind of network, or folder of a bundle.

    Returns:
        Names of the parameters that were not in the checkpoint.

    Raises:
        ConfigError: If there is no such checkpoint, or none of its weights fits.
        BundleError: If the folder holds no intact bundle.
    """
    state = read_weights(load_bundle(path), model) if path.is_dir() else load_checkpoint(path)[0]
    own = model.state_dict()
    fresh = []
    for name, value in own.items():
        old = state.get(name)
        grown = old is not None and old.ndim == value.ndim == 2 and old.shape[0] == value.shape[0]
        if old is not None and old.shape == value.shape:
            own[name] = old
        elif old is not None and grown and old.shape[1] < value.shape[1]:
            own[name] = torch.nn.functional.pad(old, (0, value.shape[1] - old.shape[1]))
        else:
            fresh.append(name)
    if len(fresh) == len(own):
        raise ConfigError(f"no weight of {path} fits this network; check train.start_from")
    model.load_state_dict(own)
    logger.info("%d of %d weights taken from %s", len(own) - len(fresh), len(own), path)
    return fresh


def _take_over_envelope(network: EnvelopeNetwork, path: Path) -> None:
    """Begin with the envelope network beside a codec, if there is one of the same settings."""
    if path.is_dir():
        return
    state = _part(_content(path)["state_dict"], "envelope.")
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    if shapes == {name: value.shape for name, value in state.items()}:
        network.load_state_dict(state)
        logger.info("the envelope network is taken from %s", path)


def load_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], Experiment]:
    """Return the weights of a checkpoint's network, and the settings it was trained with.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    content = _content(path)
    experiment = from_record(Experiment, content["hyper_parameters"]["experiment"])
    return _part(content["state_dict"], "model."), experiment


def _content(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ConfigError(f"there is no checkpoint {path}")
    return dict(torch.load(path, map_location="cpu", weights_only=True))


def _part(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """What belongs to one network of a checkpoint."""
    return {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}


def _from_bundle(
    network: Callable[[ConfigT], ModelT], config: ConfigT | None, folder: Path
) -> ModelT:
    """Fill a network from a bundle's graphs; return it ready to be used."""
    if config is None:
        raise ConfigError(f"the bundle {folder} lacks a codec or denoiser of ours")
    model = network(config)
    take_over(model, folder)
    return model.eval()


def _filled(model: ModelT, state: dict[str, torch.Tensor]) -> ModelT:
    """Put weights into a network; return it ready to be used."""
    model.load_state_dict(state)
    return model.eval()


def _fit(
    module: CodecModule | DenoiserModule,
    config: TrainConfig,
    examples: tuple[list[Example], list[Example]],
    resume: bool,
    callbacks: Sequence[Callback] = (),
) -> Path:
    if config.start_from and not resume:
        take_over(module.model, Path(config.start_from))
        if isinstance(module, CodecModule):
            _take_over_envelope(module.envelope, Path(config.start_from))
    training, held_out = crops_of(examples[0], examples[1], config)
    if config.compile and training_device().type == "cuda":
        compile_blocks(module)
    return fit_module(module, config, training, held_out, resume=resume, callbacks=callbacks)


def compile_blocks(module: torch.nn.Module) -> None:
    """Let the compiler fuse the blocks of networks; those that it cannot stay as they are."""
    torch._dynamo.config.suppress_errors = True
    for part in module.modules():
        if isinstance(part, Block | AlignedBlock | EncoderBlock):
            part.compile(dynamic=False)


def crops_of(
    training: Sequence[Example], validation: Sequence[Example], config: TrainConfig
) -> tuple[CropDataset, CropDataset]:
    """Return batches to learn from and batches to measure on, made where training computes."""
    measured = -(-_VALIDATION_CROPS // config.batch_size)
    return (
        CropDataset(training, config, config.max_steps, augment=True, device=training_device()),
        CropDataset(validation, config, measured, augment=False, device=training_device()),
    )


def fit_module(
    module: L.LightningModule,
    config: TrainConfig,
    training: Dataset[Batch],
    validation: Dataset[Batch],
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train any module until its time is spent.

    Args:
        module: What to train, and how.
        config: Time, batches, seed, and the run's folder.
        training: Batches to learn from.
        validation: Batches to measure on.
        resume: Whether to go on from the run's last checkpoint.
        callbacks: Of Lightning, besides time and averaging.

    Returns:
        Path of the final checkpoint; its `state_dict` holds averaged weights.

    Raises:
        ConfigError: If there is nothing to resume.
    """
    L.seed_everything(config.seed, verbose=False)
    torch.set_float32_matmul_precision("high")
    folder = Path(config.run)
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / LAST
    if resume and not last.exists():
        raise ConfigError(f"there is nothing to resume in {folder}")
    trainer = L.Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        max_epochs=-1,
        callbacks=[
            # Without a device it would average in main memory, at the cost of a step.
            EMAWeightAveraging(device=training_device(), decay=config.ema_decay),
            TimeBudget(config, folder),
            ValidationLog(),
            *callbacks,
        ],
        logger=TensorBoardLogger(str(folder), name="", version=""),
        log_every_n_steps=config.log_steps,
        val_check_interval=config.validation_steps,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
    )
    loaders = _loader(training), _loader(validation)
    trainer.fit(module, *loaders, ckpt_path=str(last) if resume else None)
    final = folder / "final.ckpt"
    save_weights(module, final)
    return final


def load_examples(config: TrainConfig) -> tuple[list[Example], list[Example]]:
    """Songs to train on and songs to validate on; songs of the test split are neither."""
    every = list(load_cache(Path(config.data)))
    train = [e for e in every if e.split == "train"]
    validation = [e for e in every if e.split == "validation"]
    if not train:
        held_out = ", ".join(sorted({e.split for e in every}))
        raise DataError(
            f"{config.data} holds no songs to train on, only {len(every)} of the split {held_out}; "
            "prepare more songs, or others"
        )
    if not validation:
        logger.warning("no songs to validate on: losses are of the songs that are trained on")
    return train, validation or train


def training_device() -> torch.device:
    """Where a trainer that chooses for itself computes."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _loader(batches: Dataset[Batch]) -> DataLoader[Batch]:
    return DataLoader(batches, batch_size=None)


def _frames(examples: Sequence[Example], seed: int) -> torch.Tensor:
    """A sample of parameter frames [_COMPONENT_FRAMES, 448] from all songs."""
    rng = np.random.default_rng(seed)
    every = [e.parameters[rng.integers(len(e.parameters), size=100)] for e in examples]
    picked = [every[i % len(every)] for i in range(max(len(every), 1))]
    rows = np.concatenate(picked)[:_COMPONENT_FRAMES].astype(np.float32)
    return torch.from_numpy(rows)
