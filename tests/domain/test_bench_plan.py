"""The benchmark of the planner measures what its page says: a course of thousands that is new, unchanged or changed."""

from __future__ import annotations

import pytest

import bench.plan


def test_the_planner_is_measured_over_all_people_of_a_large_course(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.plan, "TIMES", 1)
    measured = bench.plan.measure(3000)
    steps = {name: measured[f"{name}_steps"] for name in ("new", "unchanged", "changed")}
    assert steps == {"new": 3001, "unchanged": 0, "changed": 6000}
