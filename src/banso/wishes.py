"""What a user fixed about a song before it is planned, checked where it enters."""

from dataclasses import dataclass

from banso.chord_names import key_label_of
from banso.chords import parse_chord
from banso.errors import ConfigError, DataError
from banso.leadsheet import LeadSheet
from banso.progression import check_progression

BPM_RANGE = (30.0, 300.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What a user fixed.

    Attributes:
        lead_sheet: Beats, chords and key, as far as they are to be obeyed.
        bpm: Tempo in beats a minute, 30 to 300; the beats' phase is found in the voice.
        key: MIREX label, or as musicians write it: `Am`, `C`.
        chords: A progression for the whole song, see `banso.progression`.

    Raises:
        ConfigError: If a value makes no sense, or two of them contradict each other.
    """

    lead_sheet: LeadSheet | None = None
    bpm: float | None = None
    key: str | None = None
    chords: str | None = None

    def __post_init__(self) -> None:
        lowest, highest = BPM_RANGE
        if self.bpm is not None and not lowest <= self.bpm <= highest:
            raise ConfigError(f"bpm is {self.bpm}; choose {lowest:.0f} to {highest:.0f}")
        if self.key is not None:
            _checked_key(self.key)
        if self.chords is not None:
            check_progression(self.chords)
        sheet = self.lead_sheet or LeadSheet()
        for name, given, inside in (
            ("bpm", self.bpm, sheet.beats),
            ("chords", self.chords, sheet.chords),
            ("key", self.key, sheet.key),
        ):
            if given is not None and inside:
                raise ConfigError(
                    f"the plan has its own {name}; leave {name} out or change the plan"
                )

    @property
    def fixed_key(self) -> str | None:
        """MIREX label of the key that was given in either way."""
        if self.key is not None:
            return _checked_key(self.key)
        return None if self.lead_sheet is None else self.lead_sheet.key

    @property
    def fixes_anything(self) -> bool:
        """Whether there is anything to obey."""
        return any(x is not None for x in (self.lead_sheet, self.bpm, self.key, self.chords))


def _checked_key(text: str) -> str:
    try:
        label = key_label_of(text)
        if parse_chord(label).root is None:
            raise DataError(f"'{text}' is no key")
    except DataError as error:
        raise ConfigError(f"key cannot be read: {error}") from error
    return label
