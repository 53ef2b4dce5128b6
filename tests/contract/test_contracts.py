"""The import rules of pyproject.toml: they cover every module, and they hold."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAB = {"data", "eval", "model", "train"}


def contracts():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return settings["tool"]["importlinter"]["contracts"]


def core_modules():
    folder = ROOT / "src" / "banso"
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}
    return {f"banso.{name}" for name in (packages | modules) - LAB}


def test_every_core_module_is_held_to_the_rules():
    listed = [set(c["source_modules"]) for c in contracts() if c["name"].startswith("Core")]
    assert listed
    assert all(modules == core_modules() for modules in listed)


def test_each_way_from_core_to_lab_is_listed_by_name():
    core = next(c for c in contracts() if c["name"] == "Core never imports the lab")
    assert all("*" not in edge for edge in core["ignore_imports"])
    assert {edge.split(" ")[0] for edge in core["ignore_imports"]} == {
        "banso.cli_bundle",
        "banso.cli_evaluate",
        "banso.cli_lab",
        "banso.cli_prepare",
    }


@pytest.mark.lab
def test_the_rules_hold():
    program = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert program is not None, "needs import-linter, of the dev extra"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
