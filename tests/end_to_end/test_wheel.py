"""The wheel as a user gets it: what is in it, and that it plays in an environment without torch."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[2]
DEBUG_BUNDLE = ROOT / "tests" / "data" / "debug_bundle"
DEFAULT_BUNDLE = ROOT / "src" / "banso" / "bundles" / "default"
MAX_BYTES = 60_000_000

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=skipped)
    for name in ("pyproject.toml", "README.md", "LICENSE", "THIRD_PARTY.md"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    run(*pip, "--wheel-dir", str(folder), str(source))
    return next(folder.glob("banso-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install the wheel alone, with its own requirements; return the environment's programs."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", str(folder))
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    run(*pip, "--constraint", str(ROOT / "constraints.txt"), str(wheel))
    return folder / "bin"


def test_content(wheel):
    assert wheel.stat().st_size < MAX_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "banso/py.typed" in names
    assert not {name for name in names if name.startswith(("tests/", "examples/"))}
    bundle = {f"banso/bundles/default/{path.name}" for path in DEFAULT_BUNDLE.glob("*")}
    assert "banso/bundles/default/manifest.json" in bundle
    assert bundle <= names


def test_licences_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("licenses/THIRD_PARTY.md") for name in names)


def test_it_needs_five_packages_only(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = next(name for name in archive.namelist() if name.endswith("METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    needed = [line.split()[1] for line in lines if line.startswith("Requires-Dist:")]
    plain = [line for line in lines if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert len(plain) == 5
    assert len(needed) > 5


def test_there_is_no_torch(installed):
    code = "import importlib.util as u; print([m for m in ('torch', 'scipy') if u.find_spec(m)])"
    assert run(str(installed / "python"), "-c", code).strip() == "[]"


@pytest.mark.parametrize("bundle", [DEBUG_BUNDLE, None], ids=["debug", "default"])
def test_it_accompanies(installed, vocals_file, tmp_path, bundle):
    vocals = vocals_file(seconds=2.0)
    command = [str(installed / "banso"), "accompany", str(vocals), "--seed", "1", "--json"]
    command += [] if bundle is None else ["--bundle", str(bundle)]
    result = json.loads(run(*command, cwd=tmp_path))
    audio, rate = soundfile.read(result["accompaniment"])
    assert (len(audio), rate) == (2 * 44_100, 44_100)
    assert 0.01 < abs(audio).max() <= 1.0
    assert result["num_evaluations"] > 0


def test_the_labs_commands_name_the_extra(installed, tmp_path):
    command = [str(installed / "banso"), "train", "codec"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'banso[train]'" in done.stderr
