import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from banso.windows import overlap_add, plan_windows


@st.composite
def plans(draw):
    window_frames = draw(st.integers(1, 64))
    num_known = draw(st.integers(0, window_frames - 1))
    return draw(st.integers(1, 500)), window_frames, num_known


@given(plans())
def test_every_frame_is_generated_once_from_known_frames_only(plan):
    num_frames, window_frames, num_known = plan
    done = 0
    windows = plan_windows(num_frames, window_frames, num_known)
    for window in windows:
        # Known frames are the ones before `done`, new ones begin exactly there.
        assert window.start + window.num_known == done
        assert window.start >= 0
        assert window.num_new > 0
        assert window.num_known >= (num_known if window.start else 0)
        if len(windows) > 1:
            assert window.stop - window.start == window_frames
        done = window.stop
    assert done == num_frames


@given(plans(), st.integers(0, 2**32 - 1))
def test_overlap_add_of_agreeing_pieces_is_the_identity(plan, seed):
    frames = np.random.default_rng(seed).standard_normal((plan[0], 3)).astype(np.float32)
    pieces = [(w.start, frames[w.start : w.stop]) for w in plan_windows(*plan)]
    np.testing.assert_array_equal(overlap_add(pieces, plan[0]), frames)
