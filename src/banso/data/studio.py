"""What a data set is played and sung with: SoundFonts, drummers, singers, rooms."""

import logging
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from banso.data.drummer import Drummer
from banso.data.render import SoundFont, find_soundfonts
from banso.data.rooms import load_rooms
from banso.data.sources import groove
from banso.data.spoken import VOICES, measure_spoken
from banso.data.voicebank import BANK_SUFFIX, Bank, load_bank, measure_bank, save_bank
from banso.errors import BansoError, DataError
from banso.filetree import files_below

logger = logging.getLogger(__name__)

_BANKS_FOLDER = "voicebanks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Studio:
    """Places of everything besides the songs; each process loads it once.

    Attributes:
        soundfonts: To choose from.
        grooves: Folder or archive of Groove MIDI; None for programmed drums only.
        banks: Measured voice banks; formant voices alone without any.
        rooms: Folder of impulse responses; None for made-up rooms only.
        codecs: Whether voices may go through lossy codecs, which needs ffmpeg.
    """

    soundfonts: tuple[SoundFont, ...]
    grooves: Path | None = None
    banks: tuple[Path, ...] = ()
    rooms: Path | None = None
    codecs: bool = False

    def drummer(self) -> Drummer | None:
        """Return the recorded drumming, if there is any."""
        return _load_drummer(self.grooves) if self.grooves else None

    def singers(self) -> tuple[Bank, ...]:
        """Return the measured voice banks."""
        return loaded_banks(self.banks)

    def impulse_responses(self) -> tuple[NDArray[np.float32], ...]:
        """Return the measured rooms."""
        return load_rooms(self.rooms) if self.rooms else ()


def open_studio(
    out: Path,
    *,
    grooves: Path | None = None,
    voicebanks: Path | None = None,
    rooms: Path | None = None,
    spoken: bool = False,
) -> Studio:
    """Find and measure what a data set is made with.

    Args:
        out: Folder of the data set; voice banks are measured into it once.
        grooves: Folder or archive of Groove MIDI.
        voicebanks: Folder of UTAU voice banks, one folder each, or one bank.
        rooms: Folder of impulse responses.
        spoken: Whether espeak-ng's voices sing too.

    Raises:
        DataError: If no SoundFont is installed, or a folder does not hold what it should.
    """
    if grooves is not None:
        _load_drummer(grooves)
    if rooms is not None:
        load_rooms(rooms)
    return Studio(
        soundfonts=tuple(find_soundfonts()),
        grooves=grooves,
        banks=measured_banks(out, voicebanks, spoken),
        rooms=rooms,
        codecs=shutil.which("ffmpeg") is not None,
    )


def measured_banks(out: Path, voicebanks: Path | None, spoken: bool) -> tuple[Path, ...]:
    """Measure banks that are not measured yet; one that cannot be used is told and left out.

    Args:
        out: Folder of the data set; the banks go into a folder of it.
        voicebanks: Folder of UTAU voice banks, one folder each, or one bank; None for none.
        spoken: Whether espeak-ng's voices are measured too.

    Returns:
        Files for `load_bank`.

    Raises:
        DataError: If a folder is given that holds no bank, or espeak-ng is missing.
    """
    target = out / _BANKS_FOLDER
    paths = []
    settings = files_below(voicebanks, (".ini",)) if voicebanks else []
    folders = [path.parent for path in settings if path.name == "oto.ini"]
    if voicebanks and not folders:
        raise DataError(f"no voice bank below {voicebanks}; each has an oto.ini")
    for folder in folders:
        path = target / f"{folder.name}{BANK_SUFFIX}"
        try:
            if not path.is_file():
                save_bank(measure_bank(folder), path)
            paths.append(path)
        except BansoError as error:
            logger.warning("voice bank rejected: %s", error)
    for voice in VOICES if spoken else ():
        path = target / f"espeak-{voice}{BANK_SUFFIX}"
        if not path.is_file():
            save_bank(measure_spoken(voice), path)
        paths.append(path)
    return tuple(paths)


def loaded_banks(paths: tuple[Path, ...]) -> tuple[Bank, ...]:
    """Return measured banks, each read once in this process."""
    return tuple(_load_bank(path) for path in paths)


@lru_cache(maxsize=1)
def _load_drummer(grooves: Path) -> Drummer:
    return Drummer(tuple(groove.read_corpus(grooves)))


@lru_cache(maxsize=16)
def _load_bank(path: Path) -> Bank:
    return load_bank(path)
