"""The command line in a process of its own, on a real bundle through ONNX Runtime."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from banso.bundle import load_bundle


def banso(*arguments):
    command = [sys.executable, "-m", "banso", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_voice_becomes_a_band(vocals_file, debug_bundle):
    path = vocals_file("voice.wav", seconds=3.0, sample_rate=48_000)
    done = banso("accompany", path, "--bundle", debug_bundle, "--seed", 7, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["bundle"] == {"name": "debug", "hash": load_bundle(debug_bundle).hash}
    # The debug bundle plans too, though its band does not care.
    assert told["lead_sheet"]["chords"][-1][1] == pytest.approx(3.0)
    samples, sample_rate = soundfile.read(told["accompaniment"])
    assert (samples.shape, sample_rate) == ((132_300, 2), 44_100)
    assert 0.01 < np.sqrt(np.mean(samples**2)) < 0.5
    assert np.abs(samples).max() < 1


def test_the_seed_decides(vocals_file, debug_bundle, tmp_path):
    path = vocals_file("voice.wav")
    heard = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        out = tmp_path / folder
        done = banso("accompany", path, "--bundle", debug_bundle, "--seed", seed, "--no-mix",
                     "--output-dir", out)  # fmt: skip
        assert done.returncode == 0, done.stderr
        heard.append(soundfile.read(out / "voice.accompaniment.wav")[0])
    np.testing.assert_array_equal(heard[0], heard[1])
    assert np.abs(heard[0] - heard[2]).max() > 1e-3


@pytest.mark.parametrize("damage", ["missing", "byte", "manifest"])
def test_a_damaged_bundle_is_one_line_and_exit_code_1(damage, vocals_file, debug_bundle, tmp_path):
    broken = tmp_path / "bundle"
    if damage != "missing":
        broken.mkdir()
        for file in debug_bundle.iterdir():
            (broken / file.name).write_bytes(file.read_bytes())
        name = "denoiser.onnx" if damage == "byte" else "manifest.json"
        content = bytearray((broken / name).read_bytes())
        content[50] ^= 0xFF
        (broken / name).write_bytes(bytes(content))
    path = vocals_file("voice.wav")
    done = banso("accompany", path, "--bundle", broken)
    assert done.returncode == 1
    assert done.stderr.startswith("banso: error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in path.parent.iterdir() if p.is_file()) == ["voice.wav"]
