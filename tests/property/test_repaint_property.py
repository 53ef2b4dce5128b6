import functools
import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from banso.audio import Audio, summed
from banso.delivery import Delivery
from banso.mixing import Balance
from banso.options import GenerationOptions
from banso.regions import MIN_REGION_SECONDS, Region, Span, plan_stretches
from banso.scratch import Scratch
from banso.survey import Survey
from conftest import sing
from fakes import fake_accompanist

SECONDS = 5.0


@functools.cache
def song():
    accompanist = fake_accompanist(num_steps=1)
    voice = Audio(sing(SECONDS), 44_100)
    return accompanist, voice, accompanist.accompany(voice, GenerationOptions(seed=1)).audio


@st.composite
def regions(draw):
    start = draw(st.floats(0, SECONDS - MIN_REGION_SECONDS - 0.01))
    length = draw(st.floats(MIN_REGION_SECONDS + 0.01, SECONDS + 1 - start))
    return Region(start, start + length)


@settings(max_examples=20, deadline=None)
@given(chosen=st.lists(regions(), min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_outside_the_regions_not_a_bit_changes(chosen, seed):
    accompanist, voice, before = song()
    after = accompanist.repaint(voice, before, chosen, GenerationOptions(seed=seed)).audio.samples
    inside = np.zeros(before.num_samples, bool)
    for region in chosen:
        inside[round(region.start_seconds * 44_100) : round(region.end_seconds * 44_100)] = True
    np.testing.assert_array_equal(after[:, ~inside], before.samples[:, ~inside])
    changed = (after != before.samples).any(axis=0)
    assert changed[inside].mean() > 0.5


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 900)), min_size=1, max_size=6),
    context=st.integers(0, 64),
)
def test_stretches_are_whole_blocks_apart_and_miss_exactly_the_spans(pairs, context):
    spans, position = [], 0
    for gap, length in pairs:
        spans.append(Span(position + gap, position + gap + length))
        position += gap + length + 1
    num_frames = -(-position // 160) * 16
    stretches = plan_stretches(spans, 10, num_frames, context)
    missing = np.zeros(num_frames, bool)
    for one, other in itertools.pairwise(stretches):
        assert one.last < other.first
    for stretch in stretches:
        assert stretch.first % 16 == stretch.last % 16 == 0
        assert len(stretch.known) == stretch.last - stretch.first
        missing[stretch.first : stretch.last] |= ~stretch.known
    wanted = np.zeros(num_frames, bool)
    for span in spans:
        wanted[span.start // 10 : -(-span.stop // 10)] = True
    np.testing.assert_array_equal(missing, wanted)
    assert [span for stretch in stretches for span in stretch.spans] == spans


@settings(max_examples=30, deadline=None)
@given(
    num_parts=st.integers(1, 4),
    num_samples=st.integers(1, 100_000),
    gain=st.floats(0.01, 0.9),
    seed=st.integers(0, 99),
)
def test_parts_add_up_at_any_gain(num_parts, num_samples, gain, seed):
    random = np.random.default_rng(seed)
    stems = {str(i): Scratch() for i in range(num_parts)}
    for sound in stems.values():
        sound.append(random.uniform(-0.25, 0.25, (2, num_samples)).astype(np.float32))
    balance = Balance(alone=gain, in_mix=gain, vocals=1.0)
    voice = Audio(np.ones((1, 1), np.float32), 44_100)
    none = Survey(1.0, np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32))
    delivery = Delivery(voice, none, Scratch(), num_samples, balance, stems)
    whole = np.concatenate(list(delivery.accompaniment_blocks()), axis=1)
    parts = [np.concatenate(list(delivery.stem_blocks(part)), axis=1) for part in stems]
    np.testing.assert_array_equal(np.sum(parts, axis=0, dtype=np.float64), whole)
    assert np.all(whole * 2**23 == np.rint(whole * 2**23))
    raw = np.concatenate(list(summed(sound.blocks() for sound in stems.values())), axis=1)
    np.testing.assert_allclose(whole, gain * raw, atol=num_parts * 2**-23)
