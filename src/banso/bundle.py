"""A model on disk: a folder with `manifest.json` and ONNX files, data only, checked by SHA-256.

The manifest says everything that a program or a person must know of the model: how its latents
look, what its graphs are called and take, what it was trained on and under which licence. Nothing
in a bundle is ever executed or unpickled.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePath
from typing import Any

from banso.config import (
    CodecConfig,
    DenoiserConfig,
    DetailConfig,
    EnvelopeConfig,
    LatentFormat,
    RendererConfig,
    SamplerConfig,
    from_dict,
    to_dict,
)
from banso.errors import BundleError, ConfigError

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
# A codec's graphs exchange latents either with packed parameters or with the waveform itself.
CODEC_KINDS = ("parameters", "waveform")
_HASH_DIGITS = 12
_NETWORKS: dict[str, type] = {
    "codec": CodecConfig,
    "renderer": RendererConfig,
    "envelope": EnvelopeConfig,
    "detail": DetailConfig,
    "denoiser": DenoiserConfig,
}
# Bundles made before 0.2 name a network that planned; `banso.song_plan` does without.
_RETIRED = ("planner",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """An input or output of a graph.

    Attributes:
        name: As in the graph.
        shape: One text per axis: a number, or a name for an axis of any size.
    """

    name: str
    shape: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """What an ONNX file takes and gives.

    Attributes:
        opset: Version of the standard operators.
        inputs: In order.
        outputs: In order.
    """

    opset: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSource:
    """A corpus that the model was trained on.

    Attributes:
        name: Of the corpus.
        licence: SPDX identifier or name.
        hours: How much of it was used.
        attribution: Whom to name, and where it is found.
    """

    name: str
    licence: str
    hours: float
    attribution: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a bundle is.

    Attributes:
        name: Of the model.
        licence: Of the weights.
        created_from: Git commit of the code that exported it.
        latents: Rate and width of the latents.
        codec_kind: One of `CODEC_KINDS`.
        codec_context_frames: How far to each side a decoded frame depends on its neighbours.
        sampler: Defaults of the sampling loop.
        styles: Names of the styles that the denoiser knows, in its order.
        codec: Settings of the codec's network; None for a foreign one.
        renderer: Settings of the codec's renderer; None if it has none.
        envelope: Settings of what hears the band's envelope in latents; None if nothing does.
        detail: Settings of the envelope's detail; None if it has none.
        denoiser: Settings of the denoiser; None if the bundle holds a codec only.
        graphs: By file name.
        data: Corpora that the model was trained on.
        training: Facts of the training: minutes, steps, hashes.
        files: SHA-256 of each file, hexadecimal, by name.
        format_version: Of the bundle's layout.
    """

    name: str
    licence: str
    created_from: str
    latents: LatentFormat = dataclasses.field(default_factory=LatentFormat)
    codec_kind: str = "parameters"
    codec_context_frames: int = 0
    sampler: SamplerConfig = dataclasses.field(default_factory=SamplerConfig)
    styles: tuple[str, ...] = ()
    codec: CodecConfig | None = None
    renderer: RendererConfig | None = None
    envelope: EnvelopeConfig | None = None
    detail: DetailConfig | None = None
    denoiser: DenoiserConfig | None = None
    graphs: dict[str, Graph] = dataclasses.field(default_factory=dict)
    data: tuple[DataSource, ...] = ()
    training: dict[str, Any] = dataclasses.field(default_factory=dict)
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if self.codec_kind not in CODEC_KINDS:
            raise BundleError(
                f"bundle {self.name} has the unknown codec kind '{self.codec_kind}'; update banso"
            )
        if any(len(row) != self.latents.num_channels for row in self.sampler.bias):
            raise BundleError(
                f"bundle {self.name} has a bias that is not of {self.latents.num_channels} channels"
            )
        for name in self.files:
            # Names come from a file that anybody may have written.
            if PurePath(name).name != name or "\\" in name or name in ("..", MANIFEST_FILE):
                raise BundleError(f"bundle {self.name} names the file '{name}'; a name is wanted")

    def to_json(self) -> str:
        """Return the text of `manifest.json`."""
        return json.dumps(to_dict(self), indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read `manifest.json`.

        Raises:
            BundleError: If it is no manifest of a version that this program reads.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise BundleError(f"{MANIFEST_FILE} is no valid JSON: {error}") from error
        version = content.get("format_version") if isinstance(content, dict) else None
        if not isinstance(version, int):
            raise BundleError(f"{MANIFEST_FILE} says no format_version; it is not of a bundle")
        if version > FORMAT_VERSION:
            raise BundleError(
                f"the bundle has format {version}, this banso reads {FORMAT_VERSION}; update banso"
            )
        try:
            return _manifest(content)
        except (KeyError, TypeError, AttributeError, ValueError, ConfigError) as error:
            raise BundleError(f"{MANIFEST_FILE} is not valid: {error}") from error


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files have been checked.

    Attributes:
        folder: Where it lies.
        manifest: What it is.
        hash: First 12 hexadecimal digits of the SHA-256 of `manifest.json`, which itself holds the
            checksums of all files: it names the whole bundle.
    """

    folder: Path
    manifest: Manifest
    hash: str

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    def path(self, name: str) -> Path:
        """Return where a file of the bundle lies.

        Raises:
            BundleError: If the bundle has no such file.
        """
        if name not in self.manifest.files:
            raise BundleError(f"bundle {self.name} has no {name}")
        return self.folder / name

    def contents(self) -> dict[str, bytes]:
        """Read all files, by name, as `write_bundle` takes them."""
        return {name: self.path(name).read_bytes() for name in self.manifest.files}

    def has(self, name: str) -> bool:
        """Whether the bundle has a file of that name."""
        return name in self.manifest.files


def default_path() -> Path:
    """Folder of the bundle inside the package."""
    return Path(str(resources.files("banso"))) / "bundles" / "default"


def load_bundle(path: Path | None = None) -> Bundle:
    """Open a bundle and check all its files.

    Args:
        path: Its folder; None takes the one inside the package.

    Raises:
        BundleError: If it is missing, damaged or of an unsupported version.
    """
    folder = default_path() if path is None else Path(path)
    try:
        text = (folder / MANIFEST_FILE).read_bytes()
    except FileNotFoundError as error:
        hint = "reinstall banso" if path is None else "name the folder that holds one"
        raise BundleError(f"there is no bundle in {folder}: no {MANIFEST_FILE}; {hint}") from error
    except OSError as error:
        raise BundleError(f"cannot read {folder / MANIFEST_FILE}: {error.strerror}") from error
    try:
        manifest = Manifest.from_json(text.decode())
    except (BundleError, UnicodeDecodeError) as error:
        raise BundleError(f"bundle {folder} cannot be used: {error}") from error
    bundle = Bundle(folder, manifest, hashlib.sha256(text).hexdigest()[:_HASH_DIGITS])
    verify(bundle)
    return bundle


def verify(bundle: Bundle) -> None:
    """Compare all files of a bundle with their checksums.

    Raises:
        BundleError: If a file is missing or differs.
    """
    for name, wanted in bundle.manifest.files.items():
        path = bundle.folder / name
        try:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise BundleError(f"bundle {bundle.name} lacks {path}: {error.strerror}") from error
        if found != wanted:
            raise BundleError(f"{path} is damaged: its SHA-256 is not the manifest's; get it anew")


def write_bundle(folder: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    """Write a bundle; it appears as a whole or not at all.

    Args:
        folder: New, empty, or a bundle that is replaced.
        manifest: What the bundle is; its checksums are filled in here.
        files: Contents by file name.

    Returns:
        The bundle, as `load_bundle` gives it.

    Raises:
        BundleError: If the folder holds something else or cannot be written.
    """
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = dataclasses.replace(manifest, files=sums)
    if folder.exists() and not (folder / MANIFEST_FILE).exists() and any(folder.iterdir()):
        raise BundleError(f"{folder} holds other things than a bundle; choose another folder")
    part = folder.with_name(f"{folder.name}.part-{os.getpid()}")
    try:
        part.mkdir(parents=True)
        for name, content in files.items():
            (part / name).write_bytes(content)
        (part / MANIFEST_FILE).write_bytes(manifest.to_json().encode())
        if folder.exists():
            shutil.rmtree(folder)
        part.replace(folder)
    except OSError as error:
        raise BundleError(f"cannot write the bundle {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return load_bundle(folder)


def _manifest(content: dict[str, Any]) -> Manifest:
    values = {key: value for key, value in content.items() if key not in _RETIRED}
    for key, kind in (("latents", LatentFormat), ("sampler", SamplerConfig)):
        values[key] = from_dict(kind, values[key], f"{key}.")
    for key, config in _NETWORKS.items():
        if values.get(key) is not None:
            values[key] = from_dict(config, values[key], f"{key}.")
    values["styles"] = tuple(map(str, values["styles"]))
    values["data"] = tuple(from_dict(DataSource, source, "data.") for source in values["data"])
    values["graphs"] = {str(name): _graph(graph) for name, graph in values["graphs"].items()}
    values["files"] = {str(name): str(digest) for name, digest in values["files"].items()}
    return Manifest(**values)


def _graph(content: dict[str, Any]) -> Graph:
    inputs, outputs = (
        tuple(Tensor(name=t["name"], shape=tuple(t["shape"])) for t in content[side])
        for side in ("inputs", "outputs")
    )
    return Graph(opset=int(content["opset"]), inputs=inputs, outputs=outputs)
