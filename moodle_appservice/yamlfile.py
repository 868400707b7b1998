"""A YAML text as plain values that remember their lines, so that every complaint can name file and line.

The text is read into a tree of mappings, lists and *strings*: a scalar stays as it was written, and the key it stands
under decides what it means. So `language: no` is Norwegian, `version: 12` is a room version, a token that looks like a
number stays a token, and a switch takes `on`. An empty value (`key:`, `~`, `null`) means "not set".

What can't be read becomes `Problem`s in our own words. The parser's words are never passed on: they quote the text
around the place, and the text may hold a token.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .errors import Problem

Value: TypeAlias = "str | list[Value] | dict[str, Value] | None"
Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys, and positions in lists."""

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("str", "int", "float", "bool", "null", "timestamp", "merge", "map", "seq")
)
_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"

_QUOTE_IT = "Put the whole value in quotes."
_SYNTAX: tuple[tuple[str, str, str], ...] = (
    # (words of the parser, what is wrong, what is right); the first that matches counts.
    ("found character '\\t'", "a tab stands here", "Use spaces, never tabs."),
    ("that cannot start any token", "a value can't start with this character", _QUOTE_IT),
    ("while parsing a directive", "a value can't start with this character", _QUOTE_IT),
    (
        "found undefined alias",
        "a value that starts with * stands for another one, which is missing",
        _QUOTE_IT,
    ),
    ("while scanning a quoted scalar", "a quote is opened here and never closed", "Close it."),
    (
        "unknown escape character",
        "a backslash means something special in double quotes",
        "Use single quotes.",
    ),
    (
        "mapping values are not allowed",
        "a second colon, or a line that is indented too far",
        "Line the key up with its neighbours; put a value that holds a colon and a space in quotes.",
    ),
    ("could not find expected ':'", "a key without a colon", "Write it as `key: value`."),
    ("another document", "a second document starts here", "Keep one document in the file; remove the ---."),
    (
        "while parsing a flow",
        "a bracket or brace is not closed, or a comma is missing",
        "Close or complete it.",
    ),
    (
        "expected <block end>",
        "the indentation does not match the lines above",
        "Line the key up with its neighbours, with spaces.",
    ),
)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a file says. `lines` gives the 1-based line of each place; `problems` is what could not be read."""

    value: dict[str, Value] = field(repr=False)  # it may hold a token
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...]

    def line_of(self, place: Place) -> int | None:
        """The line of a place, or of the nearest place above it that the file has."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return None


def read(path: Path, *, missing: str) -> Tree:
    """Read a file; `missing` says what to do where it does not exist. Never raises for what the file holds."""
    name = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return _only(name, None, "the file does not exist", missing)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return _only(
            name, None, f"the file can't be read: {reason}", "Let this user read it, or name another file."
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _only(name, line, "this is not UTF-8 text", "Save the file as UTF-8.")
    return parse(text, name)


def parse(text: str, name: str) -> Tree:
    """Read the text of a file called `name`, whose top level is a mapping."""
    node = _compose(text, name)
    if isinstance(node, Problem):
        return Tree({}, {}, (node,))
    if node is None:
        return _only(name, None, "the file is empty", "Start from the example that `-g` writes.")
    if not isinstance(node, MappingNode):
        return _only(name, _line(node), "the file holds no keys", "Write it as `key: value` lines.")
    walk = _Walk(name)
    value = walk.mapping(node, ())
    return Tree(value, walk.lines, tuple(walk.problems))


def parse_value(text: str, name: str) -> Value | Problem:
    """Read a single value, such as a list in an environment variable called `name`."""
    node = _compose(text, name)
    if isinstance(node, Problem):
        return node
    if node is None:
        return None
    walk = _Walk(name)
    value = walk.value(node, ())
    return walk.problems[0] if walk.problems else value


def _only(name: str, line: int | None, wrong: str, right: str) -> Tree:
    return Tree({}, {}, (Problem(name, line, "file", wrong, right),))


def _compose(text: str, name: str) -> Node | Problem | None:
    parser = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            # The warning quotes the text; a repeated anchor is harmless.
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            node: Node | None = parser.compose(text)
            return node
    except MarkedYAMLError as error:
        return _syntax_problem(error, name)
    except YAMLError as error:
        position = getattr(error, "position", 0) or 0
        line = text.count("\n", 0, position) + 1
        return Problem(name, line, "file", "an invisible control character stands here", "Remove it.")
    except RecursionError:
        return Problem(name, None, "file", "brackets are nested too deeply", "Write a list as [1, 2, 3].")


def _syntax_problem(error: MarkedYAMLError, name: str) -> Problem:
    words = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    if "while scanning a quoted scalar" in words or "while parsing a flow" in words:
        # The parser notices at the end of the file; the person looks for where it was opened.
        mark = error.context_mark or mark
    line = None if mark is None else mark.line + 1
    for needle, wrong, right in _SYNTAX:
        if needle in words:
            return Problem(name, line, "file", wrong, right)
    return Problem(name, line, "file", "this is not valid YAML", "Compare the line with the example file.")


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


@dataclass(slots=True)
class _Walk:
    """One way through the tree of nodes, which collects values, lines and problems."""

    name: str
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)

    def value(self, node: Node, place: Place) -> Value:
        """The value of a node."""
        if node.tag not in _PLAIN_TAGS:
            self._complain(node, place, "a tag with ! means nothing here", "Write the value without it.")
            return None
        if isinstance(node, ScalarNode):
            return None if node.tag == _NULL else str(node.value)
        if id(node) in self.open_nodes:
            self._complain(node, place, "the value contains itself", "Write it out without & and *.")
            return None
        self.open_nodes.add(id(node))
        try:
            return self._list(node, place) if isinstance(node, SequenceNode) else self.mapping(node, place)
        finally:
            self.open_nodes.discard(id(node))

    def mapping(self, node: Node, place: Place) -> dict[str, Value]:
        """The keys of a mapping node; a repeated key is a problem, and its first value counts."""
        result: dict[str, Value] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag == _MERGE:
                self._complain(key_node, place, "this can't be a key", "Write each key out as a plain word.")
                continue
            key, line = str(key_node.value), _line(key_node)
            if key in first:
                wrong = f"the key is given twice, first in line {first[key]}"
                self._complain(key_node, (*place, key), wrong, "Keep one of the two.")
                continue
            first[key] = line
            self.lines[(*place, key)] = line
            result[key] = self.value(value_node, (*place, key))
        return result

    def _list(self, node: Node, place: Place) -> list[Value]:
        result: list[Value] = []
        for index, item in enumerate(node.value):
            self.lines[(*place, index)] = _line(item)
            result.append(self.value(item, (*place, index)))
        return result

    def _complain(self, node: Node, place: Place, wrong: str, right: str) -> None:
        self.problems.append(Problem(self.name, _line(node), spell(place), wrong, right))


def without_unset(
    value: dict[str, Value], keep: Callable[[Place], bool] = lambda _: False, above: Place = ()
) -> dict[str, Value]:
    """The mapping without the keys that have an empty value, which count as not written, unless `keep` says so."""
    kept: dict[str, Value] = {}
    for name, item in value.items():
        place = (*above, name)
        if item is not None or keep(place):
            kept[name] = without_unset(item, keep, place) if isinstance(item, dict) else item
    return kept


def spell(place: Place) -> str:
    """A place as a person reads it: `rooms.allow_courses, item 2`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f", item {part + 1}"
        else:
            text += f".{part}" if text else part
    return text or "file"
