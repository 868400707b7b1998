"""Every sentence that an error of the product says, read from the source, so that the page of messages can't miss one.

An error says what its first argument says: a text, a text with placeholders (shown as …), or a constant of the module.
Errors of Moodle say what their class says and stand in the page on troubleshooting. The demo's own are left out.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import moodle_appservice
from moodle_appservice.doctor.frame import Caution
from moodle_appservice.errors import AppError, ConfigError, PermanentFailure, Refused, TemporaryFailure
from moodle_appservice.moodle.errors import MoodleError

SOURCE = Path(moodle_appservice.__file__).parent
KINDS: Mapping[type[AppError], str] = {
    TemporaryFailure: "Tried again by itself",
    PermanentFailure: "Waits until somebody changes something",
    Refused: "Declined: somebody asked for what can't be done now",
    Caution: "Warnings of `doctor`",
}
_LEFT_OUT = ("moodle_appservice.demo", "moodle_appservice.__main__")
_LEAST = 12
"""Letters; a message with fewer of its own is made of what another one says."""


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """One message: its text, the kind of error, and the part of the house that says it."""

    text: str
    error: str
    part: str


def errors() -> dict[str, type[AppError]]:
    """Every class of error outside the demo, by name."""
    for module in pkgutil.walk_packages([str(SOURCE)], "moodle_appservice."):
        if not module.name.startswith(_LEFT_OUT):
            importlib.import_module(module.name)
    return {kind.__name__: kind for kind in _below(AppError) if not kind.__module__.startswith(_LEFT_OUT)}


def _below(kind: type[AppError]) -> Iterator[type[AppError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def messages() -> list[Said]:
    """All messages, in the order of their texts."""
    own = {name for name, kind in errors().items() if not issubclass(kind, (MoodleError, ConfigError))}
    found: set[Said] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        place = path.relative_to(SOURCE)
        if place.parts[0] != "demo":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            part = place.parts[0] if len(place.parts) > 1 else place.stem
            found |= {Said(text, name, part) for name, text in _in_module(tree, own)}
    return sorted(one for one in found if sum(map(str.isalpha, one.text)) >= _LEAST)


def _in_module(tree: ast.Module, own: set[str]) -> Iterator[tuple[str, str]]:
    constants = {
        target.id: _text(node.value, {})
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in own:
            yield from ((node.name, text) for text in _of_super(node, constants))
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in own
            and node.args
        ):
            yield node.func.id, _text(node.args[0], constants)


def _of_super(node: ast.ClassDef, constants: Mapping[str, str]) -> Iterator[str]:
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and call.args and ast.unparse(call.func) == "super().__init__":
            yield _text(call.args[0], constants)


def _text(node: ast.expr, constants: Mapping[str, str]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = (_text(one, constants) if isinstance(one, ast.Constant) else "…" for one in node.values)
        return "".join(parts).strip()
    if isinstance(node, ast.Name):
        return constants.get(node.id, "")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return re.sub(r"\{\w*\}", "…", _text(node.func.value, constants))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, constants) + _text(node.right, constants)
    return ""
