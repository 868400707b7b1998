"""Writes the present names of keys into the text of a configuration, and touches nothing else in it.

A key that only has another name is renamed where it stands. One that belongs into another section moves there with all
that is below it; comments above it stay where they are. The result is taken only if it means exactly what the old text
meant (`migrated` compares the settings). What stands in braces can't be moved by lines and is left to the person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from ..errors import ConfigError, Problem, Refused
from .keys import FILE_SUFFIX
from .load import check
from .renamed import RENAMES, Renames

_STEP = "  "


def migrated(text: str, path: Path, environment: Mapping[str, str], renames: Renames = RENAMES) -> str:
    """The text with the present names. Raises `ConfigError` where it is wrong or has to be changed by hand."""
    before = check(text, path, environment, renames)
    found = text
    for rename in renames:
        for suffix in ("", FILE_SUFFIX):
            old = (*rename.old_place[:-1], rename.old_place[-1] + suffix)
            new = (*rename.new_place[:-1], rename.new_place[-1] + suffix)
            found = _renamed(found, str(path), old, new)
    if check(found, path, environment, renames).model_dump() != before.model_dump():
        raise Refused(
            f"{path} would mean something else with the new names. It was left as it is; rename the keys by hand: the "
            "warnings at the start name each with its line."
        )
    return found


@dataclass(frozen=True, slots=True)
class _Entry:
    """A key in the text: the mapping that holds it, its own node, what stands under it."""

    parent: MappingNode
    key: Node
    value: Node

    @property
    def first(self) -> int:
        """Its first line, from 0."""
        return int(self.key.start_mark.line)

    @property
    def last(self) -> int:
        """The last line that belongs to it."""
        return max(self.first, _last_line(self.value))


def _renamed(text: str, name: str, old: tuple[str, ...], new: tuple[str, ...]) -> str:
    entry = _find(text, old)
    if entry is None:
        return text
    if old[:-1] == new[:-1]:
        return text[: entry.key.start_mark.index] + new[-1] + text[entry.key.end_mark.index :]
    above = _way(text, old)
    target = _way(text, new[:-1])
    if any(one.parent.flow_style for one in (*above, *target)) or (
        target and isinstance(target[-1].value, MappingNode) and target[-1].value.flow_style
    ):
        wrong = f"it is called {'.'.join(new)} now and stands in braces, or would"
        right = "Move it by hand. Nothing was changed."
        raise ConfigError([Problem(name, entry.first + 1, ".".join(old), wrong, right)])
    return _moved(text, above, target, new)


def _moved(text: str, above: list[_Entry], target: list[_Entry], new: tuple[str, ...]) -> str:
    entry = above[-1]
    lines = text.splitlines(keepends=True)
    if not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    cut = lines[entry.first : entry.last + 1]
    if target:
        at, indent = target[-1].first + 1, _indent_below(target[-1])
    else:
        at, indent = len(lines), 0
    opened: list[str] = []
    for section in new[len(target) : -1]:
        opened.append(f"{' ' * indent}{section}:\n")
        indent += len(_STEP)
    key_at = int(entry.key.start_mark.column)
    cut[0] = f"{' ' * key_at}{new[-1]}{cut[0][int(entry.key.end_mark.column) :]}"
    put = [*opened, *(_indented(line, indent - key_at) for line in cut)]
    gone = set(range(entry.first, entry.last + 1))
    for one in reversed(above[:-1]):
        # A section that held nothing else goes with it.
        if len(one.value.value) > 1:
            break
        gone.add(one.first)
    made: list[str] = []
    for number, line in enumerate(lines):
        if number == at:
            made += put
        if number not in gone:
            made.append(line)
    return "".join(made if at < len(lines) else [*made, *put])


def _indented(line: str, by: int) -> str:
    if by >= 0 or not line.strip():
        return " " * max(by, 0) + line if line.strip() else line
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(-by, spaces) :]


def _indent_below(section: _Entry) -> int:
    value = section.value
    if isinstance(value, MappingNode) and value.value:
        return int(value.value[0][0].start_mark.column)
    return int(section.key.start_mark.column) + len(_STEP)


def _find(text: str, place: tuple[str, ...]) -> _Entry | None:
    way = _way(text, place)
    return way[-1] if len(way) == len(place) else None


def _way(text: str, place: tuple[str, ...]) -> list[_Entry]:
    """The part of a place that the text has, from the top down."""
    node = YAML(typ="safe", pure=True).compose(text)
    way: list[_Entry] = []
    for name in place:
        entry = _entry(node, name)
        if entry is None:
            break
        way.append(entry)
        node = entry.value
    return way


def _entry(node: Node, name: str) -> _Entry | None:
    if not isinstance(node, MappingNode):
        return None
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == name:
            return _Entry(node, key, value)
    return None


def _last_line(node: Node) -> int:
    if not isinstance(node, CollectionNode) or node.flow_style or not node.value:
        end = node.end_mark
        # A text block ends where the next line begins.
        return int(end.line) - 1 if end.column == 0 and end.line > node.start_mark.line else int(end.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(node, MappingNode) else last)
