import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import conditioning as c  # noqa: E402
from banso import features  # noqa: E402
from banso.config import TrainConfig  # noqa: E402
from banso.data.cache import Example  # noqa: E402
from banso.data.dataset import (  # noqa: E402
    VoiceDataset,
    triads,
    at_pace,
    transpose_conditions,
)
from banso.leadsheet import ChordSpan, LeadSheet  # noqa: E402
from tiny_networks import tiny_planner  # noqa: E402

pytestmark = pytest.mark.lab

RATE = 44_100 / 2048
BEATS = tuple(0.37 + 0.55 * k for k in range(40))
LABELS = ("C:maj", "A:min", "F:maj7", "G:7", "A:min7", "E:min/3")
SHEET = LeadSheet(
    beats=BEATS,
    downbeats=BEATS[::4],
    chords=tuple(ChordSpan(3.0 * k, 3.0 * k + 3, label) for k, label in enumerate(LABELS)),
)
FRAMES = 480


def sung():
    """Conditions [480, features] of a song whose voice holds E4 and its chroma."""
    heard = np.zeros((FRAMES, features.NUM_FEATURES), np.float32)
    heard[:, 64 - features.LOWEST_MIDI] = 1
    heard[:, features.CHROMA.start + 4] = 1
    return c.assemble(heard, RATE, lead_sheet=SHEET)[:, : c.KNOWN.start]


def test_chords_become_the_triad_they_hold():
    states = triads(sung()[:, c.CHORDS])
    middles = [states[round((3 * k + 1.5) * RATE)] for k in range(len(LABELS))]
    assert middles == [0, 12 + 9, 5, 7, 12 + 9, 12 + 4]
    assert states[-1] == 24


def test_transposed_crops_move_voice_and_chords_together():
    config = TrainConfig(crop_frames=256, seed=1, max_stretch=0.0)
    rows = sung()
    empty = np.zeros((FRAMES, 0), np.float16)
    example = Example("a", "train", empty, rows.astype(np.float16))
    plain = VoiceDataset([example], config, 8, augment=False)
    moved = VoiceDataset([example], config, 8, augment=True)
    steps = set()
    for index in range(8):
        one, two = plain[index], moved[index]
        chroma = [x["vocal"][0, 1:][features.CHROMA].argmax().item() for x in (one, two)]
        step = (chroma[1] - chroma[0]) % 12
        steps.add(step)
        for before, after in zip(one["chord"].tolist(), two["chord"].tolist(), strict=True):
            root = (before % 12 + step) % 12
            assert after == (24 if before == 24 else before // 12 * 12 + root)
    assert len(steps) > 1


def test_transposing_there_and_back_keeps_the_chords():
    rows = sung()
    again = transpose_conditions(transpose_conditions(rows, 5), -5)
    np.testing.assert_array_equal(again[:, c.CHORDS], rows[:, c.CHORDS])


def test_short_melodies_are_padded_with_silence():
    empty = np.zeros((FRAMES, 0), np.float16)
    example = Example("a", "train", empty, sung().astype(np.float16))
    crop = VoiceDataset([example], TrainConfig(crop_frames=512), 1, augment=False)[0]
    assert crop["vocal"].shape == (512, 84)
    assert crop["chord"].shape == (128,)
    assert not crop["vocal"][FRAMES:].any()


def test_every_answer_is_on_its_own_grid_and_depends_on_the_voice():
    planner = tiny_planner()
    vocal = torch.from_numpy(np.random.default_rng(0).random((2, 64, 84), dtype=np.float32))
    with torch.no_grad():
        plan = planner(vocal)
        alone = planner(vocal[1:])
        other = planner(vocal.flip(1))
    assert plan.shape == (2, 16, 25)
    torch.testing.assert_close(plan[1:], alone, rtol=1e-4, atol=1e-5)
    assert (plan - other).abs().max() > 1e-3


@pytest.mark.parametrize("pace", [0.85, 1.0, 1.18])
def test_a_faster_voice_has_its_beats_and_onsets_closer_together(pace):
    rows = sung()
    first = c.VOCAL.start + 1 + features.ONSETS.start
    onset = 1003  # quarter frames
    rows[onset // 4, first + onset % 4] = 1
    moved = at_pace(rows, pace)
    assert len(moved) == round(FRAMES / pace)
    turns = np.unwrap(np.arctan2(*moved[20:200, c.BEATS][:, 1:3].T)) / (2 * np.pi)
    bpm = 60 * RATE * (turns[-1] - turns[0]) / (len(turns) - 1)
    assert bpm == pytest.approx(60 / 0.55 * pace, rel=0.02)
    fine = moved[:, first : first + features.ONSETS_PER_FRAME].reshape(-1)
    assert abs(int(fine.argmax()) - onset / pace) <= 1
    assert set(np.unique(moved[:, c.CHORDS])) <= {0.0, 1.0}
