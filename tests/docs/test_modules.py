"""A newcomer can read the code: modules are short, begin with their model, and say what they take and give."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.test_docs import ROOT

MOST_LINES = 400
MOST_OF_A_FUNCTION = 40


def modules() -> list[Path]:
    return sorted((ROOT / "moodle_appservice").rglob("*.py"))


def benches() -> list[Path]:
    return sorted((ROOT / "bench").glob("*.py"))


@cache
def parsed(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def name(module: Path) -> str:
    return str(module.relative_to(ROOT))


def test_no_module_is_longer_than_one_can_read_at_once() -> None:
    found = {
        name(module): module.read_text(encoding="utf-8").count("\n") for module in (*modules(), *benches())
    }
    assert len(found) > 300
    assert {module: lines for module, lines in found.items() if lines > MOST_LINES} == {}


def test_no_function_is_longer_than_one_can_see_at_once() -> None:
    found = {
        f"{name(module)}: {node.name}": node.end_lineno - node.lineno + 1
        for module in (*modules(), *benches())
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None
    }
    assert len(found) > 3000
    assert {function: lines for function, lines in found.items() if lines > MOST_OF_A_FUNCTION} == {}


def test_every_module_says_what_it_is_about_before_any_code() -> None:
    trees = {name(module): parsed(module) for module in (*modules(), *benches())}
    assert [module for module, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def _silent(node: ast.AST, inside: str) -> Iterator[str]:
    for part in ast.iter_child_nodes(node):
        if not isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if part.name.startswith("_"):
            continue
        # One line of a protocol whose docstring speaks for all of them.
        is_brief = isinstance(part.body[0], ast.Expr) and ast.unparse(part.body[0]) == "..."
        if not ast.get_docstring(part) and not is_brief:
            yield inside + part.name
        if isinstance(part, ast.ClassDef):
            yield from _silent(part, f"{inside}{part.name}.")


def test_everything_public_says_what_it_is() -> None:
    found = [silent for module in modules() for silent in _silent(parsed(module), f"{name(module)}: ")]
    assert found == []
