"""A real process, with everything a runner might hide: encoding of names, exit codes, signals."""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MAIN = "import fakes; fakes.install(); from banso.cli import main; main()"


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def process(*arguments, cwd, **options):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", MAIN, "accompany", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, check=False, **options
    )


def _obey_permissions():
    """Take from root, which CI often is, the right to write everywhere (CAP_DAC_OVERRIDE)."""
    if os.geteuid() == 0:
        drop_from_bounding_set, cap_dac_override = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, cap_dac_override, 0, 0, 0)


@pytest.mark.unprivileged
def test_process_leaves_a_read_only_folder_alone(tmp_path, vocals_file):
    path = vocals_file()
    tmp_path.chmod(0o555)
    try:
        probe = f"import os; raise SystemExit(os.access({str(tmp_path)!r}, os.W_OK))"
        command = [sys.executable, "-c", probe]
        if subprocess.run(command, preexec_fn=_obey_permissions, check=False).returncode:
            pytest.skip("no folder is read-only for this user")
        done = process(path, cwd=tmp_path, preexec_fn=_obey_permissions)
    finally:
        tmp_path.chmod(0o755)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"cannot write" in done.stderr
    assert b"Permission denied" in done.stderr
    assert files_in(tmp_path) == ["song.wav"]


def test_process_reports_bad_input(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/evil\n\x1b[31mname\xff.wav"))
    path.write_bytes(b"RIFF")
    done = process(os.fsencode(path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"banso: error: ")
    assert b"\x1b" not in done.stderr


def test_process_writes_json_for_a_name_that_is_no_text(tmp_path, vocals_file):
    path = tmp_path / os.fsdecode(b"v\xff.wav")
    vocals_file("v.wav").rename(path)
    done = process(os.fsencode(path), "--json", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seed"] == 1
    assert path.with_suffix(".mix.wav").exists()


def test_a_polite_kill_leaves_nothing(tmp_path, vocals_file):
    path = vocals_file()
    kill = (
        "import banso.delivery as d, os; d.Delivery.write_mix = lambda *_: os.kill(os.getpid(), 15)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", f"{kill}; {MAIN}", "accompany", str(path), "--num-steps", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr
    assert files_in(tmp_path) == ["song.wav"]
