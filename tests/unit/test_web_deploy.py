"""What `deploy/` starts can be started: its options exist, its paths agree."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from banso.cli import app

DEPLOY = Path(__file__).parents[2] / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "banso.service").read_text(encoding="utf-8")
README = (DEPLOY / "README.md").read_text(encoding="utf-8")


def parsed(words):
    """Let the command line read `banso ...`, as it does first; what it would be called with.

    An option that does not exist raises.
    """
    command = get_command(app).commands[words[0]]
    return command.make_context(words[0], list(words[1:])).params


def entrypoint():
    return json.loads(re.search(r"^ENTRYPOINT (.*)$", CONTAINERFILE, re.MULTILINE)[1])


def test_the_container_serves_to_others_and_keeps_data_in_its_volume():
    program, *words = entrypoint()
    options = parsed([*words, "--workers", "2"])
    assert options["host"] == "0.0.0.0"
    assert str(options["data"]) == re.search(r"^VOLUME (\S+)$", CONTAINERFILE, re.MULTILINE)[1]
    assert f"EXPOSE {options['port']}" in CONTAINERFILE
    assert f"127.0.0.1:{options['port']}/api/v1/health" in CONTAINERFILE
    # The program comes from the environment that the first stage makes.
    assert f"-m venv {Path(program).parents[1]}" in CONTAINERFILE


def test_the_container_has_a_user_of_no_rights():
    lines = CONTAINERFILE.splitlines()
    assert lines.index("USER banso") < lines.index("VOLUME /data")
    assert "--owner=banso" in CONTAINERFILE


def test_what_the_container_copies_is_let_in():
    ignored = (DEPLOY.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for name in ("src", "constraints.txt", "pyproject.toml", "README.md", "LICENSE"):
        assert f"!{name}" in ignored
        assert (DEPLOY.parent / name).exists()


def test_the_unit_serves_this_machine_from_its_own_folder():
    program, *words = re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[1].split()
    options = parsed(words)
    assert options["host"] == "127.0.0.1"
    assert options["data"] == Path("/var/lib") / re.search(r"^StateDirectory=(.*)$", UNIT, re.M)[1]
    assert f"python3 -m venv {Path(program).parents[1]}" in README
    assert "Restart=always" in UNIT


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", README))))
def test_advice_names_options_that_exist(option):
    names = {name for p in get_command(app).commands["serve"].params for name in p.opts}
    assert option in names
