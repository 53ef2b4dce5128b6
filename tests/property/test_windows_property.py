import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from banso.windows import overlap_add, plan_windows


@st.composite
def plans(draw):
    window_frames = draw(st.integers(1, 64))
    num_known = draw(st.integers(0, window_frames - 1))
    return draw(st.integers(1, 500)), window_frames, num_known


@given(plans(), st.data())
def test_every_frame_stays_once_and_is_made_from_known_frames_only(plan, data):
    num_frames, window_frames, num_known = plan
    done = 0
    num_dropped = data.draw(st.integers(0, window_frames - num_known - 1))
    windows = plan_windows(num_frames, window_frames, num_known, num_dropped)
    for window in windows:
        # Known frames are the ones before `done`, new ones begin exactly there.
        assert window.start + window.num_known == done
        assert window.start >= 0
        assert window.num_new > 0
        assert window.num_known >= (num_known if window.start else 0)
        if len(windows) > 1:
            assert window.stop - window.start == window_frames
        assert window.num_dropped == (num_dropped if window.stop < num_frames else 0)
        done = window.end
    assert done == num_frames


@given(plans(), st.integers(0, 2**32 - 1))
def test_overlap_add_of_agreeing_pieces_is_the_identity(plan, seed):
    frames = np.random.default_rng(seed).standard_normal((plan[0], 3)).astype(np.float32)
    pieces = [(w.start, frames[w.start : w.stop]) for w in plan_windows(*plan)]
    np.testing.assert_array_equal(overlap_add(pieces, plan[0]), frames)
