"""Which bands a listening test compares: true, another song's, a bundle's, those in files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from banso.audio import Audio
from banso.data.render import SAMPLE_RATE
from banso.errors import ConfigError, DataError
from banso.eval.baseline import accompany_by_rule
from banso.eval.listening import (
    ANCHOR,
    REFERENCE,
    Band,
    ListeningItem,
    ListeningOptions,
    ListeningTest,
    build_listening_test,
)
from banso.eval.sets import EvalItem, load_items
from banso.eval.statistics import derangement
from banso.files import READABLE_SUFFIXES, read_audio
from banso.options import GenerationOptions
from banso.pipeline import Accompanist

BASELINE = "baseline"
# 8 pages of 5 clips and 10 comparisons take a listener about 20 minutes.
USUAL_NUM_SONGS = 8

System = Callable[[EvalItem], Audio]


def build_from_data(
    data: Path,
    out: Path,
    options: ListeningOptions,
    *,
    generation: GenerationOptions,
    bundle: Path | None = None,
    conditions: Sequence[str] | None = None,
    folders: Sequence[str] = (),
    split: str = "test",
    limit: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> ListeningTest:
    """Build a listening test on songs of a data set.

    Args:
        data: Data set with a `manifest.json`.
        out: Folder of the test.
        options: How it is built.
        generation: Seed, steps and guidance of the bundle.
        bundle: Folder of the model; None takes the one inside the package.
        conditions: See `bundle_systems`.
        folders: Systems as `NAME=FOLDER` of files written before; with any, no bundle is run.
        split: Which songs.
        limit: At most so many; 8 by default.
        on_progress: Called with the fraction done.

    Raises:
        ConfigError: If a system cannot be used.
        DataError: If songs or files are missing, or `out` holds a test already.
    """
    items, num_songs = load_items(data, split=split), limit or USUAL_NUM_SONGS
    if folders:
        named = [parse_system(text) for text in folders]
        systems = {name: folder_system(folder, items, num_songs) for name, folder in named}
    else:
        systems = bundle_systems(Accompanist.from_bundle(bundle), conditions, generation)
    songs = listening_items(items[:num_songs], systems, seed=options.seed)
    return build_listening_test(songs, out, options, on_progress)


def listening_items(
    items: Sequence[EvalItem], systems: Mapping[str, System], *, seed: int = 0
) -> list[ListeningItem]:
    """Put every song together with its own band, another song's band and the systems' bands.

    Args:
        items: At least 2 songs with a true band.
        systems: What makes the other bands, by name.
        seed: Decides whose band is the anchor of whom.

    Returns:
        One item per song.

    Raises:
        ConfigError: If a system has a name that is taken.
        DataError: If a song has no true band, or there are fewer than 2.
    """
    taken = {REFERENCE, ANCHOR} & systems.keys()
    if taken:
        raise ConfigError(f"a system is called {taken.pop()}, which is taken; choose another name")
    if len(items) < 2:
        raise DataError(f"there are {len(items)} songs; the anchor needs a second one")
    partners = derangement(len(items), seed)
    return [
        ListeningItem(
            name=item.name,
            read_vocals=_reader(item, "read_vocals"),
            bands={
                REFERENCE: _reader(item, "read_accompaniment"),
                ANCHOR: _reader(items[partner], "read_accompaniment"),
                **{name: _making(make, item) for name, make in systems.items()},
            },
            downbeats=item.sheet.downbeats,
        )
        for item, partner in zip(items, partners, strict=True)
    ]


def bundle_systems(
    accompanist: Accompanist, conditions: Sequence[str] | None, options: GenerationOptions
) -> dict[str, System]:
    """Make systems of a bundle, one per condition, and the baseline by rule beside them.

    Args:
        accompanist: The bundle.
        conditions: `given`, `vocal` or `auto`, as in an evaluation; None for `given` and `auto`.
        options: Seed, steps and guidance.

    Returns:
        Systems `ours_<condition>` and `baseline`.
    """

    def ours(condition: str) -> System:
        def make(item: EvalItem) -> Audio:
            asked = replace(
                options,
                lead_sheet=item.sheet if condition == "given" else None,
                plan="auto" if condition == "auto" else "none",
            )
            return accompanist.accompany(Audio(item.read_vocals(), item.sample_rate), asked).audio

        return make

    def by_rule(item: EvalItem) -> Audio:
        return Audio(accompany_by_rule(item.read_vocals(), item.sample_rate), SAMPLE_RATE)

    chosen = conditions or ("given", "auto")
    return {**{f"ours_{name}": ours(name) for name in chosen}, BASELINE: by_rule}


def folder_system(folder: Path, items: Sequence[EvalItem], num_songs: int | None = None) -> System:
    """Make a system of files that were written before.

    Args:
        folder: Holds one recording per song, named `SONG`, `SONG.accompaniment` or by the song's
            place in the set, as `007`.
        items: All songs.
        num_songs: How many of them need a file; None for all.

    Raises:
        DataError: If a song's file is missing.
    """
    places = {item.name: f"{number:03d}" for number, item in enumerate(items)}
    files = {path.stem: path for path in sorted(folder.glob("*"))
             if path.suffix.lower() in READABLE_SUFFIXES}  # fmt: skip

    def find(name: str) -> Path:
        for stem in (name, f"{name}.accompaniment", places[name]):
            if stem in files:
                return files[stem]
        raise DataError(
            f"{folder} has no recording of {name}; name it {name}.wav or {places[name]}.wav"
        )

    # Before any clip is cut, so that a missing file is no late surprise.
    found = {item.name: find(item.name) for item in items[:num_songs]}
    return lambda item: read_audio(found[item.name])


def parse_system(text: str) -> tuple[str, Path]:
    """Read `NAME=FOLDER`.

    Raises:
        ConfigError: If it is none.
    """
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise ConfigError(f"--system is '{text}'; write NAME=FOLDER")
    return name, Path(folder)


def _reader(item: EvalItem, name: str) -> Band:
    read = getattr(item, name)
    if read is None:
        raise DataError(f"{item.name} has no true band; a listening test needs it as reference")
    return lambda: Audio(read(), item.sample_rate)


def _making(make: System, item: EvalItem) -> Band:
    return lambda: make(item)
