import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from banso import __version__
from banso.cli import app
from banso.delivery import Delivery
from conftest import sing

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("no_bundle_needed")


def run(*arguments):
    return runner.invoke(app, ["accompany", *map(str, arguments)])


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def assert_one_error(result, *words):
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("banso: error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_two_files_appear_beside_the_recording(vocals_file):
    path = vocals_file(sample_rate=48_000)
    result = run(path)
    assert result.exit_code == 0, result.output
    assert files_in(path.parent) == ["song.accompaniment.wav", "song.mix.wav", "song.wav"]
    info = soundfile.info(path.with_name("song.accompaniment.wav"))
    assert (info.samplerate, info.channels, info.frames) == (44_100, 2, 88_200)
    assert info.subtype == "PCM_24"


def test_json_is_one_flat_object_for_one_file(vocals_file):
    path = vocals_file()
    result = run(path, "--json", "--seed", 5, "--num-steps", 4, "--guidance-scale", 1)
    told = json.loads(result.stdout)
    assert told["seed"] == 5
    # Two seconds are 48 frames: three windows of 32, which know 16 and forget one, four steps each.
    assert told["num_evaluations"] == 12
    assert told["seconds"] == 2.0
    assert told["bundle"] == {"name": "fake", "hash": "0123456789ab"}
    assert set(told["timings"]) == {
        f"{p}_seconds" for p in ("features", "denoise", "decode", "rest")
    }
    assert Path(told["accompaniment"]).is_file()
    assert Path(told["mix"]).is_file()
    assert told["report"] is None


def test_guidance_costs_a_second_evaluation(vocals_file):
    told = json.loads(run(vocals_file(), "--json", "--num-steps", 4, "--guidance-scale", 2).stdout)
    # In each of the three windows, at the three of four noise levels that are at least 1.
    assert told["num_evaluations"] == 3 * (4 + 3)


def test_a_folder_is_a_batch_and_own_results_are_left_out(vocals_file, tmp_path):
    vocals_file("a.wav"), vocals_file("b.flac")
    out = tmp_path / "out"
    assert run(tmp_path, "--no-mix").exit_code == 0
    result = run(tmp_path, "--no-mix", "--json", "--output-dir", out)
    told = json.loads(result.stdout)
    assert [Path(r["input"]).name for r in told["results"]] == ["a.wav", "b.flac"]
    assert told["errors"] == []
    assert files_in(out) == ["a.accompaniment.wav", "b.accompaniment.wav"]


def test_a_batch_goes_on_after_a_bad_file(vocals_file, tmp_path):
    good, bad = vocals_file("good.wav"), tmp_path / "bad.wav"
    bad.write_text("not audio")
    result = run(bad, good, "--json")
    assert_one_error(result, "bad.wav")
    told = json.loads(result.stdout)
    assert len(told["results"]) == len(told["errors"]) == 1
    assert (tmp_path / "good.mix.wav").is_file()


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_formats_keep_length_and_provenance(vocals_file, suffix):
    path = vocals_file()
    assert run(path, "--format", suffix, "--seed", 3).exit_code == 0
    with soundfile.SoundFile(path.with_name(f"song.accompaniment.{suffix}")) as file:
        assert (file.samplerate, file.channels, file.frames) == (44_100, 2, 88_200)
        for words in (f"banso {__version__}", "AI-generated", "0123456789ab", "seed 3"):
            assert words in file.comment
        assert np.abs(file.read()).max() <= 10 ** (-0.9 / 20)


def test_same_seed_same_output(vocals_file, tmp_path):
    path = vocals_file()
    sounds = []
    for name, seed in (("one", 7), ("two", 7), ("three", 8)):
        assert run(path, "--seed", seed, "--output-dir", tmp_path / name).exit_code == 0
        sounds.append((tmp_path / name / "song.accompaniment.wav").read_bytes())
    assert sounds[0] == sounds[1] != sounds[2]


def test_vocal_gain_moves_the_voice_only(vocals_file, tmp_path):
    path = vocals_file()
    mixes = {}
    for gain in (0, -40):
        out = tmp_path / str(gain)
        assert run(path, "--seed", 1, "--vocal-gain-db", gain, "--output-dir", out).exit_code == 0
        mixes[gain] = soundfile.read(out / "song.mix.wav")[0]
    band = soundfile.read(out / "song.accompaniment.wav")[0]
    voice = soundfile.read(path)[0]
    np.testing.assert_allclose(mixes[0] - band, np.stack((voice, voice), 1), atol=1e-4)
    np.testing.assert_allclose(mixes[-40] - band, np.stack((voice, voice), 1) / 100, atol=1e-4)


# Bad input: one line, exit 1, nothing written.


def _silence(path):
    soundfile.write(path, np.zeros(44_100), 44_100)


def _short(path):
    soundfile.write(path, sing(0.1)[0], 44_100)


def _nan(path):
    samples = sing()[0]
    samples[50_000] = np.nan
    soundfile.write(path, samples, 44_100, subtype="FLOAT")


def _infinite(path):
    samples = sing()[0]
    samples[50_000] = np.inf
    soundfile.write(path, samples, 44_100, subtype="FLOAT")


def _text(path):
    path.write_text("These are words, not sounds. " * 100)


def _truncated(path, name="x.wav", **options):
    source = path.with_name(name)
    soundfile.write(source, sing(6.0)[0], 44_100, **options)
    data = source.read_bytes()
    source.unlink()
    path.write_bytes(data[: len(data) * 6 // 10])


def _header_only(path):
    _text(path)
    soundfile.write(path, sing()[0], 44_100)
    path.write_bytes(path.read_bytes()[:44])


def _riff_stub(path):
    soundfile.write(path, sing()[0], 44_100)
    path.write_bytes(path.read_bytes()[:20])


def _no_samples(path):
    soundfile.write(path, np.zeros(0), 44_100)


BAD = {
    "silence": (_silence, "no voice"),
    "0.1 s": (_short, "0.10 s"),
    "nan": (_nan, "NaN"),
    "infinity": (_infinite, "infinity"),
    "text": (_text, "reads wav, flac, mp3"),
    "truncated wav": (_truncated, "truncated"),
    "truncated flac": (lambda p: _truncated(p, "x.flac"), "truncated"),
    "words called mp3": (_text, "reads wav, flac, mp3", "voice.mp3"),
    "truncated mp3": (lambda p: _truncated(p, "x.mp3"), "truncated"),
    "truncated ogg": (lambda p: _truncated(p, "x.ogg"), "truncated"),
    "truncated aiff": (lambda p: _truncated(p, "x.aiff"), "truncated"),
    "header only": (_header_only, "truncated"),
    "stub": (_riff_stub, "damaged or truncated"),
    "no samples": (_no_samples, "no samples"),
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "missing": (lambda p: None, "does not exist"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_nothing_written(tmp_path, case):
    make, words, *names = BAD[case]
    path = tmp_path / (names[0] if names else "voice.wav")
    make(path)
    before = files_in(tmp_path)
    assert_one_error(run(path), words, path.name)
    assert files_in(tmp_path) == before


def test_existing_output_needs_force(vocals_file):
    path = vocals_file()
    kept = path.with_name("song.mix.wav")
    kept.write_bytes(b"precious")
    assert_one_error(run(path), "exists already", "--force")
    assert kept.read_bytes() == b"precious"
    assert files_in(path.parent) == ["song.mix.wav", "song.wav"]
    assert run(path, "--force").exit_code == 0
    assert soundfile.info(kept).frames == 88_200
    assert files_in(path.parent) == ["song.accompaniment.wav", "song.mix.wav", "song.wav"]


def test_output_folder_that_cannot_be_written_to(vocals_file, tmp_path, monkeypatch):
    path = vocals_file()
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert_one_error(run(path, "--output-dir", blocked / "out"), "cannot write")
    real_open = os.open

    def read_only(name, flags, *rest, **named):
        if ".banso-" in os.fspath(name):
            raise OSError(30, "Read-only file system")
        return real_open(name, flags, *rest, **named)

    # As root, which CI often is, permissions stop nobody; so the operating system says no here.
    monkeypatch.setattr(os, "open", read_only)
    assert_one_error(run(path), "cannot write", "Read-only file system")
    assert files_in(tmp_path) == ["file", "song.wav"]


def test_inputs_with_the_same_result_are_refused(vocals_file):
    assert_one_error(run(vocals_file("a.wav"), vocals_file("a.flac")), "would both be written")
    first = vocals_file("b.wav")
    second = vocals_file("b.mix.wav")
    assert_one_error(run(first, second, "--force"), "would replace one of the recordings")
    assert soundfile.info(second).channels == 1


def test_unknown_style_lists_the_known(vocals_file):
    assert_one_error(run(vocals_file(), "--style", "polka"), "polka", "pop, rock")


def test_empty_folder(tmp_path):
    assert_one_error(run(tmp_path), "holds no recordings")


@pytest.mark.parametrize(
    "options",
    [
        ("--format", "aac"),
        ("--num-steps", "0"),
        ("--seed", "-1"),
        ("--vocal-gain-db", "99"),
        ("--vocal-gain-db", "nan"),
        ("--plan", "perfect"),
        ("--nonsense",),
    ],
)
def test_bad_usage_exits_2(vocals_file, options):
    path = vocals_file()
    result = run(path, *options)
    assert result.exit_code == 2, result.output
    assert files_in(path.parent) == ["song.wav"]


# Odd but good input is simply read.

ODD = {
    "8 channels": ("voice.wav", {"num_channels": 8}),
    "192 kHz": ("voice.wav", {"sample_rate": 192_000}),
    "8 kHz": ("voice.wav", {"sample_rate": 8_000}),
    "stereo": ("voice.wav", {"num_channels": 2}),
    "24 bit": ("voice.wav", {"subtype": "PCM_24"}),
    "8 bit": ("voice.wav", {"subtype": "PCM_U8"}),
    "float": ("voice.wav", {"subtype": "FLOAT"}),
    "flac": ("voice.flac", {}),
    "mp3": ("voice.mp3", {}),
    "ogg": ("voice.ogg", {}),
    "aiff": ("voice.aiff", {}),
    "wrong suffix": ("voice.wav", {"format": "FLAC"}),
    "0.5 s": ("voice.wav", {"seconds": 0.5}),
    "11.025 kHz": ("voice.wav", {"sample_rate": 11_025}),
    "unicode": ("声 [bold] $x_1$.wav", {}),
    "dash": ("-voice.wav", {}),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_input_is_simply_read(vocals_file, case):
    name, options = ODD[case]
    path = vocals_file(name, **options)
    result = run("--no-mix", "--", path)
    assert result.exit_code == 0, result.output
    info = soundfile.info(path)
    wanted = (2 * info.frames * 44_100 + info.samplerate) // (2 * info.samplerate)
    out = path.with_name(f"{path.stem}.accompaniment.wav")
    samples, rate = soundfile.read(out, always_2d=True)
    assert rate == 44_100
    assert samples.shape == (wanted, 2)
    assert 1e-3 < np.abs(samples).max() <= 10 ** (-1 / 20) + 1e-6


def test_interrupt_leaves_nothing(vocals_file, monkeypatch):
    path = vocals_file()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Delivery, "write_mix", interrupted)
    result = run(path)
    assert result.exit_code == 130
    assert files_in(path.parent) == ["song.wav"]


def test_report_without_matplotlib_names_the_extra(vocals_file, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    path = vocals_file()
    assert_one_error(run(path, "--report"), "matplotlib", "banso[report]")
    assert files_in(path.parent) == ["song.wav"]


def test_version_and_help():
    assert runner.invoke(app, ["--version"]).stdout == f"banso {__version__}\n"
    text = runner.invoke(app, ["accompany", "--help"], env={"COLUMNS": "200"}).stdout
    for option in (
        "--output-dir",
        "--bundle",
        "--style",
        "--seed",
        "--plan",
        "--no-mix",
        "--json",
        "--report",
    ):
        assert option in text
