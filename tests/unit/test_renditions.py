import dataclasses
import json
import tracemalloc

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from banso import cli
from banso.audio import Audio
from banso.conditioning import OTHERS, PART_NAMES, PARTS
from banso.errors import AudioError, ConfigError
from banso.files import AudioReader
from banso.loudness import integrated_lufs
from banso.mixing import ACCOMPANIMENT_BELOW_VOCALS_LU
from banso.options import GenerationOptions, OutputOptions, kept_paths
from banso.others import expected_lufs, hear_others
from banso.scratch import Scratch
from fakes import fake_accompanist

STEMS = GenerationOptions(seed=1, stems=True)
LEVEL = 0.3


class Spy:
    """Keeps what it was told, and plays the same whatever it is."""

    def __init__(self):
        self.told = []

    def condition(self, conditioning):
        self.told.append(conditioning[0].copy())
        return lambda noisy, sigma: np.full_like(noisy, LEVEL)


@pytest.fixture
def spied():
    accompanist = fake_accompanist(guidance_scale=1.0, num_steps=1, window_frames=1_024)
    accompanist.denoiser = Spy()
    return accompanist


def guitar(seconds=2.0, hz=220.0, level=0.2):
    """A plucked tone each half second."""
    time = np.arange(round(seconds * 44_100)) / 44_100
    tone = sum(np.sin(2 * np.pi * k * hz * time) / k for k in range(1, 6))
    return Audio((level * tone * np.exp(-4 * (time % 0.5)))[None].astype(np.float32), 44_100)


def test_parts_are_played_in_turn_and_each_hears_those_before(spied, voice):
    result = spied.accompany(voice, dataclasses.replace(STEMS, parts=("harmony", "drums", "bass")))
    assert list(result.stems) == ["drums", "bass", "harmony"]
    rows = [told[0, PARTS] for told in spied.denoiser.told]
    np.testing.assert_array_equal(rows, [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 0, 0, 1, 0]])
    first, second, third = spied.denoiser.told
    assert not first[:, OTHERS].any()
    assert second[:, OTHERS.start].all()
    # The second hears the first as the codec encodes it, the third the sum of both.
    for told, count in ((second, 1), (third, 2)):
        heard = told[10:30, OTHERS.start + 1 : OTHERS.start + 3]
        np.testing.assert_allclose(heard, np.arctanh(count * np.tanh(LEVEL)), atol=1e-3)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_stems_add_up_to_the_last_bit(accompanist, vocals_file, suffix):
    output = OutputOptions(format=suffix, mix=False)
    result = accompanist.accompany_file(vocals_file(), output, STEMS)
    assert tuple(result.paths.stems) == PART_NAMES
    assert result.paths.stems["drums"].name == f"song.drums.{suffix}"
    stems = [exact(path) for path in result.paths.stems.values()]
    assert all(np.abs(stem).max() > 0 for stem in stems)
    np.testing.assert_array_equal(np.sum(stems, axis=0), exact(result.paths.accompaniment))


def exact(path):
    return np.concatenate(list(AudioReader(path).exact_blocks()), axis=1).astype(np.int64)


def test_stems_in_memory_are_those_of_the_files(accompanist, voice, vocals_file):
    made = accompanist.accompany(voice, STEMS)
    total = np.sum([stem.samples for stem in made.stems.values()], axis=0, dtype=np.float32)
    np.testing.assert_array_equal(total, made.audio.samples)
    files = accompanist.accompany_file(vocals_file(subtype="FLOAT"), options=STEMS).paths.stems
    for part, path in files.items():
        np.testing.assert_allclose(
            AudioReader(path).read().samples, made.stems[part].samples, atol=1e-4
        )


def test_the_sum_is_as_loud_as_a_band(accompanist, voice):
    made = accompanist.accompany(voice, STEMS)
    wanted = integrated_lufs(voice.to_stereo().samples, 44_100) - ACCOMPANIMENT_BELOW_VOCALS_LU
    assert integrated_lufs(made.audio.samples, 44_100) == pytest.approx(wanted, abs=0.05)
    assert made.provenance.lufs == pytest.approx(wanted, abs=0.05)
    assert made.provenance.parts == PART_NAMES


def test_parts_without_stems_are_played_at_once(spied, voice):
    made = spied.accompany(voice, GenerationOptions(seed=1, parts=("drums", "bass")))
    (told,) = spied.denoiser.told
    np.testing.assert_array_equal(told[0, PARTS], [1, 1, 1, 0, 0])
    assert not told[:, OTHERS].any()
    assert (made.provenance.parts, dict(made.stems)) == (("drums", "bass"), {})


def test_what_is_there_already_is_heard_and_left_out(spied, voice):
    made = spied.accompany(voice, GenerationOptions(seed=1, others=guitar()))
    (told,) = spied.denoiser.told
    assert told[:, OTHERS.start].all()
    assert np.abs(told[:, OTHERS.start + 1 :]).max() > 0
    assert made.provenance.parts == ("drums", "bass", "extra")


def test_the_mix_holds_what_is_there_already(accompanist, tmp_path, vocals_file):
    path = tmp_path / "guitar.wav"
    soundfile.write(path, guitar(1.5).samples.T, 44_100, subtype="FLOAT")
    options = GenerationOptions(seed=1, others=path, parts=("bass",))
    voice = vocals_file(subtype="FLOAT")
    result = accompanist.accompany_file(voice, OutputOptions(vocal_gain_db=6.0), options)
    mixed = AudioReader(result.paths.mix).read().samples
    band = AudioReader(result.paths.accompaniment).read().samples
    wanted = 10 ** (6 / 20) * AudioReader(voice).read().samples + band
    wanted[:, : round(1.5 * 44_100)] += guitar(1.5).samples
    scale = float((mixed * wanted).sum() / np.square(wanted).sum())
    np.testing.assert_allclose(mixed, scale * wanted, atol=1e-4)


def test_the_band_is_in_tune_with_what_is_there_already(accompanist, voice):
    sharp = guitar(hz=220 * 2 ** (30 / 1200))
    made = accompanist.accompany(voice, GenerationOptions(seed=1, others=sharp))
    assert made.provenance.tuning_hz == pytest.approx(440 * 2 ** (30 / 1200), abs=1)
    asked = accompanist.accompany(voice, GenerationOptions(seed=1, others=sharp, tuning_hz=442))
    assert asked.provenance.tuning_hz == pytest.approx(442)
    accompanist.codec.can_tune = False
    fixed = accompanist.accompany(voice, GenerationOptions(seed=1, others=sharp))
    assert fixed.provenance.tuning_hz == pytest.approx(440)


def drums(seconds=2.0):
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * 44_100)) / 44_100
    noise = random.standard_normal(len(time)) * np.exp(-30 * (time % 0.25))
    return Audio(0.3 * noise[None].astype(np.float32), 44_100)


@pytest.mark.parametrize(
    ("recording", "role"),
    [(guitar(), "harmony"), (guitar(hz=82.4), "bass"), (drums(), "drums")],
)
def test_a_recording_is_known_by_its_sound(recording, role):
    with Scratch() as sound:
        heard = hear_others(recording, 88_200, sound)
        assert heard.role == role
        loudness = integrated_lufs(np.concatenate(list(heard.blocks()), axis=1), 44_100)
        assert loudness == pytest.approx(expected_lufs((role,)), abs=0.1)
        assert (heard.tuning_cents is None) == (role == "drums")


def test_a_longer_recording_is_cut_and_a_shorter_one_followed_by_silence():
    for seconds in (1.0, 3.0):
        with Scratch() as sound:
            hear_others(guitar(seconds), 88_200, sound)
            kept = np.concatenate(list(sound.blocks()), axis=1)
        assert kept.shape == (2, 88_200)
        assert np.abs(kept[:, 44_200:]).max() == (0 if seconds < 2 else kept[:, 44_200:].max())


def test_silence_cannot_be_played_along_with(accompanist, voice):
    silence = Audio(np.zeros((1, 88_200), np.float32), 44_100)
    with pytest.raises(AudioError, match="silent"):
        accompanist.accompany(voice, GenerationOptions(others=silence))


def test_a_bundle_that_knows_no_parts_says_so(voice):
    accompanist = fake_accompanist()
    accompanist.knows_parts = False
    for options in (
        GenerationOptions(parts=("bass",)),
        GenerationOptions(stems=True),
        GenerationOptions(others=guitar()),
    ):
        with pytest.raises(ConfigError, match="plays whole bands only"):
            accompanist.accompany(voice, options)
    assert accompanist.accompany(voice).provenance.parts == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"parts": ("banjo",)}, "'banjo' is unknown; choose of drums, bass, harmony, extra"),
        ({"variations": 0}, "choose 1 to 16"),
        ({"keep": "worst"}, "best, all"),
        ({"stems": True, "others": "guitar.wav"}, "name the parts"),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(ConfigError, match=message):
        GenerationOptions(**values)


def test_variations_are_ranked_and_the_best_is_kept(accompanist, voice):
    options = GenerationOptions(seed=5, variations=4)
    best = accompanist.accompany(voice, options)
    candidates = best.provenance.candidates
    assert sorted(c.seed for c in candidates) == [5, 6, 7, 8]
    scores = [c.fit.score for c in candidates]
    assert scores == sorted(scores, reverse=True)
    assert best.provenance.seed == candidates[0].seed
    alone = accompanist.accompany(voice, GenerationOptions(seed=candidates[0].seed))
    np.testing.assert_array_equal(alone.audio.samples, best.audio.samples)
    assert (best.alternatives, alone.provenance.candidates) == ((), ())
    every = accompanist.accompany(voice, dataclasses.replace(options, keep="all"))
    kept = (every, *every.alternatives)
    assert [one.provenance.seed for one in kept] == [c.seed for c in candidates]


def test_all_variations_have_files_and_names(accompanist, vocals_file):
    options = GenerationOptions(seed=5, variations=3, keep="all", stems=True, parts=("bass",))
    path = vocals_file()
    fractions = []
    result = accompanist.accompany_file(path, None, options, fractions.append)
    written = [one.paths for one in (result, *result.alternatives)]
    assert tuple(written) == kept_paths(path, OutputOptions(), options)
    names = {p.name for paths in written for p in paths.all()}
    assert names == {
        f"song{rank}.{kind}.wav"
        for rank in ("", ".2", ".3")
        for kind in ("accompaniment", "mix", "bass")
    }
    assert {p.name for p in path.parent.iterdir()} == names | {"song.wav"}
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_memory_for_sound_is_shared(accompanist, vocals_file, monkeypatch):
    sizes = []
    make = Scratch.__init__

    def spy(self, folder=None, share=1.0):
        sizes.append(share)
        make(self, folder, share)

    monkeypatch.setattr(Scratch, "__init__", spy)
    options = GenerationOptions(seed=5, variations=2, keep="all", stems=True)
    accompanist.accompany_file(vocals_file(), options=options)
    assert sum(sizes) <= 1 + 1e-9


def run(*arguments):
    return CliRunner().invoke(cli.app, ["accompany", *map(str, arguments)])


def test_the_command_writes_stems_and_tells(no_bundle_needed, vocals_file):
    done = run(vocals_file(), "--stems", "--parts", "bass, drums", "--variations", 2, "--json")
    told = json.loads(done.stdout)
    assert told["parts"] == ["drums", "bass"]
    assert set(told["stems"]) == {"drums", "bass"}
    assert [set(c) for c in told["variations"]] == [
        {"seed", "score", "in_chord", "consonance", "sync"}
    ] * 2
    assert told["seed"] == told["variations"][0]["seed"]


def test_the_command_repaints(no_bundle_needed, vocals_file):
    path = vocals_file()
    assert run(path).exit_code == 0
    before = path.with_name("song.accompaniment.wav")
    first = exact(before)
    done = run(path, "--repaint", "0.5-1.2", "--from", before, "--force", "--json", "--seed", 3)
    assert json.loads(done.stdout)["regions"] == [[0.5, 1.2]]
    changed = np.flatnonzero((exact(before) != first).any(axis=0))
    assert (changed[0] >= 22_050, changed[-1] < 52_920) == (True, True)
    assert len(changed) > 30_000


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--repaint", "1-2"], 2, "--from FILE"),
        (["--from", "x.wav"], 2, "--repaint"),
        (["--repaint", "2-1", "--from", "x.wav"], 1, "region"),
        (["--parts", "banjo"], 1, "banjo"),
        (["--variations", "0"], 2, "variations"),
        (["--with", "missing.wav", "--parts", "bass"], 1, "missing.wav does not exist"),
    ],
)
def test_what_makes_no_sense_is_one_line(no_bundle_needed, vocals_file, arguments, code, message):
    done = run(vocals_file(), *arguments)
    assert done.exit_code == code
    assert message in done.stderr
    if code == 1:
        assert len(done.stderr.splitlines()) == 1


def test_one_guitar_belongs_to_one_voice(no_bundle_needed, vocals_file, tmp_path):
    vocals_file("a.wav"), vocals_file("b.wav")
    done = run(tmp_path, "--with", tmp_path / "a.wav")
    assert "one at a time" in done.stderr


def test_stems_are_not_sung_to(no_bundle_needed, vocals_file, tmp_path):
    vocals_file()
    assert run(tmp_path, "--stems").exit_code == 0
    done = run(tmp_path, "--stems", "--force", "--json")
    assert len(json.loads(done.stdout)["results"]) == 1


def test_memory_does_not_grow_with_stems(accompanist, vocals_file, monkeypatch):
    monkeypatch.setattr("banso.scratch._MEMORY_BYTES", 2**20)
    peaks = []
    for seconds in (6, 16):
        path = vocals_file(f"{seconds}.wav", seconds=seconds)
        tracemalloc.start()
        options = GenerationOptions(num_steps=1, stems=True, parts=("drums", "bass"), plan="none")
        accompanist.accompany_file(path, OutputOptions(mix=False), options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 10 s more are 3.5 MB of stereo sound in each of three streams; features may pile up.
    assert peaks[1] - peaks[0] < 3e6


@pytest.mark.lab
def test_a_network_that_learns_parts_plays_each_in_its_own_way(voice):
    from banso.train.listening import TorchDenoiser
    from tiny_networks import tiny_networks

    accompanist = fake_accompanist()
    accompanist.denoiser = TorchDenoiser(tiny_networks()[0])
    made = accompanist.accompany(
        voice, GenerationOptions(seed=1, stems=True, parts=("drums", "bass"))
    )
    alone = accompanist.accompany(voice, GenerationOptions(seed=1, parts=("drums",)))
    drums, bass = (made.stems[part].samples for part in ("drums", "bass"))
    likeness = [np.corrcoef(drums.ravel(), s.ravel())[0, 1] for s in (alone.audio.samples, bass)]
    assert likeness[0] == pytest.approx(1, abs=1e-4)
    assert likeness[1] < 0.9
