"""From a file and an environment to `Settings`: gather everything, check everything, report everything at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ..errors import ConfigError, Problem
from ..privatefile import is_open_to_all
from ..problems import PLACEHOLDER, explain, model_of
from ..yamlfile import Place, Tree, Value, parse, read
from .keys import Kind, keys
from .renames import RENAMES, Renames, understand
from .settings import Settings
from .sources import Layers, apply_environment, apply_secret_files


def load(path: Path, environment: Mapping[str, str], renames: Renames = RENAMES) -> Settings:
    """Read and check the configuration. Raises `ConfigError` with every problem; relative paths start at the file."""
    missing = f"Let moodle-appservice init -c {path} make one, or write an example with: moodle-appservice -g -c {path}"
    tree = read(path, missing=missing)
    layers = Layers.of(tree, str(path), path.absolute().parent)
    secret_inside = _holds_secret(layers)
    settings = _settings(tree, layers, environment, renames)
    if secret_inside and is_open_to_all(path):
        wrong = "every user of this machine can read it, and it holds a secret"
        settings._warnings += (
            Problem(str(path), None, "file", wrong, f"Run chmod 600 {path}, so that only its owner does."),
        )
    return settings


def check(text: str, path: Path, environment: Mapping[str, str], renames: Renames = RENAMES) -> Settings:
    """The settings as if this text stood in the file. Raises what `load` raises; nothing is written."""
    tree = parse(text, str(path))
    return _settings(tree, Layers.of(tree, str(path), path.absolute().parent), environment, renames)


def _settings(tree: Tree, layers: Layers, environment: Mapping[str, str], renames: Renames) -> Settings:
    if not tree.value and tree.problems:
        raise ConfigError(tree.problems)
    understand(layers, renames)
    apply_environment(layers, environment, renames)
    apply_secret_files(layers)
    _report_placeholders(layers)
    settings = _validate(layers)
    settings._warnings = tuple(layers.warnings)
    return settings


def _holds_secret(layers: Layers) -> bool:
    values = [layers.get(key.place) for key in keys() if key.kind is Kind.SECRET]
    # The address of an SQLite file is kept like a secret but is none.
    return any(isinstance(value, str) and not value.startswith("sqlite:") for value in values)


def _validate(layers: Layers) -> Settings:
    for name, field in Settings.model_fields.items():
        if model_of(field) is not None:
            # So that a missing section is reported key by key.
            layers.value.setdefault(name, {})
    try:
        settings = Settings.model_validate(layers.value, context={"folder": layers.folder})
    except ValidationError as error:
        known = {problem.path for problem in layers.problems} | layers.silenced
        found = explain(error, Settings, layers.origin_of)
        layers.problems += [problem for problem in found if problem.path not in known]
    if layers.problems:
        in_file = [problem for problem in layers.problems if problem.file == layers.file]
        elsewhere = [problem for problem in layers.problems if problem.file != layers.file]
        raise ConfigError([*sorted(in_file, key=lambda problem: problem.line or 0), *elsewhere])
    return settings


def _report_placeholders(layers: Layers) -> None:
    for place in _places_with_placeholder(layers.value, ()):
        layers.complain(place, "this is still the text of the example", "Write the value of your site.")


def _places_with_placeholder(value: Value, place: Place) -> list[Place]:
    if isinstance(value, str):
        return [place] if PLACEHOLDER in value else []
    found: list[Place] = []
    if isinstance(value, dict):
        for name, item in value.items():
            found += _places_with_placeholder(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _places_with_placeholder(item, (*place, index))
    return found
