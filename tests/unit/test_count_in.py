"""The count-in: clicks on the beats before the first sung bar, silence of the band until then."""

import numpy as np
import pytest

from banso.count_in import click, counted_in, plan_count_in
from banso.errors import ConfigError
from banso.leadsheet import LeadSheet

RATE = 8_000
BEATS = tuple(0.5 * index for index in range(40))
SHEET = LeadSheet(beats=BEATS, downbeats=BEATS[::4])


def band(seconds=8, size=1_000):
    ones = np.ones((2, seconds * RATE), np.float32)
    return [ones[:, start : start + size] for start in range(0, seconds * RATE, size)]


def test_one_bar_before_the_first_sung_bar():
    assert plan_count_in(SHEET, 4.02).clicks == (2.0, 2.5, 3.0, 3.5)
    assert plan_count_in(SHEET, 4.02).band_seconds == 4.0


def test_a_singer_may_be_early_but_a_pickup_belongs_to_its_bar():
    assert plan_count_in(SHEET, 3.9).band_seconds == 4.0
    assert plan_count_in(SHEET, 3.5).band_seconds == 2.0


def test_counts_as_far_as_there_is_room():
    sheet = LeadSheet(beats=BEATS[1:], downbeats=BEATS[3::4])
    assert plan_count_in(sheet, 1.5).clicks == (0.0, 0.5, 1.0)
    assert plan_count_in(SHEET, 0.1).clicks == ()
    assert plan_count_in(SHEET, 0.1).band_seconds == 0
    assert plan_count_in(SHEET, None).clicks == ()


def test_needs_bars():
    for sheet in (None, LeadSheet(), LeadSheet(beats=BEATS)):
        with pytest.raises(ConfigError, match="where bars are"):
            plan_count_in(sheet, 4.0)


def test_clicks_are_heard_where_they_belong_and_the_band_only_after():
    count_in = plan_count_in(SHEET, 4.0)
    blocks = list(counted_in(band(), count_in, RATE))
    assert [block.shape for block in blocks] == [block.shape for block in band()]
    sound = np.concatenate(blocks, axis=1)
    sticks = 0.35 * click(RATE)
    start = 2 * RATE
    assert sound[0, start : start + len(sticks)] == pytest.approx(sticks, abs=1e-6)
    assert not sound[:, :start].any()
    assert np.abs(sound[:, 5 * RATE // 2 :][:, : len(sticks)]).max() == pytest.approx(
        0.22, abs=1e-3
    )
    assert (sound[:, 4 * RATE :] == 1).all()
    assert np.abs(np.diff(sound[0, 4 * RATE - 90 : 4 * RATE])).max() < 0.02


def test_other_parts_wait_without_clicking():
    sound = np.concatenate(
        list(counted_in(band(), plan_count_in(SHEET, 4.0), RATE, clicks=False)), axis=1
    )
    assert not sound[:, : 4 * RATE - 80].any()


def test_without_room_nothing_changes():
    sound = np.concatenate(list(counted_in(band(), plan_count_in(SHEET, 0.0), RATE)), axis=1)
    assert (sound == 1).all()
