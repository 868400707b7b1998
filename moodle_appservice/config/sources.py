"""Where values come from: the file first, the environment over it, then the files that hold secrets.

`MOODLE_APPSERVICE_MOODLE__URL` overrides `moodle.url`: two underscores lead into a section. A single value is taken as
it is, a list or map is YAML or JSON (a list also `1, 2, 3`), an empty variable counts as not set. Every secret `x` may
stand in a file of its own instead, named by `x_file`; of the two, the one in the environment wins over the one in the
file. `Layers` keeps for every place where its value came from, so that a problem can name it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import Problem
from ..privatefile import is_open_to_all
from ..problems import Origin, nearest
from ..yamlfile import Place, Tree, Value, parse_value, spell, without_unset
from .keys import ENVIRONMENT_PREFIX, FILE_SUFFIX, Key, Kind, keys, variable
from .renamed import Renames, at

ENVIRONMENT = "environment"
# Kubernetes and Docker set these for a service that is called moodle-appservice.
_SERVICE_LINK = re.compile(r"(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")


@dataclass(slots=True)
class Layers:
    """The merged values, where each came from, and what was wrong on the way."""

    file: str
    folder: Path
    value: dict[str, Value] = field(repr=False)
    origins: dict[Place, Origin]
    problems: list[Problem]
    silenced: set[str] = field(default_factory=set)
    """Keys whose absence is somebody else's fault, which is reported already."""
    warnings: list[Problem] = field(default_factory=list)
    """What is understood all the same."""

    @classmethod
    def of(cls, tree: Tree, file: str, folder: Path) -> Layers:
        """Start with what the file says; a path in it is relative to `folder`."""
        origins = {place: Origin(file, line) for place, line in tree.lines.items()}
        return cls(file, folder, without_unset(tree.value, _is_unknown), origins, list(tree.problems))

    def origin_of(self, place: Place) -> Origin:
        """Where the value at a place comes from, or else the nearest place above it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.origins:
                found = self.origins[place[:length]]
                rest = place[length:]
                if not found.name or not rest:
                    return Origin(found.file, found.line, found.name)
                return Origin(found.file, found.line, spell((found.name, *rest)))
        return Origin(self.file)

    def complain(self, place: Place, wrong: str, right: str) -> None:
        """Note a problem with the value at a place."""
        origin = self.origin_of(place)
        self.problems.append(Problem(origin.file, origin.line, origin.name or spell(place), wrong, right))

    def put(self, place: tuple[str, ...], value: Value, origin: Origin) -> None:
        """Set a value; mappings are merged key by key, everything else is replaced."""
        section = self.value
        for name in place[:-1]:
            below = section.setdefault(name, {})
            if not isinstance(below, dict):
                return  # The file has a single value for a section: that problem is reported for the file.
            section = below
        if isinstance(value, dict) and isinstance(section.get(place[-1]), dict):
            for name, item in value.items():
                self.put((*place, name), item, origin)
            return
        section[place[-1]] = value
        self._forget_below(place)
        self.origins[place] = origin

    def get(self, place: tuple[str, ...]) -> Value:
        """The value at a place, None where there is none."""
        found: Value = self.value
        for name in place:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def take(self, place: tuple[str, ...]) -> Value:
        """Remove the value at a place and return it."""
        value, section = self.get(place), self.get(place[:-1]) if place[:-1] else self.value
        if isinstance(section, dict):
            section.pop(str(place[-1]), None)
        return value

    def has(self, place: tuple[str, ...]) -> bool:
        """Whether something stands there, be it empty."""
        section = self.get(place[:-1]) if place[:-1] else self.value
        return isinstance(section, dict) and place[-1] in section

    def move(self, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        """Let the value at `old` stand at `new`, where nothing stands; sections that are empty then go."""
        here = self.origin_of(old)
        below = {place: origin for place, origin in self.origins.items() if place[: len(old)] == old}
        value = self.take(old)
        for length in range(len(old) - 1, 0, -1):
            if self.get(old[:length]) == {}:
                self.take(old[:length])
        if value is None:
            return
        self.put(new, value, here)
        for place, origin in below.items():
            self.origins[(*new, *place[len(old) :])] = origin

    def _forget_below(self, place: Place) -> None:
        for known in [known for known in self.origins if known[: len(place)] == place]:
            del self.origins[known]


def apply_environment(layers: Layers, environment: Mapping[str, str], renames: Renames = ()) -> None:
    """Lay the variables with our prefix over the file; those of former names count as those of the present ones."""
    ours = {name: text for name, text in environment.items() if name.startswith(ENVIRONMENT_PREFIX)}
    # Sections before their keys, so that the more exact variable wins.
    for name in sorted(ours, key=lambda name: (name.count("__"), name)):
        rest = name.removeprefix(ENVIRONMENT_PREFIX)
        if _SERVICE_LINK.fullmatch(rest):
            continue
        place = tuple(rest.lower().split("__"))
        kind = _kind_at(place)
        if kind is None and (rename := at(place, renames)) is not None:
            place = rename.moved(place)
            kind = _kind_at(place)
            said = rename.problem(ENVIRONMENT, None, name, variable(place))
            if environment.get(variable(place), "").strip():
                wrong = f"it is the former name of {variable(place)}, which is set too"
                said = Problem(ENVIRONMENT, None, name, wrong, "Unset it.")
                kind = None
            (layers.problems if kind is None or not rename.is_understood() else layers.warnings).append(said)
            if kind is None:
                continue
        if kind is None:
            layers.problems.append(_unknown_variable(name))
        elif ours[name].strip():
            _apply_variable(layers, name, place, kind, ours[name])


def _apply_variable(layers: Layers, name: str, place: tuple[str, ...], kind: Kind, text: str) -> None:
    value: Value | Problem = text
    if kind is Kind.LIST and not text.lstrip().startswith(("[", "-")):
        value = [item.strip() for item in text.split(",")]
    elif kind in (Kind.LIST, Kind.MAP, Kind.SECTION):
        value = parse_value(text, ENVIRONMENT)
    if isinstance(value, Problem):
        layers.problems.append(Problem(ENVIRONMENT, None, name, value.wrong, value.right))
        return
    if isinstance(value, dict):
        value = without_unset(value, _is_unknown, place)
    layers.put(place, value, Origin(ENVIRONMENT, name=name))


def _is_unknown(place: Place) -> bool:
    return _kind_at(place) is None


def _kind_at(place: Place) -> Kind | None:
    known: dict[Place, Kind] = {key.place: key.kind for key in keys()}
    if place in known:
        return known[place]
    if known.get(place[:-1]) is Kind.MAP:
        return Kind.VALUE
    is_file = place in {_file_place(key) for key in _secrets()}
    return Kind.VALUE if is_file else None


def _unknown_variable(name: str) -> Problem:
    places = [key.place for key in keys() if key.kind is not Kind.SECTION]
    places += [_file_place(key) for key in _secrets()]
    # Compared without the prefix, which would make everything look alike.
    known = {"__".join(place): variable(place) for place in places}
    near = nearest(name.removeprefix(ENVIRONMENT_PREFIX), known)
    hint = f"Did you mean {known[near]}?" if near else "Unset it; two underscores lead into a section."
    return Problem(ENVIRONMENT, None, name, "no key belongs to this variable", hint)


def _secrets() -> list[Key]:
    return [key for key in keys() if key.kind is Kind.SECRET]


def _file_place(key: Key) -> tuple[str, ...]:
    return (*key.place[:-1], key.place[-1] + FILE_SUFFIX)


def apply_secret_files(layers: Layers) -> None:
    """Replace every `x_file` by `x` with what the file holds."""
    for key in _secrets():
        file_place = _file_place(key)
        name = layers.take(file_place)
        if name is None:
            continue
        here, there = layers.origin_of(file_place), layers.origin_of(key.place)
        if layers.get(key.place) is not None:
            if (here.file == ENVIRONMENT) == (there.file == ENVIRONMENT):
                layers.complain(file_place, f"{key.place[-1]} is given too", "Keep one of the two.")
                continue
            if there.file == ENVIRONMENT:
                continue
        layers.silenced.add(key.name)
        if not isinstance(name, str):
            layers.complain(file_place, "a list or a section stands here", "Write the name of one file.")
            continue
        secret = _read_secret(layers, file_place, layers.folder / name)
        if secret is not None:
            layers.put(key.place, secret, here)


def _read_secret(layers: Layers, place: Place, path: Path) -> str | None:
    try:
        readable_by_all = is_open_to_all(path)
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        layers.complain(place, f"{path} can't be read: {reason}", "Name a file that this user can read.")
        return None
    except UnicodeDecodeError:
        layers.complain(place, f"{path} is not UTF-8 text", "Let it hold the secret and nothing else.")
        return None
    if readable_by_all:
        layers.complain(place, f"every user of this machine can read {path}", f"Run: chmod 600 {path}")
    elif not text:
        layers.complain(place, f"{path} is empty", "Let it hold the secret and nothing else.")
    return text or None
