"""Cases as YAML files: a folder below `cases/` holds one kind of case, a file a numbered handful about one thing.

A file is a mapping. `cases` is its list; each case is a mapping with a `case`, its number in the file and a sentence
("03 Somebody who …"), and keys that the reader of that kind of case knows. Any other key of the file is there for
anchors only. The numbers must follow one another, so that a case that fell out is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parent / "cases"


def cases(kind: str, *, keys: Iterable[str], only: str = "[0-9][0-9]-*") -> list[Any]:
    """All cases of one kind as parameters of a test. `keys`: what a case may hold beside its `case`.

    `only`: a pattern for the names of the files, where files of one kind are read by several tests.
    """
    allowed = {"case", *keys}
    found = []
    files = sorted((FOLDER / kind).glob(f"{only}.yaml"))
    assert files, f"no cases of the kind {kind}"
    for file in files:
        for number, case in enumerate(read(file)["cases"], start=1):
            where = f"{file.name}: {case.get('case')}"
            assert str(case["case"]).startswith(f"{number:02} "), f"{where}: it is number {number:02}"
            assert set(case) <= allowed, f"{where}: unknown keys {set(case) - allowed}"
            found.append(pytest.param(case, id=f"{file.stem}: {case['case']}"))
    return found


def read(path: Path) -> dict[str, Any]:
    """One file. Keys that stand twice are an error, because the first would be lost without a word."""
    content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    assert isinstance(content, dict), path
    return content


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `change` in it, mapping by mapping; a null takes a key away."""
    merged = dict(base)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


class _Loader(yaml.SafeLoader):
    """Safe, and strict about keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.value != "<<"]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        assert not twice, f"{node.start_mark}: twice: {twice}"
        return super().construct_mapping(node, deep=deep)
