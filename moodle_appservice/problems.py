"""Turns the errors of a validation into `Problem`s: the place, what is wrong there, what is right.

A check of our own raises `wrong("is not a web address", "Write it as https://…")`: the first text continues the value,
the second is a sentence. Errors that pydantic finds itself are put into the same form here, with bounds and choices
taken from the field. A value is quoted only where it can't be a secret: the field is no `SecretStr`, and the text does
not look like a token or an address with a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from .errors import Problem
from .yamlfile import Place, spell

PLACEHOLDER = "CHANGE-ME"
"""Stands in the example files where only the administrator knows the value."""

_LONGEST_QUOTE = 60
_LIKE_A_SECRET = re.compile(r"//[^/]*@|[A-Za-z0-9_+=-]{20,}|password|secret|token", re.IGNORECASE)
_PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from; `name` is how its place is called there, e.g. an environment variable."""

    file: str
    line: int | None = None
    name: str = ""


def wrong(what: str, right: str) -> PydanticCustomError:
    """The error that a check raises: `what` continues the value, `right` is a sentence."""
    return PydanticCustomError(_PLAIN, "{what}", {"what": what, "right": right})


def explain(
    error: ValidationError, model: type[BaseModel], origin_of: Callable[[Place], Origin]
) -> list[Problem]:
    """Every error of a validation of `model` as a problem, in the order of the file."""
    problems = [
        _problem(details, model, origin_of)
        for details in error.errors(include_url=False)
        if details["type"] != "default_factory_not_called"
    ]
    return sorted(problems, key=lambda problem: problem.line or 0)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; empty where none is near."""
    return next(iter(get_close_matches(word.lower(), list(known), n=1, cutoff=0.65)), "")


def either(words: Iterable[str]) -> str:
    """`a`, `b or c`, `a, b or c`."""
    listed = list(words)
    return " or ".join(filter(None, [", ".join(listed[:-1]), listed[-1]])) if listed else ""


def quote(value: object, *, secret: bool = False) -> str:
    """A value as an error may show it: in quotes if it is short and can't be a secret, else "the value"."""
    text = str(value)
    hidden = secret or not isinstance(value, str | int | float) or len(text) > _LONGEST_QUOTE
    if hidden or _LIKE_A_SECRET.search(text):
        return "the value"
    return f'"{text}"'


def _problem(details: ErrorDetails, model: type[BaseModel], origin_of: Callable[[Place], Origin]) -> Problem:
    place: Place = tuple(part for part in details["loc"] if part != "[key]")
    field = field_at(model, place)
    what, right = _words(details, place, model, field)
    origin = origin_of(place)
    return Problem(origin.file, origin.line, origin.name or spell(place), what, right)


def field_at(model: type[BaseModel], place: Place) -> FieldInfo | None:
    """The field at a place, or the nearest one above it; None where there is none."""
    found: FieldInfo | None = None
    current: type[BaseModel] | None = model
    for part in place:
        if current is None or part not in current.model_fields:
            return found
        found = current.model_fields[str(part)]
        current = model_of(found)
    return found


def model_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section, else None."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def is_secret(field: FieldInfo | None) -> bool:
    """Whether the field holds a `SecretStr`, alone or beside None."""
    if field is None:
        return False
    options = (
        get_args(field.annotation)
        if get_origin(field.annotation) in (Union, UnionType)
        else [field.annotation]
    )
    return SecretStr in options


def _words(
    details: ErrorDetails, place: Place, model: type[BaseModel], field: FieldInfo | None
) -> tuple[str, str]:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return "it is missing", f"Add it: {_description(field)}"
    if kind == "extra_forbidden":
        return "there is no such key", _nearest_key(place, model)
    value = quote(details["input"], secret=is_secret(field))
    if kind == _PLAIN:
        return f"{value} {context['what']}", str(context["right"])
    if kind in ("model_type", "dict_type", "mapping_type", "model_attributes_type"):
        return "a single value or a list stands here", "Put `key: value` lines below it, indented."
    if kind in ("tuple_type", "list_type", "iterable_type"):
        return f"{value} is not a list", "Write a list: [one, two]."
    if isinstance(details["input"], list | dict):
        return "a list or a section stands here", f"Write one value: {_description(field)}"
    if kind.startswith("bool_"):
        return f"{value} is neither on nor off", "Write true or false, or on or off."
    if kind == "literal_error":
        return f"{value} is not one of the choices", f"Write {either(_choices(field))}."
    if kind.startswith(("int_", "float_")) or kind == "finite_number":
        return f"{value} is not a {_number(field)}", _bounds(field, context)
    if kind.startswith(("greater_than", "less_than")):
        size = "small" if kind.startswith("greater") else "large"
        return f"{value} is too {size}", _bounds(field, context)
    if kind == "string_too_short":
        return "it is empty", f"Fill it in: {_description(field)}"
    return f"{value} can't be used here", _description(field)


def _description(field: FieldInfo | None) -> str:
    text = (field.description or "").strip() if field else ""
    return text or "see the example file."


def _choices(field: FieldInfo | None) -> list[str]:
    if field is None or get_origin(field.annotation) is not Literal:
        return ["another value"]
    return [str(choice) for choice in get_args(field.annotation)]


def _number(field: FieldInfo | None) -> str:
    return "number" if field is not None and field.annotation is float else "whole number"


def _bounds(field: FieldInfo | None, context: dict[str, Any]) -> str:
    limits = dict(context)
    for constraint in field.metadata if field else ():
        for name in ("ge", "gt", "le", "lt"):
            if getattr(constraint, name, None) is not None:
                limits[name] = getattr(constraint, name)
    parts = [f"Write a {_number(field)}"]
    extra = field.json_schema_extra if field else None
    if isinstance(extra, dict) and "unit" in extra:
        parts.append(f"of {extra['unit']}")
    words = {"ge": "from {} up", "gt": "above {}", "le": "up to {}", "lt": "below {}"}
    parts += [words[name].format(limits[name]) for name in words if name in limits]
    return " ".join(parts).replace(" up up to ", " to ") + "."


def _nearest_key(place: Place, model: type[BaseModel]) -> str:
    *above, word = place
    parent = model if not above else _section(model, tuple(above))
    known = list(parent.model_fields) if parent else []
    near = nearest(str(word), known)
    if near:
        return f"Did you mean {near}?"
    elsewhere = [name for name in places(model) if name.rpartition(".")[2] == str(word).lower()]
    if elsewhere:
        return f"Did you mean {either(elsewhere)}? Mind the indentation."
    return f"Remove it. The keys here are {', '.join(known)}." if known else "Remove it."


def _section(model: type[BaseModel], place: Place) -> type[BaseModel] | None:
    field = field_at(model, place)
    return model_of(field) if field else None


def places(model: type[BaseModel], above: str = "") -> list[str]:
    """The dotted name of every key of a model, sections included."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(above + name)
        below = model_of(field)
        if below is not None:
            names += places(below, f"{above}{name}.")
    return names
