"""Codes, questions, failures and links in the database: each is used once, and no account has two people."""

from __future__ import annotations

import asyncio

from moodle_appservice.domain.linking import LOCK, Code, Failures, Link, Question
from moodle_appservice.domain.model import MoodleUserId, UserId
from moodle_appservice.store.books import Books
from moodle_appservice.store.links import KEEP_CODES
from tests.adapters.test_store_audit import acquainted

NOW = 10_000_000.0
ANNA, BERT = MoodleUserId(5), MoodleUserId(6)
MINE, OLD = UserId("@mine:uni.test"), UserId("@old:uni.test")


async def test_a_link_is_remembered_and_replaced(books: Books) -> None:
    first, second = Link(ANNA, OLD, NOW, NOW), Link(ANNA, MINE, NOW, NOW + 50, OLD)
    assert await books.links.save(first, now=NOW)
    assert await books.links.of([ANNA, BERT]) == {ANNA: first}
    assert await books.links.save(second, now=NOW)
    assert await books.links.of([ANNA]) == {ANNA: second}
    await books.links.remove(ANNA)
    assert await books.links.of([ANNA]) == {}


async def test_an_account_has_one_person_also_while_a_change_waits(books: Books) -> None:
    await books.links.save(Link(ANNA, MINE, NOW, NOW + 50, OLD), now=NOW)
    for account in (MINE, OLD):
        assert await books.links.holder(account, now=NOW) == ANNA
        assert not await books.links.save(Link(BERT, account, NOW, NOW), now=NOW)
    assert await books.links.holder(OLD, now=NOW + 50) is None
    assert await books.links.save(Link(BERT, OLD, NOW, NOW), now=NOW + 50)


async def test_of_two_who_prove_the_same_account_at_once_one_gets_it(books: Books) -> None:
    people = [MoodleUserId(number) for number in range(1, 9)]
    got = await asyncio.gather(*(books.links.save(Link(one, MINE, NOW, NOW), now=NOW) for one in people))
    assert sum(got) == 1
    assert len(await books.links.of(people)) == 1


async def test_a_code_is_taken_by_the_first_account_that_is_asked(books: Books) -> None:
    await books.links.give_code("hash", Code(ANNA, NOW + 900), now=NOW)
    accounts = [UserId(f"@a{number}:uni.test") for number in range(8)]
    asked = await asyncio.gather(*(books.links.ask(one, Question(ANNA, "hash", NOW)) for one in accounts))
    assert sum(asked) == 1
    (first,) = [one for one, was_asked in zip(accounts, asked, strict=True) if was_asked]
    assert await books.links.ask(first, Question(ANNA, "hash", NOW + 1))
    answers = await asyncio.gather(*(books.links.take_question(first) for _ in range(4)))
    assert [one for one in answers if one is not None] == [Question(ANNA, "hash", NOW + 1)]
    assert not await books.links.ask(first, Question(ANNA, "hash", NOW + 2))


async def test_a_burnt_code_leaves_no_question_open(books: Books) -> None:
    await books.links.give_code("hash", Code(ANNA, NOW + 900), now=NOW)
    await books.links.ask(MINE, Question(ANNA, "hash", NOW))
    await books.links.burn("hash", at=NOW + 1)
    assert await books.links.question(MINE) is None
    assert await books.links.code("hash") == Code(ANNA, NOW + 900, NOW)


async def test_a_new_code_ends_the_person_s_earlier_ones_and_old_ones_are_forgotten(books: Books) -> None:
    await books.links.give_code("one", Code(ANNA, NOW + 900), now=NOW)
    await books.links.give_code("other", Code(BERT, NOW + 900), now=NOW)
    await books.links.give_code("two", Code(ANNA, NOW + 901), now=NOW + 1)
    assert [await books.links.code(one) for one in ("one", "other", "two")] == [
        Code(ANNA, NOW + 900, NOW + 1),
        Code(BERT, NOW + 900),
        Code(ANNA, NOW + 901),
    ]
    late = NOW + 901 + KEEP_CODES
    await books.links.give_code("three", Code(ANNA, late + 900), now=late)
    assert await books.links.code("one") is None
    assert await books.links.code("nothing") is None


async def test_failures_are_remembered_for_an_hour(books: Books) -> None:
    await books.links.set_failures(MINE, Failures(3, NOW))
    await books.links.set_failures(OLD, Failures(0, NOW, NOW + 2 * LOCK))
    assert await books.links.failures(MINE) == Failures(3, NOW)
    later = NOW + LOCK + 1
    await books.links.set_failures(UserId("@third:uni.test"), Failures(1, later))
    assert await books.links.failures(MINE) == Failures()
    assert (await books.links.failures(OLD)).locks_at(later)
    await books.links.set_failures(OLD, Failures())
    assert await books.links.failures(OLD) == Failures()


async def test_it_is_known_whose_link_is_not_carried_out_yet(books: Books) -> None:
    await acquainted(books, (ANNA, OLD), (BERT, UserId("@bert:uni.test")))
    waiting = Link(ANNA, MINE, NOW, NOW + 50, OLD)
    await books.links.save(waiting, now=NOW)
    await books.links.save(Link(BERT, UserId("@bert:uni.test"), NOW, NOW), now=NOW)
    assert await books.links.due(now=NOW) == []
    assert await books.links.waiting(OLD, now=NOW) == waiting
    assert await books.links.waiting(MINE, now=NOW) is None
    assert await books.links.due(now=NOW + 50) == [ANNA]
    assert await books.links.waiting(OLD, now=NOW + 50) is None
    await acquainted(books, (ANNA, MINE))
    assert await books.links.due(now=NOW + 50) == []
