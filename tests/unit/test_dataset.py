import numpy as np
import pytest

torch = pytest.importorskip("torch")

from banso import conditioning as c  # noqa: E402
from banso import features  # noqa: E402
from banso.codec import parameters as p  # noqa: E402
from banso.config import TrainConfig  # noqa: E402
from banso.data.cache import Example  # noqa: E402
from banso.data.dataset import (  # noqa: E402
    CropDataset,
    condition_columns,
    parameter_columns,
    triads,
)
from banso.leadsheet import ChordSpan, LeadSheet  # noqa: E402

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


def transposed(rows, semitones):
    """Conditions [frames, features] as a batch takes them when its song moves."""
    columns = condition_columns(semitones).numpy()
    return np.pad(rows, ((0, 0), (0, 1)))[:, columns]


def test_chords_become_the_triad_they_hold():
    states = triads(sung()[:, c.CHORDS])
    middles = [states[round((3 * k + 1.5) * RATE)] for k in range(len(LABELS))]
    assert middles == [0, 12 + 9, 5, 7, 12 + 9, 12 + 4]
    assert states[-1] == 24


@pytest.mark.parametrize("semitones", [-5, 1, 7])
def test_transposing_moves_voice_and_chords_together(semitones):
    rows = sung()
    moved = transposed(rows, semitones)
    chroma = moved[:, c.VOCAL.start + 1 :][:, features.CHROMA].argmax(axis=1)
    assert set(chroma.tolist()) == {(4 + semitones) % 12}
    before, after = triads(rows[:, c.CHORDS]), triads(moved[:, c.CHORDS])
    roots = before // 12 * 12 + (before % 12 + semitones) % 12
    np.testing.assert_array_equal(after, np.where(before == 24, 24, roots))


def test_transposing_there_and_back_keeps_the_chords():
    rows = sung()
    again = transposed(transposed(rows, 5), -5)
    np.testing.assert_array_equal(again[:, c.CHORDS], rows[:, c.CHORDS])


@pytest.mark.parametrize("semitones", [-3, -1, 2])
def test_what_comes_in_at_the_end_of_the_scale_is_like_what_is_there(semitones):
    frame = np.arange(1, 1 + p.NUM_PARAMETERS, dtype=np.float32)[None]
    moved = frame[:, parameter_columns(semitones).numpy()]
    for scale in (slice(0, 96), slice(96, 192), slice(192, 288)):
        before, after = frame[0, scale], moved[0, scale]
        if semitones < 0:
            np.testing.assert_array_equal(after[semitones:], before[semitones:][::-1])
        else:
            np.testing.assert_array_equal(after[:semitones], before[:semitones][::-1])
    np.testing.assert_array_equal(moved[0, 288:], frame[0, 288:])


@pytest.mark.parametrize("semitones", [-3, 0, 2])
def test_tones_move_and_noise_stays(semitones):
    scale = np.zeros((1, 96), np.float32)
    scale[0, 40] = 1
    frame = p.Parameters(
        np.stack([scale, scale], 1), 20 * scale, np.ones((1, 4, 32), np.float32),
        np.ones((1, 16), np.float32), np.ones((1, 16), np.float32),
    ).to_array()  # fmt: skip
    moved = frame[:, parameter_columns(semitones).numpy()]
    found = p.Parameters.from_array(moved)
    assert found.tone_level[0].argmax(axis=1).tolist() == [40 + semitones] * 2
    assert np.flatnonzero(found.tone_cents[0]).tolist() == [40 + semitones]
    assert found.tone_level.sum() == 2
    assert found.noise_level.all()
    assert found.pan.all()


def numbered(name, frames):
    """A song whose frames say their number, counted from 1, in thousandths."""
    rows = np.zeros((frames, p.NUM_PARAMETERS), np.float16)
    rows[:, -1] = (1 + np.arange(frames)) / 1000
    conditions = np.zeros((frames, c.KNOWN.start), np.float16)
    conditions[:, c.STYLE.start] = rows[:, -1]
    return Example(name, "train", rows, conditions, vocals=rows)


def test_everything_about_a_crop_comes_from_the_same_frames():
    config = TrainConfig(batch_size=50, crop_frames=16, max_transpose=3)
    songs = [numbered("short", 10), numbered("long", 100)]
    batches = CropDataset(songs, config, 3, augment=True)
    frames = batches[1]["parameters"][..., -1]
    torch.testing.assert_close(frames, batches[1]["truth"][..., c.STYLE.start])
    torch.testing.assert_close(frames, batches[1]["vocals"][..., -1])
    numbers = (1000 * frames).round().long()
    short = (numbers == 0).any(dim=1)
    assert 10 < short.sum() < 40
    assert (numbers[short] == torch.tensor([*range(1, 11), *[0] * 6])).all()
    assert (numbers[~short].diff(dim=1) == 1).all()
    assert numbers.max() <= 100
    assert len(set(numbers[~short][:, 0].tolist())) > 10


def test_the_same_number_gives_the_same_batch_and_another_one_another():
    config = TrainConfig(batch_size=8, crop_frames=16)
    batches = CropDataset([numbered("song", 100)], config, 3, augment=True)
    for name, value in batches[1].items():
        torch.testing.assert_close(batches[1][name], value)
    assert (batches[1]["parameters"] != batches[2]["parameters"]).any()
