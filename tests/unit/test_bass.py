import numpy as np
import pytest

from banso.codec import parameters as p
from banso.codec.analysis import analyze
from banso.codec.bass_analysis import bass_amplitudes
from banso.codec.bass_tracks import NUM_BASS, BassTracks, gather_neighbours
from banso.codec.synthesis import synthesize

RATE = p.SAMPLE_RATE
TURN = 2 * np.pi * p.HOP_LENGTH / p.TONES_PER_FRAME / RATE
HZ = p.tone_hz()[:NUM_BASS]


def levels(*steps):
    """Compressed levels of steps, each a dictionary of tone to amplitude."""
    rows = np.zeros((len(steps), NUM_BASS), np.float32)
    for row, step in zip(rows, steps, strict=True):
        for tone, amplitude in step.items():
            row[tone] = amplitude**p.COMPRESSION
    return rows


def follow(level, *, pieces=1):
    tracks = BassTracks(TURN, inaudible=1e-4)
    found = [
        tracks.add(part, np.tile(HZ, (len(part), 1))) for part in np.array_split(level, pieces)
    ]
    return [
        np.concatenate([getattr(f, name) for f in found]) for name in ("amplitude", "hz", "phase")
    ]


def glide(start_hz=160.0, end_hz=45.0, seconds=0.25):
    """A kick: falls in pitch and dies away."""
    time = np.arange(round(seconds * RATE)) / RATE
    hz = end_hz + (start_hz - end_hz) * np.exp(-time / 0.04)
    return 0.5 * np.exp(-time / 0.08) * np.sin(2 * np.pi * np.cumsum(hz) / RATE)


def correlation(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_power_goes_uphill_and_none_is_lost():
    power = np.random.default_rng(0).random((50, NUM_BASS)).astype(np.float32)
    gathered = gather_neighbours(power)
    np.testing.assert_allclose(gathered.sum(axis=1), power.sum(axis=1), rtol=1e-5)
    for row, kept in zip(power, gathered, strict=True):
        tops = [i for i in range(NUM_BASS) if row[i] == row[max(0, i - 1) : i + 2].max()]
        assert np.flatnonzero(kept).tolist() == tops


def test_silence_gathers_to_silence():
    assert not gather_neighbours(np.zeros((3, NUM_BASS), np.float32)).any()


def test_two_neighbours_are_heard_as_one():
    amplitude, _, _ = follow(levels(*[{9: 0.2, 10: 0.15}] * 6))
    assert np.flatnonzero(amplitude[-1]).tolist() == [9]
    assert amplitude[-1, 9] == pytest.approx(np.hypot(0.2, 0.15), rel=1e-4)


def test_tones_apart_stay_two():
    amplitude, _, _ = follow(levels(*[{2: 0.2, 14: 0.15}] * 4))
    assert np.flatnonzero(amplitude[-1]).tolist() == [2, 14]


def test_a_phase_runs_on_from_semitone_to_semitone():
    _, hz, phase = follow(levels({12: 0.3}, {12: 0.3}, {11: 0.3}, {10: 0.3}))
    tones = [12, 12, 12, 12, 11, 11, 10, 10]
    track = np.unwrap([phase[i, tone] for i, tone in enumerate(tones)])
    played = np.array([hz[i, tone] for i, tone in enumerate(tones)])
    # What a step adds is the turn at a frequency between the two.
    moved = np.diff(track) / (TURN / 2) % (2 * np.pi / (TURN / 2))
    low, high = np.minimum(played[:-1], played[1:]), np.maximum(played[:-1], played[1:])
    assert (moved >= low - 0.3).all()
    assert (moved <= high + 0.3).all()


def test_a_tone_far_away_begins_anew():
    amplitude, _, phase = follow(levels({4: 0.3}, {4: 0.3}, {16: 0.3}))
    assert phase[4, 16] == pytest.approx(-np.pi / 2)
    assert amplitude[4, 4] > 0  # the old one fades
    assert amplitude[5, 4] == 0


def test_pieces_follow_the_same_as_the_whole():
    random = np.random.default_rng(1)
    level = random.random((40, NUM_BASS)).astype(np.float32) * (random.random((40, 24)) < 0.3)
    whole, parts = follow(level), follow(level, pieces=7)
    sounds = whole[0] > 0
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1][sounds], parts[1][sounds])
    turns = (whole[2] - parts[2])[sounds] / (2 * np.pi)
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-6)


def test_a_steady_bass_is_one_tone():
    time = np.arange(2 * RATE) / RATE
    found = bass_amplitudes((0.3 * np.sin(2 * np.pi * 55.0 * time)).astype(np.float32), 43, 0.0)
    middle = found[10:-10]
    assert (middle.argmax(axis=1) == 9).all()
    assert middle[:, 9] == pytest.approx(0.3, rel=0.1)
    assert middle[:, np.arange(NUM_BASS) != 9].max() < 0.01


def test_kicks_between_two_notes_do_not_smear():
    kicks = np.zeros(2 * RATE)
    for start in (0.3, 0.9, 1.5):
        kicks[round(start * RATE) :][: len(glide())] += glide()
    found = bass_amplitudes(kicks.astype(np.float32), 43, 0.0)
    level = np.sqrt((found**2).sum(axis=1))
    seconds = (np.arange(len(level)) + 0.5) * p.HOP_LENGTH / p.TONES_PER_FRAME / RATE
    before = level[(seconds > 0.8) & (seconds < 0.87)].max()
    inside = level[(seconds > 0.9) & (seconds < 1.0)].max()
    assert before < 0.05 * inside


def test_a_kick_comes_back_as_a_glide_without_rumble():
    sound = np.zeros(RATE)
    sound[RATE // 4 :][: len(glide())] = glide()
    stereo = np.stack([sound, sound]).astype(np.float32)
    played = synthesize(analyze(stereo))[0][:RATE]
    spectra = [
        np.abs(np.fft.rfft(s[start : start + 4_096] * np.hanning(4_096)))[:40]
        for s in (sound, played)
        for start in range(RATE // 4, RATE // 2, 1_024)
    ]
    original, again = np.split(np.array(spectra), 2)
    # 0.89; peaks alone, each with a phase of its own, gave 0.72.
    assert correlation(original.ravel(), again.ravel()) > 0.8
    # What goes on after it has died away is rumble.
    assert np.abs(played[round(0.62 * RATE) :]).max() < 0.03


def test_nothing_below_172_hz_is_noise():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32)
    found = analyze(noise).noise_level
    assert not found[..., :2].any()
    assert found[4:-4, :, 20:].mean() > 0.2
