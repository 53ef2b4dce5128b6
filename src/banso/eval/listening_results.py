"""Read what listeners answered, and tell who heard the difference that everybody should hear."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banso.errors import DataError
from banso.eval.listening import ANCHOR, FORMAT_VERSION, REFERENCE

logger = logging.getLogger(__name__)

RESULT_FORMAT = "banso-listening-result"
# A listener who answers at random reaches 0.5 in the mean. On 8 songs and one comparison that is
# 0.75 or more with a probability of 0.045 (and of 0.11 on 4 songs).
LEAST_ANCHOR_SCORE = 0.75
SCALES = ("fit", "quality")


@dataclass(frozen=True, slots=True)
class Key:
    """What the clips of a test are.

    Attributes:
        test_id: The test.
        systems: All systems, in the order of the tables.
        clips: Song and system by clip.
        trials: Clips by page.
    """

    test_id: str
    systems: tuple[str, ...]
    clips: Mapping[str, tuple[str, str]]
    trials: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One answer about two clips.

    Attributes:
        systems: The two systems.
        preferred: One of them; None for no difference.
    """

    systems: tuple[str, str]
    preferred: str | None


@dataclass(frozen=True, slots=True)
class Rating:
    """One clip on both scales of 1 to 5."""

    item: str
    system: str
    fit: int
    quality: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Listener:
    """One finished result.

    Attributes:
        name: The listener's random name.
        is_simulated: Whether a program gave the answers.
        about: What the listener said about device and training.
        finished: When, in ISO 8601.
        comparisons: Answers in pairs.
        ratings: Answers on scales.
    """

    name: str
    is_simulated: bool
    about: Mapping[str, str]
    finished: str
    comparisons: tuple[Comparison, ...]
    ratings: tuple[Rating, ...]

    @property
    def anchor_score(self) -> float:
        """Share of the chances to tell the true band from another song's that were taken.

        A chance is a song on which both were rated for fit, or a comparison of the two. No
        difference counts half. 0.5 is chance; NaN without any.
        """
        fits = {(rating.item, rating.system): rating.fit for rating in self.ratings}
        items = {rating.item for rating in self.ratings}
        both = [(fits[i, REFERENCE], fits[i, ANCHOR]) for i in items
                if {(i, REFERENCE), (i, ANCHOR)} <= fits.keys()]  # fmt: skip
        points = [(good > bad) + 0.5 * (good == bad) for good, bad in both]
        points += [
            0.5 if answer.preferred is None else float(answer.preferred == REFERENCE)
            for answer in self.comparisons
            if set(answer.systems) == {REFERENCE, ANCHOR}
        ]
        return sum(points) / len(points) if points else float("nan")

    @property
    def passes(self) -> bool:
        """Whether the listener told the true band from another song's often enough."""
        return self.anchor_score >= LEAST_ANCHOR_SCORE


def read_key(path: Path) -> Key:
    """Read the `key.json` of a test.

    Raises:
        DataError: If it is not the key of a test.
    """
    content = _read_json(path)
    try:
        if content["format_version"] != FORMAT_VERSION:
            raise DataError(f"{path} has version {content['format_version']}, not {FORMAT_VERSION}")
        clips = {name: (c["item"], c["system"]) for name, c in content["clips"].items()}
        return Key(content["test_id"], tuple(content["systems"]), clips, content["trials"])
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not the key of a listening test: {error!r}") from error


def read_listeners(paths: Sequence[Path], key: Key) -> list[Listener]:
    """Read results; of several by the same listener the last finished one counts.

    Args:
        paths: Files that the page saved.
        key: Of the test.

    Returns:
        Listeners in order of their names.

    Raises:
        DataError: If there are no results, or one is not of this test, not complete or broken.
    """
    if not paths:
        raise DataError("there are no results to analyse; name the files that listeners sent")
    found: dict[str, Listener] = {}
    for path in paths:
        listener = read_listener(path, key)
        before = found.get(listener.name)
        if before is not None:
            logger.warning("%s: listener %s is there twice; the later counts", path, listener.name)
        if before is None or listener.finished >= before.finished:
            found[listener.name] = listener
    return [found[name] for name in sorted(found)]


def read_listener(path: Path, key: Key) -> Listener:
    """Read one result.

    Raises:
        DataError: If it is not of this test, not complete or broken.
    """
    content = _read_json(path)
    try:
        if content["format"] != RESULT_FORMAT or content["format_version"] != FORMAT_VERSION:
            raise DataError(f"{path} is no listening result of version {FORMAT_VERSION}")
        if content["test_id"] != key.test_id:
            raise DataError(
                f"{path} is of the test {content['test_id']}, the key of {key.test_id}; "
                "give the key that was made together with the page"
            )
        if content["finished"] is None:
            raise DataError(f"{path} is not finished; ask the listener for the last page's file")
        answers = content["answers"]
        _check_complete(answers, key)
        pairs = [answer for answer in answers if answer["kind"] == "pair"]
        rated = [answer for answer in answers if answer["kind"] == "rating"]
        return Listener(
            name=str(content["listener"]),
            is_simulated=bool(content["simulated"]),
            about={str(k): str(v) for k, v in content["about"].items()},
            finished=str(content["finished"]),
            comparisons=tuple(_comparison(answer, key) for answer in pairs),
            ratings=tuple(rating for answer in rated for rating in _ratings(answer, key)),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"{path} is not a valid listening result: {error!r}") from error


def _check_complete(answers: Sequence[Mapping[str, Any]], key: Key) -> None:
    shown = {answer["trial"]: sorted(answer["shown"]) for answer in answers}
    if len(shown) != len(answers) or shown != {t: sorted(c) for t, c in key.trials.items()}:
        raise ValueError(f"{len(answers)} answers do not match the {len(key.trials)} pages")


def _comparison(answer: Mapping[str, Any], key: Key) -> Comparison:
    first, second = (key.clips[name][1] for name in answer["shown"])
    name = answer["preferred"]
    if name is not None and name not in answer["shown"]:
        raise ValueError(f"clip {name} is preferred but was not shown")
    return Comparison((first, second), None if name is None else key.clips[name][1])


def _ratings(answer: Mapping[str, Any], key: Key) -> Iterable[Rating]:
    for name in answer["shown"]:
        scores = [answer["ratings"][name][scale] for scale in SCALES]
        if any(type(score) is not int or not 1 <= score <= 5 for score in scores):
            raise ValueError(f"clip {name} is rated {scores}; ratings are whole numbers 1 to 5")
        yield Rating(*key.clips[name], *scores)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold a JSON object")
    return content
