"""The texts that people read, collected from the code: what the catalogues must hold, and nothing else.

The bot and the pages mark their texts (`_("…")`, `ngettext("…", "…", n)`, `N_("…")`, in templates too). The engine
marks nothing: below `domain`, `engine` and `doctor`, and where the adapters name errors, every piece of text that reads
as words is a sentence for people, unless it is logged, documents the code, or is listed in `NOT_FOR_PEOPLE`. A text
with values in it becomes one with `{placeholders}`; what stands in a constant of the module, or is one of two words, is
put in its place. The checks of `doctor` have names of one word, too: these are no sentences, in which a course of that
name would be found, but texts of the bot's catalogue.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from babel.messages.extract import extract_from_dir

PACKAGE = Path(__file__).parent.parent / "moodle_appservice"
_SQL = re.compile(
    r"(SELECT|INSERT|UPDATE|DELETE|VALUES|ON|AND|WHERE|PRAGMA|SET|CREATE|CASE|FROM|WITH)\b"
    r"|[a-z_]+( =|, [a-z_]+,|\(args)"
)
"""How the pieces begin of which queries are made."""
Texts = dict[str | tuple[str, str], list[str]]
"""A text, or the two of a plural → the files in which it stands."""

MARKS = frozenset({"_", "N_", "gettext", "refuse", "Misused"})
"""What marks a text: the first thing that it is called with. `ngettext` marks the first two."""
_MARKED = {
    "bot": ("bot",),
    "pages": ("web",),
    "sentences": ("languages", "engine", "registration.py"),
}
_SENTENCES = ("domain", "engine", "doctor")
_ERRORS = (
    *(
        f"matrix/{module}.py"
        for module in (
            *("accounts", "admin", "admin_token", "census", "client", "http", "mas", "mas_accounts", "media"),
            *("office", "room_admin", "synapse_accounts"),
        )
    ),
    *(f"moodle/{path.name}" for path in sorted((PACKAGE / "moodle").glob("*.py"))),
    "matrix/survey.py",
    "dryrun.py",
    "store/afterwards.py",
    "store/db.py",
    "store/people.py",
    "config/load.py",
    "config/renamed.py",
)
"""Modules that say to people what went wrong at Matrix, at Moodle, with the database, or what a running service has
been told in an odd way; what is so wrong in a file that nothing starts is only said where somebody starts it."""
_MACHINERY = (
    "engine/hall.py",
    "engine/picture_turns.py",
)
"""What runs the engine, and speaks to the log alone."""
"""Folders and files whose texts are for people unless they are listed as not."""
NOT_FOR_PEOPLE: frozenset[str] = frozenset(
    {
        r"\(user id \d+\)",
        r"\n#0 |Stack trace:|\[array \(",
        "<li><strong>{escape}</strong>: {shown}{escape_2}</li>",
        "<li>{anchor} ({escape})</li>",
        "Control room of {site}",
        "CourseAndRoster | errors.MoodleError",
        "Json | errors.MoodleError",
        "dict[str, Json]",
        "cas server (sso)",
        "course full name with link",
        "course short name with link",
        "email-based self-registration",
        "external database",
        "ldap server",
        "manual accounts",
        "mnet authentication",
        "no authentication",
        "no groups",
        "no login",
        "only see own membership",
        "only visible to members",
        "posts are read as Moodle shows them: the client must not ask for raw texts",
        "separate groups",
        "visible groups",
        "visible to everyone",
        "web services authentication",
        "Everything is in order.",
        "Moodle chat: management ({site})",
        "Moodle inbox",
        "<MoodleClient {base_url}>",
        "Not a known room",
        "SELECT pg_advisory_lock($1)",
        "SELECT pg_advisory_unlock($1)",
        "Nobody looks at keys of the kind {kind}.",
        "SetState {event_type} {state_key}",
        "a room is made by _create",
        "a listing without the front page, which every listing has",
        "a member without a number",
        "a warning about nobody",
        "accounts, which came without {missing}",
        "already exists",
        "already in the room",
        "application/json, image/*;q=0.9",
        "conditiondata is no object",
        "course 1 is Moodle's front page: everybody is in it and nobody is enrolled",
        "dict[str, Json] | list[Json] | str | int | float | bool | None",
        "every course of the site",
        "everybody in course {id}",
        "full name with link",
        "no list of warnings",
        "no servers",
        "not a server admin",
        "not banned",
        "not in room",
        "not in the room",
        "not one message with its number",
        "old account",
        "run --dry-run",
        "reports are read by their English headers: the client must ask for en",
        "stamina ends with an answer or an error",
        "unique rows",
        "{failed} of {results} checks failed.",
        "{function}: {values} values in one request, at most {MAX_VALUES}",
    }
)
"""Words that nobody reads: names of things, others' words that are looked for, what is only logged or is a bug."""


def collect(catalogue: str) -> Texts:
    """Every text of one catalogue."""
    found: Texts = {}
    for folder in _MARKED[catalogue]:
        for module in _modules(PACKAGE / folder):
            for text in marked(module.read_text(encoding="utf-8")):
                found.setdefault(text, []).append(str(module.relative_to(PACKAGE)))
    if catalogue == "bot":
        for module in sorted((PACKAGE / "doctor").glob("*.py")):
            for check in checks(module.read_text(encoding="utf-8")):
                found.setdefault(check.name, []).append(str(module.relative_to(PACKAGE)))
    if catalogue == "pages":
        for page, _, message, _, _ in extract_from_dir(
            PACKAGE / "web", [("**.html", "jinja2.ext:babel_extract")]
        ):
            key = message if isinstance(message, str) else (message[0], message[1])
            found.setdefault(key, []).append(f"web/{page}")
    if catalogue == "sentences":
        folders = (module for path in _SENTENCES for module in sorted((PACKAGE / path).rglob("*.py")))
        for module in (*folders, *(PACKAGE / path for path in _ERRORS)):
            if not str(module.relative_to(PACKAGE)).startswith(_MACHINERY):
                for text in sentences(module.read_text(encoding="utf-8")):
                    if text not in NOT_FOR_PEOPLE:
                        found.setdefault(text, []).append(str(module.relative_to(PACKAGE)))
    return {key: sorted(set(files)) for key, files in sorted(found.items(), key=lambda one: str(one[0]))}


def _modules(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def marked(source: str) -> Iterator[str | tuple[str, str]]:
    """The texts of one module that are marked, also those within f-strings."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = _name_of_call(node)
        texts = [
            arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
        ]
        if name == "ngettext" and len(texts) >= 2:
            yield texts[0], texts[1]
        elif name in MARKS and texts and isinstance(node.args[0], ast.Constant):
            yield texts[0]


@dataclass(frozen=True, slots=True)
class NamedCheck:
    """The name of a check of `doctor`. `others_need`: other checks name it, so it stands in a constant."""

    name: str
    others_need: bool


def checks(source: str) -> Iterator[NamedCheck]:
    """The checks that one module lists."""
    tree = ast.parse(source)
    constants = _constants(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Check"), args=[ast.Constant(value=str(name)), *_]):
                yield NamedCheck(name, others_need=False)
            case ast.Call(func=ast.Name(id="Check"), args=[ast.Name(id=name), *_]):
                yield NamedCheck(constants[name], others_need=True)


def sentences(source: str) -> Iterator[str]:
    """The texts of one module that read as words, and the names of checks as “Needs …” quotes them."""
    tree = ast.parse(source)
    constants = _constants(tree)
    silent = _silent(tree)
    yield from (f"“{check.name}”" for check in checks(source) if check.others_need)
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # What `str.format` fills by its place is a number.
            texts: Iterable[str] = [node.value.replace("{}", "{number}")]
        elif isinstance(node, ast.JoinedStr):
            texts = _templates(node, constants)
        else:
            continue
        yield from (text.strip() for text in texts if _is_words(text))


def _is_words(text: str) -> bool:
    if _SQL.match(text.strip()):
        return False
    plain = re.sub(r"\{\w*\}", "", text)
    return " " in text.strip() and len(re.findall(r"[a-z]{2,}", plain)) > 1


def _silent(tree: ast.AST) -> set[int]:
    """Nodes that nobody reads: documentation, what is logged, annotations, and the parts of what is taken whole."""
    found: set[int] = set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            found.update(id(part) for part in node.values)
        elif isinstance(node, ast.Call) and (_is_log(node.func) or _is_pattern(node.func)):
            found.update(id(part) for part in ast.walk(node))
        elif isinstance(node, ast.Call) and _name_of_call(node) in (*MARKS, "ngettext"):
            # It is marked, and in the catalogue of its part of the house.
            found.update(id(argument) for argument in node.args)
        elif isinstance(node, ast.Call) and _name_of_call(node) == "Check":
            # Its name is a text of the bot's, what it looks at is for the documentation.
            found.update(id(argument) for argument in node.args[:2])
            names.update(argument.id for argument in node.args[:1] if isinstance(argument, ast.Name))
        elif isinstance(node, ast.Assert) and node.msg is not None:
            found.update(id(part) for part in ast.walk(node.msg))
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                found.add(id(value))
    return found


def _name_of_call(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_log(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id in ("log", "logger")
    )


def _is_pattern(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ast.unparse(function) == "re.compile"


def _constants(tree: ast.Module) -> dict[str, str]:
    """Texts that stand in constants of the module."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                    found[target.id] = node.value.value
    return found


def _templates(node: ast.JoinedStr, constants: Mapping[str, str]) -> list[str]:
    """The text with placeholders; several where a part of it is one of two words."""
    names: list[str] = []
    choices = [_choices(part, constants, names) for part in node.values]
    return ["".join(parts) for parts in product(*choices)]


def _choices(part: ast.expr, constants: Mapping[str, str], names: list[str]) -> list[str]:
    if isinstance(part, ast.Constant):
        return [str(part.value)]
    assert isinstance(part, ast.FormattedValue)
    value = part.value
    if isinstance(value, ast.Name) and value.id in constants:
        return [constants[value.id]]
    if isinstance(value, ast.IfExp):
        arms = [value.body, value.orelse]
        texts = [arm.value for arm in arms if isinstance(arm, ast.Constant) and isinstance(arm.value, str)]
        if len(texts) == len(arms):
            return texts
    name = base = _name_of(value)
    number = 1
    while name in names:
        number += 1
        name = f"{base}_{number}"
    names.append(name)
    return [f"{{{name}}}"]


def _name_of(value: ast.expr) -> str:
    match value:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_")
        case ast.Call(func=ast.Name(id="len" | "str"), args=[inner, *_]):
            return _name_of(inner)
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner, *_]):
            return _name_of(inner)
        case ast.Call(func=ast.Name(id="sorted" | "map"), args=[*_, inner]):
            return _name_of(inner)
        case ast.Call(func=function):
            return _name_of(function)
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case ast.Subscript(value=inner) | ast.BoolOp(values=[inner, *_]):
            return _name_of(inner)
        case _:
            return "value"
