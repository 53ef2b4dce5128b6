"""Read and write recordings as files, block by block, through libsndfile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from banso.audio import (
    BLOCK_SECONDS,
    Audio,
    Samples,
    check_finite,
    check_sample_rate,
    collect,
    resample_blocks,
)
from banso.errors import AudioError
from banso.fileformats import (
    EXACT_TYPES,
    FORMATS,
    PCM_BITS,
    AnySamples,
    FileFormat,
    encoding_of,
    to_integers,
)
from banso.mpeg import ToldMp3, examine_mp3, pretends_mp3
from banso.outputs import OutputFiles
from banso.truncation import is_truncated
from banso.version import VERSION

READABLE_SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga"),
    *(".aif", ".aiff", ".aifc", ".au", ".caf", ".rf64", ".w64"),
)
MIN_SECONDS = 0.5
# A guard against files that claim years of sound in a few bytes.
MAX_SECONDS = 12 * 3600.0
# More than any recording interface has; it bounds what one block can take.
MAX_CHANNELS = 64


# A WAV file's sizes are 32-bit numbers; past that RF64, the same with 64-bit ones, takes over.
_MAX_WAV_BYTES = 2**32 - 2**16


class AudioReader:
    """A file to be listened to, block by block, as often as needed.

    The file is open only while blocks are drawn, so a reader needs no closing. Memory does not
    grow with the length of the file.

    Attributes:
        path: The file.
        sample_rate: Its own rate, Hz.
        num_channels: Its number of channels.
        num_samples: Its length at its own rate.
        encoding: How its samples are written.

    Raises:
        AudioError: If the file is missing, no regular file, empty, not audio, truncated, shorter
            than 0.5 s or longer than 12 h, or has an unusable rate or number of channels.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        with _reading(self.path):
            _check_file(self.path)
            self._mp3 = examine_mp3(self.path)
            if self._mp3 is None and pretends_mp3(self.path):
                raise _not_audio(self.path)
            if is_truncated(self.path) or (self._mp3 is not None and self._mp3.is_cut):
                raise AudioError(f"{self.path} is truncated: its end is missing; copy it again")
            if self._mp3 is not None and self._mp3.is_damaged:
                raise AudioError(f"{self.path} is damaged: there is a gap in it; copy it again")
            with self._opened() as file:
                self.sample_rate = int(file.samplerate)
                self.num_channels = int(file.channels)
                self.num_samples = int(file.frames)
                self.encoding = encoding_of(file.format, file.subtype)
        self._check_shape()

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return str(self.path)

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate

    def blocks(self, sample_rate: int | None = None) -> Iterator[Samples]:
        """Yield the file from its start as blocks [channels, samples] of about one second.

        Args:
            sample_rate: Resample to this rate, Hz; None keeps the file's own. The blocks have
                exactly `resampled_length` samples in all.

        Raises:
            AudioError: If the file is damaged or shorter than it says, or a sample is NaN or
                infinite.
        """
        target = self.sample_rate if sample_rate is None else sample_rate
        return resample_blocks(self._own_blocks(), self.sample_rate, target, self.num_samples)

    @property
    def num_bits(self) -> int | None:
        """Of its samples, if they are whole numbers."""
        return PCM_BITS.get(self.encoding.subtype)

    def exact_blocks(self) -> Iterator[AnySamples]:
        """Yield the file as `blocks` does, each sample exactly as it is written.

        Raises:
            AudioError: As `blocks`, or if the encoding is lossy: written again, it would change.
        """
        if self.encoding.subtype not in EXACT_TYPES:
            raise AudioError(
                f"{self.path} is {self.encoding.container} {self.encoding.subtype}, which cannot "
                "be written again without loss; convert it to WAV or FLAC"
            )
        return self._own_blocks(EXACT_TYPES[self.encoding.subtype])

    def read(self) -> Audio:
        """Read the whole file into memory; for recordings known to be short."""
        return collect(self.blocks(), self.sample_rate)

    def _own_blocks(self, dtype: str = "float32") -> Iterator[Samples]:
        size = max(1, round(self.sample_rate * BLOCK_SECONDS))
        remaining = self.num_samples
        with _reading(self.path), self._opened() as file:
            while remaining:
                frames = file.read(min(size, remaining), dtype=dtype, always_2d=True)
                if not len(frames):
                    raise AudioError(
                        f"{self.path} is truncated or damaged: of the "
                        f"{self.duration_seconds:.2f} s that it promises, "
                        f"{(self.num_samples - remaining) / self.sample_rate:.2f} s can be read; "
                        "copy it again"
                    )
                check_finite(frames, self.name)
                remaining -= len(frames)
                yield np.ascontiguousarray(frames.T)

    @contextmanager
    def _opened(self) -> Iterator["_Stream"]:
        if self._mp3 is None:
            with _Stream(_sndfile_path(self.path)) as file:
                yield file
        else:
            with ToldMp3(self.path, self._mp3) as told, _Stream(told) as file:
                yield file

    def _check_shape(self) -> None:
        if self.num_samples == 0:
            raise AudioError(f"{self.path} holds no samples")
        check_sample_rate(self.sample_rate, self.name)
        if self.num_channels > MAX_CHANNELS:
            raise AudioError(
                f"{self.path} has {self.num_channels} channels; banso takes up to {MAX_CHANNELS}"
            )
        check_duration(self.duration_seconds, self.name)


class _Stream(soundfile.SoundFile):  # type: ignore[misc]
    """A file that is read from its start to its end.

    soundfile seeks after every block of a seekable file, to where it is already. In an MP3 that
    loses what a frame keeps in the frames before it: at low bit rates every block would click.
    """

    def seekable(self) -> bool:
        return False


class AudioWriter:
    """Writes a file block by block; use as a context manager.

    It writes where it is told to. That a file appears complete or not at all is the promise of
    `OutputFiles`, whose parts are what to open here.

    Args:
        path: The file to write; its name need not tell the format.
        sample_rate: Hz.
        num_channels: Channels of every block.
        format_name: A key of `FORMATS`.
        num_samples: How many samples are to come, if known; lets a WAV file outgrow 4 GiB.
        comment: Provenance in plain ASCII, kept in the file's metadata beside the version.
        compression: Of MP3 only: 0 is 320 kbit/s, 0.6 is 160 kbit/s, 1 is 32 kbit/s.
        encoding: Another file's, to write as it is written, whatever `format_name` says.

    Raises:
        AudioError: If the file cannot be created.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        num_channels: int,
        format_name: str = "wav",
        num_samples: int = 0,
        comment: str = "",
        compression: float = 0.0,
        encoding: FileFormat | None = None,
    ) -> None:
        kind = FORMATS[format_name] if encoding is None else encoding
        self._bits = PCM_BITS.get(kind.subtype)
        num_bytes = num_samples * num_channels * kind.bits_per_sample // 8
        # 320 kbit/s unless told otherwise: the listener chose the format, not the loss.
        rate = {"compression_level": compression, "bitrate_mode": "CONSTANT"}
        self._path = path
        with _writing(path):
            self._file = soundfile.SoundFile(
                _sndfile_path(path),
                "w",
                sample_rate,
                num_channels,
                format="RF64" if num_bytes > _MAX_WAV_BYTES else kind.container,
                subtype=kind.subtype,
                **(rate if format_name == "mp3" else {}),
            )
            # MP3 has no field for the software, so the comment repeats it.
            self._file.software = f"banso {VERSION}"
            self._file.comment = f"banso {VERSION}; {comment}" if comment else f"banso {VERSION}"

    def write(self, block: AnySamples) -> None:
        """Append a block [channels, samples]: full scale ±1, or as `exact_blocks` gives it.

        Raises:
            AudioError: If the disk does not take it.
        """
        exact = block if self._bits is None else to_integers(block, self._bits)
        with _writing(self._path):
            self._file.write(exact.T)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with _writing(self._path):
            self._file.close()


def read_audio(path: str | os.PathLike[str]) -> Audio:
    """Read a whole audio file into memory, at its own rate and with its own channels.

    Raises:
        AudioError: As `AudioReader`.
    """
    return AudioReader(path).read()


def write_audio(
    path: str | os.PathLike[str],
    audio: Audio,
    *,
    overwrite: bool = False,
    compression: float = 0.0,
) -> None:
    """Write a recording; the suffix chooses between wav (24 bit), flac (24 bit) and mp3.

    The file appears complete or not at all.

    Args:
        path: The file to write.
        audio: The recording.
        overwrite: Replace an existing file.
        compression: Of MP3; see `AudioWriter`.

    Raises:
        AudioError: If the suffix is none of these, the file exists and `overwrite` is false, or
            the folder cannot be written to.
    """
    target = Path(path)
    format_name = target.suffix.lower().lstrip(".")
    if format_name not in FORMATS:
        raise AudioError(f"{target} must end in one of: {', '.join(f'.{f}' for f in FORMATS)}")
    with (
        OutputFiles([target], overwrite=overwrite) as outputs,
        AudioWriter(
            outputs.part(target),
            audio.sample_rate,
            audio.num_channels,
            format_name,
            audio.num_samples,
            compression=compression,
        ) as writer,
    ):
        for block in audio.blocks():
            writer.write(block)


def check_duration(seconds: float, name: str) -> None:
    """Raise an AudioError that names the recording if it is too short or too long."""
    if seconds < MIN_SECONDS:
        raise AudioError(f"{name} lasts {seconds:.2f} s; banso needs at least {MIN_SECONDS} s")
    if seconds > MAX_SECONDS:
        raise AudioError(
            f"{name} lasts {seconds / 3600:.1f} h; banso takes up to {MAX_SECONDS / 3600:.0f} h"
        )


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not an audio file")
    if not path.exists():
        raise AudioError(f"{path} does not exist")
    if not path.is_file():
        raise AudioError(f"{path} is not a regular file")
    if path.stat().st_size == 0:
        raise AudioError(f"{path} is empty")


def _sndfile_path(path: Path) -> str | bytes:
    """Return a name that soundfile accepts even if it is no valid Unicode."""
    text = os.fspath(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return text


def _not_audio(path: Path) -> AudioError:
    kinds = ", ".join(suffix.lstrip(".") for suffix in READABLE_SUFFIXES)
    return AudioError(f"{path} is no audio file that banso can read; it reads {kinds}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while reading into one clear AudioError."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".").replace("Error : ", "")
        if "not recognised" in reason or "unimplemented format" in reason.lower():
            raise _not_audio(path) from error
        raise AudioError(f"{path} is damaged or truncated ({reason})") from error
    except OSError as error:
        raise AudioError(f"{path} cannot be read: {error.strerror or error}") from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong while writing into one clear AudioError."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = error.error_string.rstrip(".")
        raise AudioError(f"cannot write into {path.parent}: {reason}") from error
    except OSError as error:
        raise AudioError(f"cannot write into {path.parent}: {error.strerror or error}") from error
