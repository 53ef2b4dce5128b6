import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from banso.audio import Audio
from banso.chords import parse_chord
from banso.conditioning import BEATS, CHORDS, KNOWN, NUM_CONDITIONS
from banso.errors import AudioError, BundleError, ConfigError
from banso.files import read_audio
from banso.leadsheet import ChordSpan, LeadSheet
from banso.loudness import LoudnessMeter
from banso.mixing import ACCOMPANIMENT_BELOW_VOCALS_LU, balance
from banso.options import GenerationOptions, OutputOptions
from banso.pulse import Pulse
from banso.stopwatch import Stopwatch
from banso.survey import survey
from conftest import sing
from fakes import HOP_LENGTH, fake_accompanist


def lufs(audio):
    meter = LoudnessMeter(audio.sample_rate)
    meter.add(audio.to_stereo().samples)
    return meter.integrated_lufs


def test_accompaniment_fits_the_voice(accompanist, voice):
    fractions = []
    result = accompanist.accompany(voice, GenerationOptions(seed=3), fractions.append)
    assert result.audio.samples.shape == (2, voice.num_samples)
    assert result.provenance.seed == 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    wanted = lufs(voice) - ACCOMPANIMENT_BELOW_VOCALS_LU
    assert lufs(result.audio) == pytest.approx(wanted, abs=0.05)
    assert result.provenance.lufs == pytest.approx(wanted, abs=0.05)


def test_files_and_memory_agree(accompanist, voice, vocals_file):
    path = vocals_file(subtype="FLOAT")
    written = accompanist.accompany_file(path, options=GenerationOptions(seed=1))
    memory = accompanist.accompany(voice, GenerationOptions(seed=1))
    file = read_audio(written.paths.accompaniment)
    np.testing.assert_allclose(file.samples, memory.audio.samples, atol=1e-5)


def test_level_and_offset_of_the_voice_do_not_change_the_notes(accompanist):
    quiet = Audio(0.01 * sing() + 0.2, 44_100)
    loud = Audio(sing(), 44_100)
    one, two = (
        accompanist.accompany(a, GenerationOptions(seed=1)).audio.samples for a in (quiet, loud)
    )
    one, two = one / np.abs(one).max(), two / np.abs(two).max()
    assert np.abs(one - two).max() < 0.05


def test_noise_depends_on_the_position_only():
    # The same song in short and in long windows starts from the same noise.
    conditioning = np.zeros((64, NUM_CONDITIONS), np.float32)
    sounds = []
    for window_frames in (16, 32, 64):
        accompanist = fake_accompanist(window_frames=window_frames, overlap_frames=8)
        pieces = accompanist.generate(conditioning, 5, GenerationOptions())
        sounds.append(np.concatenate(list(pieces)))
    np.testing.assert_allclose(sounds[0], sounds[2], atol=1e-5)
    np.testing.assert_allclose(sounds[1], sounds[2], atol=1e-5)


def test_a_window_is_told_what_the_last_one_wrote():
    seen = []

    class Spy:
        def condition(self, conditioning):
            seen.append(conditioning[0].copy())
            return lambda noisy, sigma: np.full_like(noisy, len(seen))

    accompanist = fake_accompanist(num_steps=1, guidance_scale=1.0)
    accompanist.denoiser = Spy()
    pieces = list(
        accompanist.generate(np.zeros((64, NUM_CONDITIONS), np.float32), 0, GenerationOptions())
    )
    # Windows of 32 frames, 16 known, the last one forgotten: 0-32, 15-47, 30-62, 32-64.
    assert [len(p) for p in pieces] == [31, 15, 15, 3]
    assert [float(p.mean()) for p in pieces] == [1, 2, 3, 4]
    flags = [s[:, KNOWN.start].sum() for s in seen]
    assert flags == [0, 16, 16, 29]
    np.testing.assert_array_equal(seen[2][0, KNOWN.start + 1 : KNOWN.stop], 1)
    np.testing.assert_array_equal(seen[2][1:16, KNOWN.start + 1 : KNOWN.stop], 2)
    np.testing.assert_array_equal(seen[2][16:, KNOWN], 0)


def test_decoding_gives_exactly_the_asked_length(accompanist):
    latents = [np.ones((5, 64), np.float32), np.ones((1, 64), np.float32)]
    for num_samples in (1, 2 * HOP_LENGTH + 1, 6 * HOP_LENGTH):
        blocks = list(accompanist.decode(latents, num_samples))
        assert sum(b.shape[1] for b in blocks) == num_samples


def test_a_model_that_makes_nan_is_a_bundle_error(accompanist, voice):
    accompanist.denoiser.condition = lambda conditioning: lambda noisy, sigma: noisy * np.nan
    with pytest.raises(BundleError, match="not numbers"):
        accompanist.accompany(voice)


def test_silent_accompaniment_stays_silent(accompanist, voice):
    accompanist.denoiser.condition = lambda conditioning: lambda noisy, sigma: noisy * 0
    result = accompanist.accompany(voice)
    assert np.abs(result.audio.samples).max() == 0
    assert result.provenance.lufs == -np.inf


def test_memory_does_not_grow_with_length(accompanist, vocals_file, monkeypatch):
    monkeypatch.setattr("banso.scratch._MEMORY_BYTES", 2**20)
    peaks = []
    for seconds in (15, 60):
        path = vocals_file(f"{seconds}.wav", seconds=seconds)
        tracemalloc.start()
        accompanist.accompany_file(path, options=GenerationOptions(num_steps=1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 45 s more are 16 MB of stereo sound; only features (8 kB a second) may pile up.
    assert peaks[1] - peaks[0] < 4e6


def test_channels_without_voice_do_not_dilute_it():
    voice = sing()
    eight = np.concatenate(
        (np.zeros((5, voice.shape[1]), np.float32), voice, 1e-5 * sing(num_channels=2))
    )
    heard = survey(Audio(eight, 44_100))
    np.testing.assert_allclose(heard.mono_weights, [[0, 0, 0, 0, 0, 1, 0, 0]])
    np.testing.assert_allclose(heard.stereo(eight), np.repeat(voice, 2, axis=0), atol=1e-6)


def test_channels_out_of_phase_do_not_cancel():
    voice = sing()
    heard = survey(Audio(np.concatenate((voice, -voice)), 44_100))
    assert np.abs(heard.analysis_mono(np.concatenate((voice, -voice)))).max() > 0.2


def test_offset_is_not_taken_for_a_voice():
    with pytest.raises(AudioError, match="no voice"):
        survey(Audio(np.full((1, 44_100), 0.5, np.float32), 44_100))


def test_garbage_levels_are_refused():
    with pytest.raises(AudioError, match="full scale is 1"):
        survey(Audio(1e9 * sing(), 44_100))


def test_balance():
    gains = balance(-20.0, -30.0, 0.1)
    assert gains.alone == gains.in_mix == pytest.approx(10 ** (8 / 20))
    loud = balance(-6.0, -30.0, 0.5)
    assert loud.alone == pytest.approx(10 ** (-1 / 20) / 0.5)
    assert loud.in_mix == pytest.approx(10 ** (22 / 20))
    assert balance(-np.inf, -20.0, 0.5).alone == 1.0


@pytest.mark.parametrize(
    "values",
    [{"seed": -1}, {"num_steps": 0}, {"guidance_scale": float("nan")}, {"guidance_scale": -1.0}],
)
def test_generation_options_are_checked(values):
    with pytest.raises(ConfigError):
        GenerationOptions(**values)


@pytest.mark.parametrize("values", [{"format": "ogg"}, {"vocal_gain_db": float("nan")}])
def test_output_options_are_checked(values):
    with pytest.raises(ConfigError):
        OutputOptions(**values)


def test_stopwatch_charges_each_moment_once(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    watch = Stopwatch()
    with watch.measure("decode"), watch.measure("denoise"):
        pass
    timings = watch.timings
    assert (timings.decode_seconds, timings.denoise_seconds, timings.rest_seconds) == (2, 1, 2)
    assert timings.total_seconds == 5


GIVEN = LeadSheet(chords=(ChordSpan(0.0, 2.0, "D:min"),))


def test_a_given_lead_sheet_wins_over_the_plan(accompanist, voice):
    listening = accompanist.listen(voice)
    assert listening.duration_seconds == 2.0
    planned = accompanist.plan(listening, GenerationOptions())
    assert (planned.chords[0].start_seconds, planned.chords[-1].end_seconds) == (0.0, 2.0)
    assert planned.chords != GIVEN.chords
    given = GenerationOptions(lead_sheet=GIVEN)
    assert accompanist.plan(listening, given).chords == GIVEN.chords
    assert accompanist.plan(listening, replace(given, plan="none")) is GIVEN
    assert accompanist.plan(listening, GenerationOptions(plan="none")) is None


def test_with_plan_none_only_what_is_fixed_is_obeyed(accompanist, voice):
    listening = accompanist.listen(voice)
    fixed = accompanist.plan(listening, GenerationOptions(plan="none", bpm=90.0))
    assert np.diff(fixed.beats) == pytest.approx(60 / 90, abs=2e-4)
    assert (fixed.chords, fixed.key) == ((), None)
    both = accompanist.plan(listening, GenerationOptions(plan="none", bpm=90.0, chords="A"))
    assert both.chords == (ChordSpan(0.0, 2.0, "A:maj"),)
    with pytest.raises(ConfigError, match="key"):
        GenerationOptions(plan="none", key="C")


def test_the_count_in_needs_bars_and_room(accompanist, voice):
    late = Audio(np.pad(voice.samples, ((0, 0), (3 * voice.sample_rate, 0))), voice.sample_rate)
    beats = tuple(0.5 * index for index in range(10))
    sheet = LeadSheet(beats=beats, downbeats=beats[::2], chords=(ChordSpan(0.0, 5.0, "C:maj"),))
    options = GenerationOptions(seed=1, lead_sheet=sheet, count_in=True)
    samples = accompanist.accompany(late, options).audio.samples
    assert samples.shape[1] == late.resampled(44_100).num_samples
    level = [np.abs(samples[:, int(t * 44_100) : int((t + 0.06) * 44_100)]).max() for t in beats]
    assert min(level[4:6]) > 10 * np.abs(samples[:, : 2 * 44_100 - 10]).max()
    assert np.abs(samples[:, 3 * 44_100 :]).max() > 0.01
    with pytest.raises(ConfigError, match="where bars are"):
        accompanist.accompany(voice, GenerationOptions(plan="none", count_in=True))


def test_the_plan_is_obeyed_and_told(accompanist, voice, monkeypatch):
    pulse = Pulse(np.arange(0.1, 2.0, 0.5), np.array([0.1]), 0.9, 120.0, ())
    monkeypatch.setattr("banso.song_plan.find_pulses", lambda *_: [pulse])
    options = GenerationOptions(seed=1)
    listening = accompanist.listen(voice)
    plan = accompanist.plan(listening, options)
    rows = accompanist.condition(listening, options, plan)
    for chord in plan.chords:
        first, last = (round(t * 44_100 / 2048) for t in (chord.start_seconds, chord.end_seconds))
        tones = np.zeros(12)
        tones[list(parse_chord(chord.label).pitch_classes)] = 1
        assert (rows[first + 1 : last - 1, CHORDS.start + 1 : CHORDS.start + 13] == tones).all()
    assert rows[10:40, BEATS.start].all()
    sheet = accompanist.accompany(voice, options).provenance.lead_sheet
    assert sheet == accompanist.plan(listening, options)
    told = accompanist.accompany(voice, GenerationOptions(seed=1, plan="none")).provenance
    assert told.lead_sheet is None


def test_an_unknown_plan_is_refused():
    with pytest.raises(ConfigError, match="none, auto"):
        GenerationOptions(plan="perfect")


def sharp_voice(cents):
    time = np.arange(4 * 44_100) / 44_100
    hz = 220 * 2 ** (np.array([0, 2, 4, 0])[(time).astype(int)] / 12 + cents / 1200)
    phase = 2 * np.pi * np.cumsum(hz) / 44_100
    return Audio(
        sum(0.2 / k * np.sin(k * phase) for k in range(1, 9))[None].astype(np.float32), 44_100
    )


@pytest.mark.parametrize(
    ("options", "can_tune", "hz"),
    [
        (GenerationOptions(seed=0), True, 440 * 2 ** (30 / 1200)),
        (GenerationOptions(seed=0, tuning_hz=442.0), True, 442.0),
        (GenerationOptions(seed=0), False, 440.0),
        (GenerationOptions(seed=0, tuning_hz=442.0), False, 440.0),
    ],
)
def test_the_band_is_tuned_to_the_voice_unless_asked_otherwise(options, can_tune, hz, monkeypatch):
    accompanist, asked = fake_accompanist(), []
    stream = accompanist.codec.decode_stream

    def decode_stream(*, tuning_cents):
        asked.append(440 * 2 ** (tuning_cents / 1200))
        return stream()

    monkeypatch.setattr(accompanist.codec, "decode_stream", decode_stream)
    accompanist.codec.can_tune = can_tune
    result = accompanist.accompany(sharp_voice(30), options)
    assert result.provenance.tuning_hz == pytest.approx(hz, abs=1.5)
    assert asked == [pytest.approx(result.provenance.tuning_hz)]


@pytest.mark.parametrize("hz", [415.0, 466.0, float("nan")])
def test_another_semitone_is_no_tuning(hz):
    with pytest.raises(ConfigError, match="428 to 452"):
        GenerationOptions(tuning_hz=hz)


def test_guidance_that_was_learned_costs_nothing_and_cannot_be_changed(voice):
    learned = {"guidance_folded": True, "guidance_scale": 2.0, "order": 1, "num_steps": 4}
    accompanist = fake_accompanist(**learned)
    result = accompanist.accompany(voice, GenerationOptions(seed=1, num_steps=5))
    as_asked = GenerationOptions(seed=1, num_steps=5, guidance_scale=2.0)
    again = accompanist.accompany(voice, as_asked)
    np.testing.assert_array_equal(result.audio.samples, again.audio.samples)
    guided = fake_accompanist(**learned | {"guidance_folded": False}).accompany(voice, as_asked)
    assert result.provenance.num_evaluations < guided.provenance.num_evaluations
    for scale in (1.0, 3.0):
        with pytest.raises(ConfigError, match=r"guidance_scale is .* learned guidance 2"):
            accompanist.accompany(voice, GenerationOptions(guidance_scale=scale))
