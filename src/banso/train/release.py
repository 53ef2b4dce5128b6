"""From checkpoints to the bundle that is shipped: with its data, commit and settings on record."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from banso.bundle import Bundle, DataSource, Manifest
from banso.config import (
    Experiment,
    config_hash,
    from_dict,
    from_record,
    read_toml,
    with_overrides,
)
from banso.data.cache import load_styles
from banso.data.manifest import MANIFEST_FILE, load_manifest, sha256_of
from banso.errors import ConfigError
from banso.train.detail_export import add_detail
from banso.train.envelope_export import add_envelope
from banso.train.export import Parity, export_checkpoints
from banso.train.renderer_export import add_checkpoint


def release(
    codec: Path,
    denoiser: Path,
    out: Path,
    *,
    name: str,
    licence: str,
    renderer: Path | None = None,
    envelope: Path | None = None,
    detail: Path | None = None,
    data: Sequence[Path] = (),
    sources: Sequence[DataSource] = (),
    overrides: Sequence[str] = (),
) -> tuple[Bundle, Parity]:
    """Write the networks of two training runs as a bundle, and what they were made from.

    Args:
        codec: Checkpoint of `fit_codec`.
        denoiser: Checkpoint of `fit_denoiser` or `fit_distilled`; its settings name the sampler's
            defaults, and the encoded data whose styles the denoiser knows.
        out: Folder of the bundle.
        name: Of the model.
        licence: Of the weights.
        renderer: Checkpoint of `fit_renderer` for this codec; None for a codec without.
        envelope: Checkpoint of `fit_codec` that knows envelopes of this codec; None for a codec
            without.
        detail: Checkpoint of `fit_detail` above both; None for an envelope without.
        data: Data sets that it was trained on.
        sources: What else it was trained on, which their manifests do not name.
        overrides: Settings of the sampler that were chosen since, such as `sampler.num_steps=8`.

    Returns:
        The bundle, and how closely it agrees with the networks.

    Raises:
        ConfigError: If a checkpoint is missing, or what is overridden is no setting of the sampler.
        BundleError: If the graphs differ from the networks.
        DataError: If a data set has no manifest.
    """
    experiment = settings_of(denoiser)
    for override in overrides:
        if not override.startswith("sampler."):
            raise ConfigError(f"'{override}' is no setting of the sampler; the rest is trained")
    facts = Manifest(
        name=name,
        licence=licence,
        created_from=commit(),
        sampler=with_overrides(experiment, overrides).sampler,
        styles=load_styles(Path(experiment.train.data)),
        data=(*(source for folder in data for source in data_sources(folder)), *sources),
        training={
            "minutes_denoiser": experiment.train.minutes,
            "minutes_codec": settings_of(codec).train.minutes,
            "config_hash": config_hash(experiment),
            "data_manifest_sha256": {
                folder.name: sha256_of(folder / MANIFEST_FILE) for folder in data
            },
            **teacher_of(denoiser),
        },
    )
    bundle, parity = export_checkpoints(codec, denoiser, out, facts)
    if renderer is not None:
        bundle, added = add_checkpoint(bundle, renderer, out)
        parity = Parity(parity.errors | added.errors)
    if envelope is not None:
        bundle, added = add_envelope(bundle, envelope, out)
        parity = Parity(parity.errors | added.errors)
    if detail is not None:
        bundle, added = add_detail(bundle, detail, out)
        parity = Parity(parity.errors | added.errors)
    return bundle, parity


def settings_of(checkpoint: Path) -> Experiment:
    """Return the settings that a checkpoint was trained with.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    return from_record(Experiment, _recorded(checkpoint)["experiment"])


def teacher_of(checkpoint: Path) -> dict[str, Any]:
    """Return what a student's checkpoint says of its teacher, as `teacher`; else nothing.

    Raises:
        ConfigError: If there is no such checkpoint.
    """
    recorded = _recorded(checkpoint)
    return {"teacher": recorded["teacher"]} if "teacher" in recorded else {}


def data_sources(folder: Path) -> list[DataSource]:
    """Return corpora, licences and hours of the training songs in a data set."""
    items = load_manifest(folder).of_split("train")
    seconds: dict[tuple[str, str, str], float] = {}
    for item in items:
        key = (item.source, item.licence, item.attribution)
        seconds[key] = seconds.get(key, 0.0) + item.num_samples / item.sample_rate
    return [
        DataSource(
            name=source, licence=licence, hours=round(total / 3600, 2), attribution=attribution
        )
        for (source, licence, attribution), total in seconds.items()
    ]


def read_sources(path: Path) -> list[DataSource]:
    """Read what a model was trained on from a TOML file of tables `[[source]]`.

    Raises:
        ConfigError: If there is no such file, or it holds anything else.
    """
    content = read_toml(path)
    tables = content.pop("source", None)
    if content or not isinstance(tables, list):
        raise ConfigError(f"{path} must hold tables [[source]], and nothing else")
    try:
        return [from_dict(DataSource, table, "source.") for table in tables]
    except TypeError as error:
        raise ConfigError(f"{path}: every source needs name, licence and hours") from error


def commit() -> str:
    """Return the git commit of the code that runs, `unknown` outside of a checkout."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _recorded(checkpoint: Path) -> dict[str, Any]:
    if not checkpoint.exists():
        raise ConfigError(f"there is no checkpoint {checkpoint}")
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recorded: dict[str, Any] = content["hyper_parameters"]
    return recorded
