"""Twenty stories of faults, from twenty seeds: see `schedule` for what can happen, `judge` for what must hold.

A seed that fails is printed with its whole story, and replays with `python -m tests.faults.run --first SEED --seeds 1`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from tests.faults.run import ground, play
from tests.faults.schedule import story
from tests.live.homeserver import Seat
from tests.live.postgres import PostgresServer, postgres_server

SEEDS = range(1, 21)
Ground = tuple[EmbeddedSynapse, dict[int, Seat]]


@pytest.fixture(scope="module")
async def homeserver() -> AsyncIterator[Ground]:
    async with ground(SEEDS) as made:
        yield made


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_whatever_went_wrong_the_rooms_are_what_moodle_says_and_nobody_was_harmed(
    homeserver: Ground, database: PostgresServer, tmp_path: Path, seed: int
) -> None:
    told = story(seed)
    verdict, _ = await play(told, homeserver[0], homeserver[1][seed], database, tmp_path)
    assert verdict.wrong == [], f"\n{told}\n" + "\n".join(verdict.wrong)
    assert verdict.events > 0


def test_a_seed_always_tells_the_same_story_and_another_seed_another_one() -> None:
    assert [story(seed) for seed in SEEDS] == [story(seed) for seed in SEEDS]
    assert len({str(story(seed).steps) for seed in range(200)}) == 200
