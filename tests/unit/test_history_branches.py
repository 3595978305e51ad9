"""A reply is answered with what was said on its own way down the tree of replies."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.events import Author, Message
from bot.inbox import history
from bot.inbox.inbox import Inbox
from tests.core import core
from tests.fakes.completions import Text
from tests.mentions import ANA, deleted, mention

BOT = Author("", "Bot", is_bot=True)


def turn(number: int, answers: str = "") -> list[Message]:
    """A question and its answer, in the messages `q1` and `a1`."""
    asked = Message("user", ANA, f"question {number}", f"q{number}", float(number), answers=answers)
    return [asked, Message("assistant", BOT, f"answer {number}", f"a{number}", float(number), more_ids=(f"b{number}",))]


def way(said: list[Message], reply_to: str) -> list[str]:
    return [message.message_id for message in history.branch(said, reply_to)]


TREE = [*turn(1), *turn(2, "a1"), *turn(3, "a1"), *turn(4, "b3"), *turn(5, "a2")]


@pytest.mark.parametrize(
    ("reply_to", "ids"),
    [
        ("a1", ["q1", "a1"]),
        ("a2", ["q1", "a1", "q2", "a2"]),
        ("a3", ["q1", "a1", "q3", "a3"]),
        ("b4", ["q1", "a1", "q3", "a3", "q4", "a4"]),
        ("a5", ["q1", "a1", "q2", "a2", "q5", "a5"]),
        ("q3", ["q1", "a1", "q3"]),
    ],
)
def test_the_way_to_a_message_leaves_other_branches_out(reply_to: str, ids: list[str]) -> None:
    assert way(TREE, reply_to) == ids


@pytest.mark.parametrize("reply_to", ["", "unknown"])
def test_without_a_known_message_all_was_said_before(reply_to: str) -> None:
    assert way(TREE, reply_to) == [message.message_id for message in TREE]


def test_what_was_read_from_the_platform_or_stored_before_there_were_branches_is_one_way() -> None:
    assert way([*turn(1), *turn(2), *turn(3, "a2")], "a3") == ["q1", "a1", "q2", "a2", "q3", "a3"]


def test_a_way_whose_beginning_is_forgotten_begins_later() -> None:
    assert way(TREE[2:], "a5") == ["q2", "a2", "q5", "a5"]


async def test_a_reply_to_an_earlier_answer_is_asked_without_the_later_ones_and_so_is_it_anew(redis: Redis) -> None:
    async with core(redis) as bench:
        bench.server.answers = [Text(f"answer {number}") for number in (1, 2, 3, 4)]
        await bench.ask(mention(1, thread=None, text="question 1"))
        (first,) = bench.platform.messages
        await bench.ask(mention(2, thread=None, text="question 2", reply_to=first))
        await bench.ask(mention(3, thread=None, text="question 3", reply_to=first))
        third = list(bench.platform.messages)[-1]
        await bench.ask(replace(mention(4, thread=None, text=""), replaces=third))
        said = [
            [str(one["content"]) for one in request.messages if one["role"] != "system"]
            for request in bench.server.requests
        ]
    assert [len(texts) for texts in said] == [1, 3, 3, 3]
    for texts in said[2:]:
        for text, expected in zip(texts, ("question 1", "answer 1", "question 3"), strict=True):
            assert expected in text


async def test_a_deleted_reply_is_found_by_its_own_message(redis: Redis) -> None:
    inbox = Inbox(redis, history_ttl_s=3600)
    await inbox.submit(mention(1, thread=None))
    claims, _ = await inbox.claim(1)
    await inbox.note_part(claims[0], 0, "m0")
    await inbox.done(claims[0], turn(1))
    reply = mention(2, thread=None, reply_to="m0")
    await inbox.submit(reply)
    assert await inbox.submit(deleted(reply)) == "withdrawn"
