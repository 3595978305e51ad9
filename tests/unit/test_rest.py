"""At rest: after all that can happen to messages, a dump of Redis shows neither their text nor people's names."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from bot import store
from bot.answer.means import ModelState
from bot.commands import About, Commands
from bot.desk import Desk
from bot.errors import Unreadable
from bot.events import Author, File, Mention, Message
from bot.inbox.forgetting import Forgetting
from bot.metrics import Metrics
from bot.sealing import Seal
from bot.services import Feedback
from tests.core import Bench, core, working
from tests.fakes.completions import Raw, Text, text_events
from tests.mentions import deleted, edited, mention, stop
from tests.until import until

CANARY = "canary"
PERSON = Author("U1", f"{CANARY} Ana")
OTHER = Author("U2", f"{CANARY} Ben")


@pytest.fixture
async def bench(redis: Redis) -> AsyncGenerator[Bench]:
    async with core(redis, seal=Seal([bytes(range(32))])) as made:
        yield made


def said(number: int, thread: str, author: Author = PERSON) -> Mention:
    file = File("F1", f"{CANARY}.pdf", "application/pdf", 9)
    return replace(mention(number, thread=thread, author=author, text=f"{CANARY} question {number}"), files=(file,))


async def everything_happens(bench: Bench) -> None:
    bench.platform.earlier = [Message("user", OTHER, f"{CANARY} past", "p1", 0.5)]
    bench.server.answers = [Text(f"{CANARY} answer.")] * 3
    await bench.ask(said(1, "history"))
    await bench.inbox.submit(edited(said(1, "history"), f"{CANARY} edited"))
    await bench.answer()
    await bench.ask(replace(said(2, "history", OTHER), replaces="m0"))
    await bench.ask(replace(said(3, "history"), private=True))
    bench.server.answers = [Raw(text_events(f"{CANARY} half a sentence. ")[:1], ending="hang")] * 2
    async with working(bench):
        await bench.inbox.submit(said(4, "stopped"))
        await until(lambda: bench.server.open_now)
        await bench.inbox.submit(stop(by=OTHER, thread="stopped"))
        await until(lambda: bench.answered("stopped"))
    await bench.inbox.submit(said(5, "dead"))
    (claim,), _ = await bench.inbox.claim(1)
    await bench.inbox.done(claim, dead="crashed")
    await bench.redis.zadd(store.key("lane", "fake:W:C:garbage"), {f"{{{CANARY}": 1})
    await bench.redis.zadd(store.key("ready"), {"fake:W:C:garbage": 1})
    (claim,), _ = await bench.inbox.claim(1)
    await bench.inbox.done(claim, dead="unreadable")
    await bench.inbox.submit(said(6, "running"))
    (claim,), _ = await bench.inbox.claim(1)
    await bench.inbox.note_answer(claim, f"{CANARY} noted")
    await bench.inbox.submit(stop(by=OTHER, thread="running"))
    await bench.inbox.submit(edited(said(6, "running"), f"{CANARY} edited meanwhile"))
    await bench.inbox.submit(said(7, "waiting"))
    await bench.inbox.submit(edited(said(7, "waiting"), f"{CANARY} edited"))
    await bench.inbox.submit(said(8, "waiting"))
    await bench.inbox.submit(deleted(said(8, "waiting")))
    await feedback(bench)


async def feedback(bench: Bench) -> None:
    forgetting, shared = Forgetting(bench.redis), bench.handler.means.shared
    about = About("Bot", "m", False, 1, dict, ModelState())
    desk = Desk(
        shared,
        Commands(about, shared, inbox=bench.inbox, forgetting=forgetting),
        forgetting=forgetting,
        metrics=Metrics(),
    )
    await desk.feedback(Feedback(mention().place, "m0", PERSON, good=False, text=f"{CANARY} feedback"))


async def dumped(redis: Redis) -> dict[str, str]:
    """Every key with all it holds, as text."""
    return {key: await content(redis, key) for key in cast("list[str]", await redis.keys())}


async def content(redis: Any, key: str) -> str:
    match await redis.type(key):
        case "string":
            return str(await redis.get(key))
        case "hash":
            return str(await redis.hgetall(key))
        case "set":
            return str(await redis.smembers(key))
        case "zset":
            return str(await redis.zrange(key, 0, -1))
        case "list":
            return str(await redis.lrange(key, 0, -1))
        case kind:
            raise AssertionError(kind)


async def test_a_dump_holds_no_text_and_no_name(bench: Bench) -> None:
    heard: list[str] = []

    async def overhear() -> None:
        async with bench.redis.pubsub(ignore_subscribe_messages=True) as channel:
            await channel.psubscribe("*")
            heard.append("listening")
            while True:
                heard.append(str(cast(object, await channel.get_message(timeout=None))))

    spy = asyncio.create_task(overhear())
    await until(lambda: heard)
    await everything_happens(bench)
    await until(lambda: sum("stops" in one for one in heard) >= 2)
    spy.cancel()
    await asyncio.wait([spy])
    found = await dumped(bench.redis)
    kinds = {key.removeprefix(store.PREFIX).split(":")[0] for key in found}
    assert {"lane", "history", "turn", "dead", "people", "shared", "seen"} <= kinds
    assert {key: text for key, text in found.items() if CANARY in key + text} == {}
    assert CANARY not in str(heard)


async def test_the_search_finds_what_is_not_sealed(redis: Redis) -> None:
    async with core(redis) as bench:
        await everything_happens(bench)
        told = {key.split(":")[1] for key, text in (await dumped(redis)).items() if CANARY in text}
    assert {"lane", "history", "turn", "dead", "shared"} <= told


async def test_what_was_sealed_is_read_back_whole(bench: Bench) -> None:
    bench.server.answers = [Text("An answer.")]
    await bench.ask(said(1, "t"))
    await bench.inbox.submit(said(2, "t"))
    (claim,), _ = await bench.inbox.claim(1)
    assert claim.mention == said(2, "t")
    assert [(line.author.name, line.text) for line in claim.history] == [
        (PERSON.name, said(1, "t").text),
        ("Bot", "An answer."),
    ]


async def test_what_is_sealed_with_a_key_that_one_process_lacks_waits_for_another(redis: Redis) -> None:
    async with core(redis, seal=Seal([bytes(range(32))])) as here, core(redis, seal=Seal([bytes(range(1, 33))])) as old:
        await here.inbox.submit(said(1, "rotation"))
        (claim,), _ = await old.inbox.claim(1)
        with pytest.raises(Unreadable, match="ENCRYPTION_KEY"):
            await old.handler(claim)
        await old.inbox.again(claim, delay_s=0)
        here.server.answers = [Text("Yes.")]
        await here.answer()
        assert list(here.platform.messages.values()) == ["Yes."]
        assert not await redis.exists(store.key("dead"))
