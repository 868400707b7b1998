"""A newcomer can read the code: modules are short, begin with their model, and say what they take and give."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.docs.test_docs import ROOT

MOST_LINES = 400


def modules() -> list[Path]:
    return sorted((ROOT / "moodle_appservice").rglob("*.py"))


def name(module: Path) -> str:
    return str(module.relative_to(ROOT))


def test_no_module_is_longer_than_one_can_read_at_once() -> None:
    found = {name(module): module.read_text(encoding="utf-8").count("\n") for module in modules()}
    assert len(found) > 300
    assert {module: lines for module, lines in found.items() if lines > MOST_LINES} == {}


def test_every_module_says_what_it_is_about_before_any_code() -> None:
    trees = {name(module): ast.parse(module.read_text(encoding="utf-8")) for module in modules()}
    assert [module for module, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []
