import numpy as np
import pytest

from banso import conditioning as c
from banso import features
from banso.errors import ConfigError
from banso.leadsheet import ChordSpan, LeadSheet

RATE = 20.0  # frames per second: one frame is 50 ms
STYLES = ("ballad", "rock")
SHEET = LeadSheet(
    beats=tuple(0.5 + 0.5 * i for i in range(8)),
    downbeats=(0.5, 2.5),
    chords=(
        ChordSpan(0.0, 2.0, "C:maj"),
        ChordSpan(2.0, 3.0, "N"),
        ChordSpan(3.0, 4.0, "A:min/b3"),
    ),
)


def assembled(num_frames=100, **given):
    rows = np.full((num_frames, features.NUM_FEATURES), 0.25, np.float32)
    return c.assemble(rows, RATE, styles=STYLES, **given)


def test_what_is_not_given_is_absent_not_zero():
    array = assembled()
    assert array.shape == (100, c.NUM_CONDITIONS)
    assert np.all(array[:, c.VOCAL.start] == 1)
    assert np.all(array[:, c.VOCAL.start + 1 : c.VOCAL.stop] == 0.25)
    assert not array[:, c.VOCAL.stop :].any()
    given = assembled(lead_sheet=SHEET)
    assert given[0, c.CHORDS.start] == 1
    # N is known silence: the flag without notes. After the last chord nothing is known.
    assert given[50, c.CHORDS.start] == 1
    assert not given[50, c.CHORDS][1:].any()
    assert not given[85, c.CHORDS].any()


def test_chords_stand_at_their_time():
    array = assembled(lead_sheet=SHEET)[:, c.CHORDS]
    assert set(np.flatnonzero(array[39, 1:13])) == {0, 4, 7}
    assert set(np.flatnonzero(array[39, 13:])) == {0}
    assert set(np.flatnonzero(array[60, 1:13])) == {9, 0, 4}
    assert set(np.flatnonzero(array[60, 13:])) == {0}
    assert not array[40, 1:].any()


def test_beat_and_bar_phase():
    array = assembled(lead_sheet=SHEET)[:, c.BEATS]
    seconds = (np.arange(100) + 0.5) / RATE
    known = array[:, 0] == 1
    assert known[:85].all()
    assert not known[92:].any()
    beat, bar = (seconds - 0.5) / 0.5, (seconds - 0.5) / 2.0
    wanted = [f(2 * np.pi * phase) for phase in (beat, bar) for f in (np.sin, np.cos)]
    np.testing.assert_allclose(array[known, 1:], np.stack(wanted, axis=1)[known], atol=1e-5)


def test_style_is_one_slot_by_name():
    for index, style in enumerate(STYLES):
        row = assembled(style=style)[:, c.STYLE]
        assert np.all(row.argmax(axis=1) == index)
        assert np.all(row.sum(axis=1) == 1)
    with pytest.raises(ConfigError, match="ballad, rock"):
        assembled(style="polka")


def test_known_latents_stand_only_where_they_are_known():
    latents = np.random.default_rng(0).standard_normal((100, c.NUM_CHANNELS), dtype=np.float32)
    mask = np.arange(100) < 30
    plain = assembled()
    array = c.with_known(plain, c.Known(latents, mask))
    np.testing.assert_array_equal(array[:30, c.KNOWN.start + 1 : c.KNOWN.stop], latents[:30])
    assert np.all(array[:30, c.KNOWN.start] == 1)
    assert not array[30:, c.KNOWN].any()
    np.testing.assert_array_equal(array[:, : c.KNOWN.start], plain[:, : c.KNOWN.start])
    assert not plain[:, c.KNOWN].any()


def test_parts_and_what_is_there_already_stand_in_their_groups():
    latents = np.random.default_rng(0).standard_normal((100, c.NUM_CHANNELS), dtype=np.float32)
    array = assembled(parts=("bass", "extra"), others=latents)
    np.testing.assert_array_equal(array[7, c.PARTS], [1, 0, 1, 0, 1])
    assert np.all(array[:, c.OTHERS.start] == 1)
    np.testing.assert_array_equal(array[:, c.OTHERS.start + 1 : c.OTHERS.stop], latents)
    assert not assembled()[:, c.PARTS.start :].any()
    assert not c.null_conditioning(array)[:, c.PARTS.start :].any()
    with pytest.raises(ConfigError, match="drums, bass, harmony, extra"):
        assembled(parts=("triangle",))


def test_null_conditioning_forgets_all_but_what_is_fixed():
    # In SAMUeL's code the condition is never really dropped, so guidance compares two of a kind.
    array = assembled(lead_sheet=SHEET, style="rock")
    ones = np.ones((100, c.NUM_CHANNELS), np.float32)
    array = c.with_known(array, c.Known(ones, np.arange(100) < 10))
    null = c.null_conditioning(array)
    assert not null[:, : c.KNOWN.start].any()
    np.testing.assert_array_equal(null[:, c.KNOWN], array[:, c.KNOWN])
    batch = c.null_conditioning(array[None])
    np.testing.assert_array_equal(batch[0], null)
