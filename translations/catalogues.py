"""The catalogues as files: filled up from the code, checked, compiled.

A `.po` file holds for each text its translation, sorted by the text, so that two changes seldom meet in one line. The
English one is made: each text is its own translation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from moodle_appservice.languages import LANGUAGES
from moodle_appservice.languages.catalogue import CATALOGUES, FOLDER

from .collect import Texts, collect

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Files are the same whenever they are made."""
_GAP = re.compile(r"\{(\w*)\}")


def path_of(language: str, name: str) -> Path:
    """Where a catalogue is."""
    return FOLDER / language / f"{name}.po"


def read(language: str, name: str) -> Catalog:
    """A catalogue as it is; empty where there is none yet."""
    path = path_of(language, name)
    if not path.exists():
        return _empty(language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def filled(language: str, name: str, texts: Texts) -> Catalog:
    """The catalogue with exactly these texts, and the translations that it has."""
    before, after = read(language, name), _empty(language)
    for key, files in texts.items():
        known = before.get(key if isinstance(key, str) else key[0])
        string = known.string if known is not None and known.id == key else ""
        if language == "en":
            string = key
        after.add(key, string, locations=[(file, 0) for file in files])
    return after


def write(language: str, name: str, catalogue: Catalog) -> None:
    """Write the `.po` file and the compiled one."""
    path = path_of(language, name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_po(catalogue))
    path.with_suffix(".mo").write_bytes(compiled(catalogue))


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def problems(names: Iterable[str] = CATALOGUES) -> Iterator[str]:
    """Everything that is wrong with these catalogues, as `language/catalogue: what`."""
    for name in names:
        texts = collect(name)
        for language in LANGUAGES:
            catalogue = read(language, name)
            for what in _problems(catalogue, texts):
                yield f"{language}/{name}: {what}"
            path = path_of(language, name).with_suffix(".mo")
            if not path.exists() or path.read_bytes() != compiled(catalogue):
                yield f"{language}/{name}: the compiled file is not the one of this catalogue"


def update() -> list[Path]:
    """Bring all files up to date; returns those that have changed."""
    changed = []
    for name in CATALOGUES:
        texts = collect(name)
        for language in LANGUAGES:
            catalogue = filled(language, name, texts)
            path = path_of(language, name)
            before = path.read_bytes() if path.exists() else b""
            write(language, name, catalogue)
            if path.read_bytes() != before:
                changed.append(path)
    return changed


def _problems(catalogue: Catalog, texts: Texts) -> Iterator[str]:
    messages = {_key(message): message for message in catalogue if message.id}
    for key in texts:
        if key not in messages:
            yield f"“{_first(key)}” is missing"
    for key, message in messages.items():
        if key not in texts:
            yield f"“{_first(key)}” stands nowhere in the code"
        elif message.fuzzy:
            yield f"“{_first(key)}” is marked as fuzzy"
        else:
            yield from _problems_of(message, catalogue.num_plurals)


def _problems_of(message: Message, forms: int) -> Iterator[str]:
    ids, strings = _texts(message.id), _texts(message.string)
    if len(strings) != (1 if len(ids) == 1 else forms) or not all(text.strip() for text in strings):
        yield f"“{ids[0]}” is not translated"
        return
    wanted = set().union(*map(gaps, ids))
    for number, string in enumerate(strings):
        has = gaps(string)
        # One thing may be told without its number.
        optional = {"number"} if len(ids) > 1 and number == 0 else set()
        if has - wanted or wanted - has - optional:
            yield f"“{ids[0]}” has the placeholders {sorted(wanted)}, its translation {sorted(has)}"


def gaps(text: str) -> set[str]:
    """The placeholders of a text."""
    return set(_GAP.findall(text.replace("{{", "").replace("}}", "")))


def _key(message: Message) -> str | tuple[str, str]:
    return message.id if isinstance(message.id, str) else (message.id[0], message.id[1])


def _texts(value: str | Iterable[str] | None) -> list[str]:
    return [value or ""] if isinstance(value, str | None) else list(value)


def _first(key: str | Iterable[str]) -> str:
    return _texts(key)[0]


def _empty(language: str) -> Catalog:
    return Catalog(
        locale=language,
        project="moodle-appservice",
        version="1",
        creation_date=_BEGINNING,
        revision_date=_BEGINNING,
        charset="utf-8",
        header_comment=f"# What people read, in the language {language}. Collected by: make translations",
        fuzzy=False,
    )


def _po(catalogue: Catalog) -> bytes:
    file = BytesIO()
    write_po(file, catalogue, width=118, include_lineno=False, sort_output=True)
    # What made the file is no part of it.
    return re.sub(rb'"Generated-By: [^\n]*\n', b"", file.getvalue())
