"""The lock in requirements/ fits what pyproject.toml asks for, and says nothing about the machine it was made on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parent.parent
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_EXTRAS = _PROJECT["optional-dependencies"]
_WANTED = {
    "run": _PROJECT["dependencies"],
    "cluster": [*_PROJECT["dependencies"], *_EXTRAS["cluster"]],
    "test": [*_PROJECT["dependencies"], *_EXTRAS["cluster"], *_EXTRAS["demo"], *_EXTRAS["test"]],
}


def locked(name: str) -> dict[str, str]:
    text = (_ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==(\S+)", text)}


@pytest.mark.parametrize("name", _WANTED)
def test_every_wanted_package_is_locked_at_a_version_that_fits(name: str) -> None:
    versions = locked(name)
    wanted = [Requirement(line) for line in _WANTED[name]]
    assert [
        str(one) for one in wanted if versions.get(canonicalize_name(one.name), "none") not in one.specifier
    ] == [], "The lock is older than pyproject.toml: make lock"


@pytest.mark.parametrize("name", ["run", "cluster"])
def test_what_runs_is_what_was_tested(name: str) -> None:
    assert locked(name).items() <= locked("test").items()


@pytest.mark.parametrize("file", ["run.txt", "cluster.txt", "test.txt"])
def test_the_lock_names_no_index_host_or_path(file: str) -> None:
    text = (_ROOT / "requirements" / file).read_text(encoding="utf-8")
    assert re.findall(r"(?m)^--.*|\S*://\S*|@ file:\S*", text) == []
    packages = [block for block in re.split(r"(?m)^(?=\S+==)", text) if "==" in block.split("\n", 1)[0]]
    assert packages
    assert [block.split()[0] for block in packages if "--hash=sha256:" not in block] == []
