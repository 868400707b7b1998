"""Writes what the documentation takes from the code, so that the two can't differ.

A page holds blocks between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; everything else in it is written by
hand. `make docs` fills the blocks, `make docs-check` fails where a page does not say what the code says.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from docs import said
from moodle_appservice.bot.commands import COMMANDS
from moodle_appservice.config import Key, Settings, keys
from moodle_appservice.config.keys import Kind
from moodle_appservice.doctor.checks import CHECKS
from moodle_appservice.domain.model import UserId
from moodle_appservice.domain.power import power_levels
from moodle_appservice.domain.rules import DEFAULT_LEVELS, Rules
from moodle_appservice.moodle import errors, report_errors
from moodle_appservice.moodle.report_fetch import Choice
from moodle_appservice.moodle.report_kinds import KINDS, clicks
from moodle_appservice.problems import field_at
from moodle_appservice.web.metrics import METRICS

FOLDER = Path(__file__).parent
PRODUCT = FOLDER.parent / "moodle_appservice"
_MIB = 2**20
_FIRST_VERSION = "0.1.0"
_HOURS = "function _hours"
_ROOT_SECTION = "At the top of the file"
_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)
_BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}"}


def table(*rows: tuple[str, ...]) -> str:
    """A Markdown table; the first row is its head."""
    escaped = [[_cell(cell) for cell in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in escaped]
    return "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]) + "\n"


def _cell(text: str) -> str:
    """Text that ends no cell and is no HTML; within backquotes both are harmless but for the bar."""
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts).replace("|", "\\|")


def configuration() -> str:
    """Every key of the configuration, section by section."""
    sections: dict[str, list[Key]] = {"": []}
    titles: dict[str, str] = {"": _ROOT_SECTION}
    for key in keys():
        if key.kind is Kind.SECTION:
            sections[key.name], titles[key.name] = [], f"`{key.name}`"
        else:
            sections[key.name.rpartition(".")[0]].append(key)
    descriptions = {key.name: key.description for key in keys()}
    parts: list[str] = []
    for name, listed in sections.items():
        rows = [
            (f"`{key.name}`", _type(key), _default(key), f"`{example(key)}`", _since(key), key.description)
            for key in listed
        ]
        introduction = f"{descriptions[name]}\n\n" if name else ""
        head = ("Key", "Holds", "Default", "Such as", "Since", "Meaning")
        parts.append(f"## {titles[name]}\n\n{introduction}" + table(head, *rows))
    return "\n".join(parts)


def _type(key: Key) -> str:
    field = field_at(Settings, key.place)
    assert field is not None
    if key.kind is Kind.SECRET:
        return "secret text"
    if _HOURS in str(field.metadata):
        return "hours"
    if key.kind is Kind.LIST:
        return "list of times" if _time(field) else "list"
    if key.kind is Kind.MAP:
        return "map"
    if time := _time(field):
        return time
    kind = field.annotation
    if get_origin(kind) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(kind))
    if kind is bool:
        return "`on` or `off`"
    if "max_b" in key.name:
        return "size"
    if kind in (int, float) or int in get_args(kind):
        return _number(field, whole=kind is not float)
    return "file" if kind is Path else "text"


def _number(field: FieldInfo, *, whole: bool) -> str:
    words = ["whole number" if whole else "number"]
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "unit" in extra:
        words.append(f"of {extra['unit']}")
    for name, text in _BOUNDS.items():
        found = [getattr(part, name) for part in field.metadata if getattr(part, name, None) is not None]
        words += [text.format(found[0])] if found else []
    return " ".join(words)


def example(key: Key) -> str:
    """A value other than the default, as the file would have it."""
    given = _examples().get(key.name)
    if given is not None:
        return given
    field = field_at(Settings, key.place)
    assert field is not None
    if field.annotation is bool:
        return "off" if key.default else "on"
    return str(next(choice for choice in get_args(field.annotation) if choice != key.default))


@cache
def _examples() -> Mapping[str, str]:
    lines = (FOLDER / "examples.yaml").read_text(encoding="utf-8").splitlines()
    # As they are written, not as they are understood: the page shows what somebody would write.
    return dict(line.split(": ", 1) for line in lines if not line.startswith("#"))


def _since(key: Key) -> str:
    """The version that brought the key; a newer one says so in its field: `json_schema_extra={"since": "0.2.0"}`."""
    field = field_at(Settings, key.place)
    extra = field.json_schema_extra if field is not None else None
    return str(extra["since"]) if isinstance(extra, dict) and "since" in extra else _FIRST_VERSION


def _default(key: Key) -> str:
    if key.required:
        return "**required**"
    field = field_at(Settings, key.place)
    assert field is not None
    time = _time(field)
    if _HOURS in str(field.metadata):
        return "`{:02}-{:02}`".format(*key.default)
    if time and key.default is None and "never" in time:
        return "`never`"
    return _written(_as_duration(key.default) if time else key.default)


def _time(field: FieldInfo) -> str:
    """What a field of seconds may hold beside them; empty where it is none."""
    read_by = f"{field.annotation} {field.metadata}"
    if "function _delay" in read_by:
        return "a time, or `never`"
    return "a time" if "function _duration" in read_by else ""


def _as_duration(value: Any) -> Any:
    """Seconds as people write them."""
    if isinstance(value, tuple):
        return tuple(_as_duration(one) for one in value)
    if not isinstance(value, float):
        return value
    if not value:
        return "0"
    days, rest = divmod(value, 86_400)
    if rest:
        raise ValueError(f"{value} seconds are no whole days")
    return f"{days:.0f} day{'s' if days != 1 else ''}"


def _written(value: Any) -> str:
    """A value as the file would have it."""
    if value is None or value in ("", (), {}):
        return "empty"
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    if isinstance(value, int) and value >= _MIB and value % _MIB == 0:
        return f"`{value // _MIB} MiB`"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, Mapping):
        return f"`{{{', '.join(f'{name}: {item}' for name, item in value.items())}}}`"
    return f"`{value}`"


def bot_commands() -> str:
    """What the bot answers: each command, what is written behind it, who may use it, where the answer stands."""
    rows = [
        (
            f"`{command.usage}`",
            command.summary,
            command.rights.value,
            command.where.value,
            ", ".join(f"`{example}`" for example in command.examples),
        )
        for command in COMMANDS.values()
    ]
    return table(("Command", "What it does", "For", "The answer stands", "Such as"), *rows)


def role_levels() -> str:
    """The level that each Moodle role gives."""
    rows = [(f"`{role}`", str(level)) for role, level in DEFAULT_LEVELS.items()]
    return table(("Role in Moodle (short name)", "Power level"), *rows, ("any other role, or none", "0"))


def power() -> str:
    """What each power level may do, for the newest and for an older room version."""
    new, old = (_flat(version) for version in ("12", "11"))
    rows = [(f"`{name}`", str(level), str(old[name])) for name, level in new.items()]
    return table(("What", "Room version 12", "Room versions 10 and 11"), *rows)


def _flat(version: str) -> dict[str, int]:
    bot = UserId("@moodlebot:example.org")
    content = power_levels(version, Rules(site="uni", domain="example.org", bot=bot), {})
    found: dict[str, int] = {name: level for name, level in content.items() if isinstance(level, int)}
    found |= {f"notifications.{name}": level for name, level in content["notifications"].items()}
    found.update(content["events"])
    return found


def moodle_errors() -> str:
    """Every failure that Moodle, or the way to it, can cause."""
    rows = [
        (f"{kind.happened} …", kind.hint or "–", "yes" if issubclass(kind, errors.MoodleTemporary) else "no")
        for kind in (vars(errors) | vars(report_errors)).values()
        if isinstance(kind, type)
        and issubclass(kind, errors.MoodleError)
        and kind not in (errors.MoodleError, errors.MoodleTemporary, errors.MoodlePermanent)
    ]
    return table(("The message begins with", "What to do", "Tried again soon"), *rows)


def messages() -> str:
    """What every other error says, by what follows from it."""
    kinds = said.errors()
    parts: list[str] = []
    listed = said.messages()
    for kind, title in said.KINDS.items():
        rows = [(one.text, f"`{one.part}`") for one in listed if issubclass(kinds[one.error], kind)]
        parts.append(f"## {title}\n\n" + table(("The message", "Said by"), *dict.fromkeys(rows)))
    return "\n".join(parts)


def doctor_checks() -> str:
    """What `doctor` looks at."""
    rows = [(check.name, check.about, check.hint, str(int(check.code))) for check in CHECKS]
    return table(("Check", "Well when", "What to do", "Code"), *rows)


def metrics() -> str:
    """Every metric that Prometheus can read."""
    rows = [
        (f"`{one.full_name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels) or "–", one.text)
        for one in METRICS
    ]
    return table(("Name", "Kind", "Labels", "Meaning"), *rows)


def modules() -> str:
    """What every module of the domain and of the engine is about, in the first sentence of its docstring."""
    rows = []
    for folder in ("domain", "engine"):
        for path in sorted((PRODUCT / folder).rglob("*.py")):
            about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            if path.name != "__init__.py":
                sentence = re.split(r"(?<=\.)\s", about.partition("\n\n")[0].replace("\n", " "))[0]
                rows.append((f"`{path.relative_to(PRODUCT)}`", sentence))
    return table(("File", "What it is about"), *rows)


def reports() -> str:
    """What to click in Moodle for each report, by number; the needed ones first."""
    parts: list[str] = []
    for kind in sorted(KINDS, key=lambda kind: not kind.needed):
        name = Choice().name(kind)
        steps = [f"{number}. {step}" for number, step in enumerate(clicks(kind, name), 1)]
        need = "needed" if kind.needed else "optional"
        parts.append("\n".join([f"**{name}** ({need}): {kind.purpose}.", "", *steps]))
    return "\n\n".join(parts)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "configuration": configuration,
    "bot-commands": bot_commands,
    "role-levels": role_levels,
    "power-levels": power,
    "moodle-errors": moodle_errors,
    "metrics": metrics,
    "messages": messages,
    "doctor-checks": doctor_checks,
    "modules": modules,
    "reports": reports,
}


def filled(text: str) -> str:
    """A page with its blocks as the code is now. Raises `KeyError` for a block that nobody makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]().strip()}\n\n{found[3]}", text)


def stale() -> list[Path]:
    """The pages whose blocks differ from the code."""
    pages = [(page, page.read_text(encoding="utf-8")) for page in sorted(FOLDER.rglob("*.md"))]
    return [page for page, text in pages if filled(text) != text]


def main(words: list[str]) -> int:
    """Write the pages; with `--check` only say which are out of date."""
    found = stale()
    if "--check" in words:
        for page in found:
            print(f"{page}: out of date. Run: make docs", file=sys.stderr)
        return 1 if found else 0
    for page in found:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
        print(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
