"""What README.md promises: its commands and options exist, its snippets run, its links lead on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from banso.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
PYTHON = [text for language, text in BLOCKS if language == "python"]


def commands():
    """Every `banso ...` in shell blocks, as words; lines may go on after a backslash."""
    lines = "\n".join(SHELL).replace("\\\n", " ").splitlines()
    words = [line.partition(" #")[0].split() for line in lines]
    return [line[1:] for line in words if line[:1] == ["banso"]]


def find_command(words):
    """Follow words through groups; return the command and the words left over."""
    command = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_two_commands_are_there_and_can_be_run():
    inside = README.partition("<!-- two commands -->")[2].partition("<!-- /two commands -->")[0]
    found = re.findall(r"^\./(\w+)", inside, re.MULTILINE)
    assert found == ["demo", "check"]
    for name in found:
        assert (ROOT / name).stat().st_mode & 0o111


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_and_options_exist(words):
    command, rest = find_command(words)
    assert not hasattr(command, "commands"), f"{words} names no command"
    known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    used = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert used <= known
    required = {p.opts[0] for p in command.params if p.required and p.param_type_name == "option"}
    assert required <= used


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python_snippets_run(number, tmp_path, monkeypatch, no_bundle_needed):
    shutil.copy(ROOT / "examples" / "vocal.flac", tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(PYTHON[number], f"README.md, snippet {number}", "exec"), {})
    assert list(tmp_path.glob("*.wav"))


def test_relative_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README)
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_ci_runs_the_readmes_commands():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "README.md" in script
    assert "./demo" not in script
    assert "./check" not in script


@pytest.mark.parametrize("name", ["demo", "check", "scripts/environment.sh", ".ci/run"])
def test_scripts_are_valid(name):
    shell = "bash" if name == ".ci/run" else "sh"
    subprocess.run([shell, "-n", str(ROOT / name)], check=True)
