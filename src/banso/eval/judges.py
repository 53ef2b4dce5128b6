"""Judges with weights of their own, asked only if they are installed and named.

Each reads audio files, so it needs nothing of ours. None is a dependency: their weights are
fetched by themselves, some under licences that forbid commerce, which only a user may agree to.

References:
    Tjandra et al. 2025, "Meta Audiobox Aesthetics", arXiv:2502.05139. Gui et al. 2024, "Adapting
    Fréchet Audio Distance for generative music evaluation", ICASSP, arXiv:2311.01616 (fadtk).
    Ciranni et al. 2025, "COCOLA: coherence-oriented contrastive learning of musical audio
    representations", ICASSP, arXiv:2404.16969. Foscarin, Schlüter & Widmer 2024, "Beat this!
    Accurate beat tracking without DBN postprocessing", ISMIR, arXiv:2407.21658.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import mir_eval
import numpy as np

from banso.errors import BansoError, ConfigError
from banso.eval.metrics import BEAT_TOLERANCE_SECONDS
from banso.files import read_audio
from banso.leadsheet import LeadSheet

_COCOLA_RATE, _COCOLA_SECONDS = 16_000, 5
_FAD_MODEL = "clap-laion-music"


@dataclass(frozen=True, slots=True)
class Pair:
    """A band on disk, and what it is to fit.

    Attributes:
        vocals: File of the voice.
        band: File of the band.
        sheet: The score, as far as known.
    """

    vocals: Path
    band: Path
    sheet: LeadSheet


class Judge(Protocol):
    """Scores bands one by one."""

    def judge(self, pairs: Sequence[Pair]) -> Mapping[str, list[float]]:
        """Return scores by name, one for each pair."""
        ...


class SetJudge(Protocol):
    """Compares a set of bands with the set of true ones."""

    def distance(self, true: Sequence[Path], other: Sequence[Path]) -> float:
        """Return how far one set is from the other."""
        ...


class AudioboxJudge:
    """Audiobox Aesthetics: content enjoyment and usefulness, production complexity and quality."""

    def __init__(self) -> None:
        self._predictor = _module("audiobox_aesthetics.infer", "audiobox").initialize_predictor()

    def judge(self, pairs: Sequence[Pair]) -> Mapping[str, list[float]]:
        """Return `audiobox_ce`, `_cu`, `_pc` and `_pq`, each from 1 to 10."""
        rows = [self._predictor.forward([{"path": str(pair.band)}])[0] for pair in pairs]
        names = ("CE", "CU", "PC", "PQ")
        return {f"audiobox_{name.lower()}": [float(row[name]) for row in rows] for name in names}


class BeatThisJudge:
    """Beat This!: beats and downbeats by a trained tracker instead of ours."""

    def __init__(self) -> None:
        inference = _module("beat_this.inference", "beat-this")
        self._track = inference.File2Beats(checkpoint_path="final0", device="cpu", dbn=False)

    def judge(self, pairs: Sequence[Pair]) -> Mapping[str, list[float]]:
        """Return `beat_this_f1` and `beat_this_downbeat_f1` against the score; NaN without one."""
        found = [self._track(str(pair.band)) for pair in pairs]
        return {
            "beat_this_f1": [
                _f1(pair.sheet.beats, beats) for pair, (beats, _) in zip(pairs, found, strict=True)
            ],
            "beat_this_downbeat_f1": [
                _f1(pair.sheet.downbeats, downbeats)
                for pair, (_, downbeats) in zip(pairs, found, strict=True)
            ],
        }


class CocolaJudge:
    """COCOLA: how coherent voice and band are, by a contrastive network.

    Args:
        checkpoint: File of its weights.
    """

    def __init__(self, checkpoint: str) -> None:
        if not checkpoint:
            raise ConfigError("the judge cocola needs its weights; write cocola=CHECKPOINT")
        network = _module("contrastive_model.contrastive_model", "cocola").CoCola
        self._torch = _module("torch", "cocola")
        self._model = network.load_from_checkpoint(checkpoint)
        self._model.eval()

    def judge(self, pairs: Sequence[Pair]) -> Mapping[str, list[float]]:
        """Return `cocola`: the mean score of five-second excerpts."""
        return {"cocola": [self._score(pair) for pair in pairs]}

    def _score(self, pair: Pair) -> float:
        voice, band = (_excerpts(path) for path in (pair.vocals, pair.band))
        count = min(len(voice), len(band))
        with self._torch.no_grad():
            tensors = (self._torch.from_numpy(part[:count, None]) for part in (voice, band))
            return float(np.mean(np.asarray(self._model.score(*tensors))))


class FadJudge:
    """Fréchet audio distance by fadtk, with CLAP trained on music."""

    def __init__(self) -> None:
        toolkit = _module("fadtk", "fadtk")
        models = {model.name: model for model in toolkit.get_all_models()}
        self._fad = toolkit.FrechetAudioDistance(models[_FAD_MODEL], audio_load_worker=1)

    def distance(self, true: Sequence[Path], other: Sequence[Path]) -> float:
        """Return the distance between two sets; the files of each are in a folder of their own."""
        for path in (*true, *other):
            self._fad.cache_embedding_file(path)
        return float(self._fad.score(true[0].parent, other[0].parent))


_JUDGES: Mapping[str, Callable[[str], Judge]] = {
    "audiobox": lambda _: AudioboxJudge(),
    "beat-this": lambda _: BeatThisJudge(),
    "cocola": CocolaJudge,
}
_SET_JUDGES: Mapping[str, Callable[[str], SetJudge]] = {"fadtk": lambda _: FadJudge()}
JUDGES = (*_JUDGES, *_SET_JUDGES)


def load_judges(names: Sequence[str]) -> tuple[list[Judge], dict[str, SetJudge]]:
    """Load judges by name.

    Args:
        names: Of `JUDGES`; `NAME=VALUE` hands over what a judge needs, such as a checkpoint.

    Returns:
        Judges of single bands, and judges of sets by name.

    Raises:
        ConfigError: If a name is unknown or a value is missing.
        BansoError: If a judge is not installed.
    """
    single, sets = [], {}
    for text in names:
        name, _, value = text.partition("=")
        if name in _JUDGES:
            single.append(_JUDGES[name](value))
        elif name in _SET_JUDGES:
            sets[name] = _SET_JUDGES[name](value)
        else:
            raise ConfigError(f"judge is '{name}'; choose from {', '.join(JUDGES)}")
    return single, sets


def _module(name: str, judge: str) -> Any:  # noqa: ANN401
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise BansoError(
            f"the judge {judge} needs the package {name.partition('.')[0]}, which is not installed"
        ) from error


def _f1(reference: Sequence[float], estimated: Sequence[float]) -> float:
    if len(reference) < 2:
        return float("nan")
    times = np.asarray(estimated, dtype=np.float64)
    if len(times) == 0:
        return 0.0
    return float(mir_eval.beat.f_measure(np.array(reference), times, BEAT_TOLERANCE_SECONDS))


def _excerpts(path: Path) -> np.ndarray:
    """Cut a file into mono excerpts [excerpts, samples] of five seconds at 16 kHz."""
    mono = read_audio(path).to_mono().resampled(_COCOLA_RATE).samples[0]
    size = _COCOLA_SECONDS * _COCOLA_RATE
    count = max(1, len(mono) // size)
    padded = np.pad(mono, (0, max(0, size - len(mono))))
    return padded[: count * size].reshape(count, size).astype(np.float32)
