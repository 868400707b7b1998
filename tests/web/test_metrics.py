"""The numbers for Prometheus: who may read them, what they count, and that nothing uses one that there is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from moodle_appservice.observation import endpoint
from moodle_appservice.web.metrics import METRICS, PREFIX, MetricsDoor
from tests.web.campus import Campus, serving
from tests.web.world import World

CONTRIB = Path(__file__).parent.parent.parent / "contrib"
TOKEN = "0123456789abcdef0123456789abcdef"
NAMED = {
    *("passes", "actions", "queue_depth", "queue_oldest_seconds", "moodle_calls", "matrix_requests"),
    *("members", "held_plans", "stuck_keys", "quarantined_people"),
}
"""What must be there whatever else is."""


async def samples(campus: Campus) -> dict[tuple[str, ...], float]:
    """Name and label values → value."""
    families = text_string_to_metric_families((await campus.metrics.read()).decode())
    return {
        (sample.name.removeprefix(PREFIX), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def test_everything_that_is_promised_is_there() -> None:
    assert {metric.name for metric in METRICS} >= NAMED
    assert len({metric.name for metric in METRICS}) == len(METRICS)


async def test_every_metric_is_shown_under_its_name(campus: Campus) -> None:
    text = (await campus.metrics.read()).decode()
    for metric in METRICS:
        assert f"# TYPE {metric.full_name} {metric.kind}" in text


async def test_a_sync_shows_in_the_numbers(campus: Campus) -> None:
    course = campus.engine.facts.add_course(42)
    campus.engine.facts.enrol(course, 1, 2, 3)
    await campus.engine.switch_on(course)
    assert await campus.operations.sync_course(course) is None
    await campus.engine.queue.idle()
    found = await samples(campus)
    assert found["actions_total", "CreateRoom", "done"] == 1
    assert found["actions_total", "Invite", "done"] == 3
    assert found["looks_total", "course", "done"] >= 1
    assert (found["members", "expected"], found["members", "invited"], found["members", "joined"]) == (
        3,
        3,
        0,
    )
    assert (found["courses",], found["rooms",], found["people",]) == (1, 1, 3)
    assert found["queue_depth",] == 0
    assert found["held_plans",] == found["stuck_keys",] == found["quarantined_people",] == 0


async def test_a_course_that_is_off_has_no_places_any_more(campus: Campus) -> None:
    course = campus.engine.facts.add_course(42)
    campus.engine.facts.enrol(course, 1)
    await campus.engine.switch_on(course)
    await campus.operations.sync_course(course)
    await campus.engine.db.execute("UPDATE course SET is_on = 0")
    await campus.operations.sync_course(course)
    assert (await samples(campus))["members", "expected"] == 0


async def test_a_pass_is_counted_with_its_time(campus: Campus) -> None:
    campus.engine.facts.add_course(42)
    await campus.operations.sync()
    found = await samples(campus)
    assert found["passes_total", "done"] == 1
    assert found["pass_seconds_count",] == 1
    assert found["last_pass_timestamp_seconds",] == campus.engine.clock.now()


async def test_what_does_not_work_is_stuck(campus: Campus) -> None:
    course = campus.engine.facts.add_course(42)
    await campus.engine.switch_on(course)
    del campus.engine.facts.courses[course]
    failure = await campus.operations.sync_course(course)
    assert failure is not None
    found = await samples(campus)
    assert found["stuck_keys",] == 1
    assert found["looks_total", "course", "permanent"] == 1


async def test_a_reader_needs_the_token_beside_everything_else(campus: Campus) -> None:
    async with serving(MetricsDoor(campus.metrics, token=TOKEN).routes()) as client:
        for sent in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
            async with client.get("/metrics", headers=sent) as response:
                assert response.status == 401
        async with client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}) as response:
            assert response.status == 200
            assert response.content_type == "text/plain"
            assert "moodle_appservice_queue_depth" in await response.text()


@pytest.mark.parametrize(
    ("method", "address", "told"),
    [
        (
            "PUT",
            "/_matrix/client/v3/rooms/%21x%3Auni.test/send/m.room.message/abc123",
            "PUT rooms/send/m.room.message",
        ),
        ("POST", "/_matrix/client/v3/rooms/!x:uni.test/invite", "POST rooms/invite"),
        ("POST", "/_matrix/client/v3/createRoom", "POST createRoom"),
        ("GET", "/_matrix/client/v3/directory/room/%23moodle_uni_course_1%3Auni.test", "GET directory/room"),
        ("PUT", "/_synapse/admin/v2/users/@invite:uni.test", "PUT users"),
        ("PUT", "/_matrix/client/v3/rooms/!x/state/org.moodle_appservice.canary", "PUT rooms/state"),
        ("GET", "/somewhere/else", "GET other"),
    ],
)
def test_an_endpoint_has_no_ids_in_it(method: str, address: str, told: str) -> None:
    found = endpoint(method, URL(f"http://127.0.0.1:8008{address}", encoded=True))
    assert found in (told, f"{told}/org.moodle_appservice.canary")


def used_in(path: Path) -> set[str]:
    return set(re.findall(rf"{PREFIX}\w+", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "prometheus-alerts.yaml"])
def test_what_is_contributed_uses_only_metrics_that_there_are(name: str) -> None:
    known = {metric.full_name for metric in METRICS}
    known |= {f"{metric.full_name}_{part}" for metric in METRICS for part in ("bucket", "sum", "count")}
    used = used_in(CONTRIB / name)
    assert len(used) > 5
    assert used <= known, used - known


def test_the_dashboard_can_be_imported() -> None:
    board = json.loads((CONTRIB / "grafana-dashboard.json").read_text(encoding="utf-8"))
    assert board["title"] == "moodle-appservice"
    assert {target["expr"] for panel in board["panels"] for target in panel.get("targets", ())}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


async def test_launches_are_counted_by_how_they_end(world: World) -> None:
    await world.browser().click()
    await world.browser().click(iss="https://evil.example")
    await world.browser().post("/lti/launch", {"id_token": "x"})
    found = await samples(world.campus)
    assert (found["launches_total", "signed in"], found["launches_total", "refused"]) == (1, 2)
