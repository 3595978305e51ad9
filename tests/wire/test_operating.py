"""What an operator does from a shell beside running bots, also beside one that keeps its own store."""

import asyncio
import os
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import Redis

from bot import operating, store
from bot.inbox.inbox import Inbox
from bot.operating import Memory, NotDone, NotFound
from bot.presence import Presence
from bot.sealing import Seal
from bot.settings import Settings, load
from bot.shared import RedisShared
from tests.fakes.completions import Text, status
from tests.forked import forked
from tests.mentions import mention
from tests.running import always, at_once, running, services
from tests.subprocesses import environment, started
from tests.terminal import at_terminal
from tests.until import until

ROOT = Path(__file__).parents[2]


async def shell(*words: str, env: dict[str, str], folder: Path) -> tuple[int, str]:
    """`routernesia-bot` with these words: its exit code and what it prints."""
    process = await forked(*words, env=env, folder=folder)
    out, err = await asyncio.gather(process.stdout.read(), process.stderr.read())
    return await process.wait(), (out + err).decode()


def of(url: str) -> Settings:
    return load(env_file=Path("unused"), environ={"REDIS_URL": url}).core


async def test_beside_a_bot_with_its_own_store_everything_can_be_seen(tmp_path: Path) -> None:
    async with services() as outside:
        env = environment(outside, DATA_DIR=str(tmp_path / "data"), BUILD_REVISION="3f2a91c")
        async with started(env, folder=tmp_path) as bot:
            await until(lambda: outside.slack.entries("socket", "open") and outside.discord.gateway.live, within_s=30)
            at_port = env | {"HTTP_PORT": str(bot.events("http_listening")[0]["port"])}
            behind_a_proxy = at_port | {"http_proxy": "http://127.0.0.1:9"}
            assert await shell("health", env=behind_a_proxy, folder=tmp_path) == (0, "ok 0.1.0+3f2a91c\n")
            code, said = await shell("health", "--ready", env=at_port, folder=tmp_path)
            assert (code, '"ready": true' in said) == (0, True), said
            outside.completions.default = always(status(404))
            await outside.slack.mention("C1", "U1", "what Ana wrote")
            await until(lambda: bot.events("mention_failed"))
            (failed,) = bot.events("mention_failed")
            said = ""
            async with asyncio.timeout(20):
                while "NOT connected" in said or "slots in use" not in said:
                    code, said = await shell("status", env=env, folder=tmp_path)
                    assert code == 0, said
            assert "Mentions: 1 taken; 0 answered, 1 failed, 0 withdrawn, 0 waiting or in work\n" in said
            assert "slack connected, discord connected" in said
            assert ": all 0.1.0+3f2a91c, for" in said
            assert "UNACCOUNTED" not in said
            code, said = await shell("dead", "list", env=env, folder=tmp_path)
            assert (code, said.split()[0], "Ana" in said) == (0, failed["id"], False)
            outside.completions.default = always(Text("An answer."))
            assert await shell("dead", "retry", failed["id"], env=env, folder=tmp_path) == (
                0,
                f"{failed['id']}: taken up again\n",
            )
            await until(lambda: bot.events("mention_answered"))
            assert [one["text"] for one in outside.slack.answers("C1")] == ["An answer."]
            assert await shell("dead", "list", env=env, folder=tmp_path) == (0, "No mention was given up.\n")
            await bot.stop()
        code, said = await shell("health", env=at_port, folder=tmp_path)
        assert (code, "no bot answers" in said) == (1, True)


async def test_every_process_says_how_it_stands_until_it_ends(valkey_url: str, redis: Redis) -> None:
    async with services() as outside:
        assert (await operating.status(of(valkey_url)))[-1] == "Processes: none has said anything for half a minute"
        async with running(outside, redis_url=valkey_url, on=["discord"], role="worker"):

            async def said() -> str:
                return "\n".join(await operating.status(of(valkey_url)))

            async with asyncio.timeout(20):
                while "slots in use" not in await said():  # noqa: ASYNC110 -- it says so when it likes
                    await asyncio.sleep(0.05)
            assert ": worker 0.1.0, for 0 minutes; 0 of 200 slots in use" in await said()
        assert "none has said anything" in await said()


async def test_a_process_says_which_shards_it_hears_and_who_lets_it_wait(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, sleep=at_once) as bot:
        outside.completions.answers = [status(429, retry_after="1"), Text("An answer."), Text("Another.")]
        outside.slack.fail("chat.postMessage", "429:0")
        await outside.slack.mention("C1", "U1", "hello")
        await until(lambda: bot.answered == 1)
        outside.discord.fail(429)
        outside.discord.dm(outside.discord.ann, "hello")
        await until(lambda: bot.answered == 2)
        shared = RedisShared(redis, seal=Seal())
        saying = asyncio.create_task(Presence(shared, every_s=0.05).run(bot.bot.standing.told))
        async with asyncio.timeout(20):
            while "limited" not in (said := "\n".join(await operating.status(of(valkey_url)))):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        saying.cancel()
        assert "\n    discord: listens to shard 0 of 1\n" in said
        assert "\n    limited (429) within 10 minutes: model 1, slack 1, discord 1" in said
        _, metrics = await bot.get("/metrics")
        for end in ("model", "slack", "discord"):
            assert f'bot_limited_calls_total{{by="{end}"}} 1.0' in metrics


async def test_an_id_that_is_not_there_is_said_to_be_missing(valkey_url: str, redis: Redis) -> None:
    with pytest.raises(NotFound, match="12ab34cd"):
        await operating.retry(of(valkey_url), "12ab34cd")
    assert await operating.drop(of(valkey_url), "all") == ["There was none."]


async def test_what_is_remembered_is_deleted(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["slack"]) as bot:
        await outside.slack.mention("C1", "U1", "hello")
        await outside.slack.dm("U1", "and privately")
        await until(lambda: bot.answered == 2)
        (thread,) = {one["thread_ts"] for one in outside.slack.answers("C1")}
        team = outside.slack.team
        named = Memory("slack", team, conversation=f"C1:{thread}")
        assert await operating.forget(of(valkey_url), named) == ["Forgotten."]
        assert await operating.forget(of(valkey_url), named) == ["Nothing is remembered of it."]
        person = await operating.forget(of(valkey_url), Memory("slack", team, user="U1"))
        assert person == ["Forgotten: 1 direct conversation, the count of what was used, feedback."]
        await operating.forget(of(valkey_url), Memory("slack", team))
        assert [key for key in cast("list[str]", await redis.keys()) if f"slack:{team}" in key] == []


async def test_a_persons_direct_messages_are_deleted_where_they_belong_to_no_server(
    valkey_url: str, redis: Redis
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        outside.discord.dm(outside.discord.ann, "privately")
        await until(lambda: bot.answered == 1)
        whom = Memory("discord", str(outside.discord.guild), user=outside.discord.ann["id"])
        assert await operating.forget(of(valkey_url), whom) == [
            "Forgotten: 1 direct conversation, the count of what was used, feedback."
        ]
        assert cast("list[str]", await redis.keys("*:history:*")) == []


async def test_a_count_that_was_understood_begins_anew_with_what_waits(valkey_url: str, redis: Redis) -> None:
    inbox = Inbox(redis, history_ttl_s=60)
    await inbox.submit(mention(1))
    await inbox.submit(mention(2, thread="t2"))
    await redis.delete(store.key("lane", "fake:W:C:t1"))
    told = await operating.status(of(valkey_url))
    assert any(line.startswith("UNACCOUNTED: 1;") for line in told)
    assert any(line.startswith("Queue: 2 conversations waiting") for line in told)
    assert await operating.recount(of(valkey_url)) == [
        "Mentions: 1 taken; 0 answered, 0 failed, 0 withdrawn, 1 waiting or in work"
    ]
    assert not any("UNACCOUNTED" in line for line in await operating.status(of(valkey_url)))


async def test_with_another_key_it_is_said_what_cannot_be_read(valkey_url: str, redis: Redis) -> None:
    seal = Seal([bytes(range(32))])
    inbox = Inbox(redis, history_ttl_s=60, seal=seal)
    await inbox.submit(mention(1))
    (claim,), _ = await inbox.claim(1)
    await inbox.done(claim, dead="crashed")
    await RedisShared(redis, seal=seal).put("process:host:1", "{}", tenant="", ttl_s=60)
    assert (await operating.status(of(valkey_url)))[-1].endswith("another ENCRYPTION_KEY than this command: 1")
    with pytest.raises(NotDone, match="cannot be read: sealed with another ENCRYPTION_KEY"):
        await operating.retry(of(valkey_url), "all")
    assert await inbox.dead_letters() == 1


async def test_all_that_was_given_up_is_dropped_only_after_a_word(
    valkey_url: str, redis: Redis, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "REDIS_URL": valkey_url}
    code, said = await shell("dead", "drop", "all", env=env, folder=tmp_path)
    assert (code, "--yes" in said) == (2, True)
    assert await shell("dead", "drop", "all", "--yes", env=env, folder=tmp_path) == (0, "There was none.\n")


class TestForgettingAWorkspace:
    @pytest.mark.parametrize(("typed", "code", "left"), [("yes\r", 0, 0), ("no\r", 1, 1), ("\x04", 1, 1)])
    async def test_on_a_terminal_it_is_asked_first(
        self, valkey_url: str, redis: Redis, tmp_path: Path, typed: str, code: int, left: int
    ) -> None:
        await redis.set(store.shared_key("names:slack:T1:U1"), "Ann", ex=60)
        environ = {"REDIS_URL": valkey_url, "DATA_DIR": str(tmp_path)}
        async with at_terminal("forget", "slack", "T1", **environ) as (process, screen):
            await screen.until("Delete everything of slack T1, its installation too")
            screen.type(typed)
            await screen.until("Forgotten" if left == 0 else "Nothing was deleted")
            assert await process.wait() == code
        assert await redis.exists(store.shared_key("names:slack:T1:U1")) == left

    async def test_where_nobody_can_be_asked_it_wants_a_word(
        self, valkey_url: str, redis: Redis, tmp_path: Path
    ) -> None:
        await redis.set(store.shared_key("names:slack:T1:U1"), "Ann", ex=60)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "REDIS_URL": valkey_url}
        code, said = await shell("forget", "slack", "T1", env=env, folder=tmp_path)
        assert (code, "--yes" in said) == (2, True)
        assert await redis.exists(store.shared_key("names:slack:T1:U1")) == 1
        code, said = await shell("forget", "slack", "T1", "--yes", env=env, folder=tmp_path)
        assert (code, said) == (0, "Forgotten: everything of slack T1.\n")
        assert await redis.exists(store.shared_key("names:slack:T1:U1")) == 0

    async def test_an_id_of_which_nothing_is_kept_is_told_apart(self, valkey_url: str, redis: Redis) -> None:
        assert await operating.forget(of(valkey_url), Memory("slack", "T1")) == [
            "Nothing is remembered of slack T1; is that its id?"
        ]

    async def test_a_person_and_a_conversation_are_forgotten_at_once(
        self, valkey_url: str, redis: Redis, tmp_path: Path
    ) -> None:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "REDIS_URL": valkey_url}
        assert await shell("forget", "slack", "T1", "--conversation", "C1:1.2", env=env, folder=tmp_path) == (
            0,
            "Nothing is remembered of it.\n",
        )


async def test_each_command_exits_with_1_and_names_the_server_where_redis_is_away(
    unused_tcp_port: int, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "REDIS_URL": f"redis://127.0.0.1:{unused_tcp_port}"}
    for words in (["status"], ["dead", "list"], ["recount"], ["forget", "slack", "T1", "--user", "U1"]):
        code, said = await shell(*words, env=env, folder=tmp_path)
        assert code == 1
        assert said.splitlines() == [
            f"routernesia-bot: Redis at 127.0.0.1:{unused_tcp_port} refuses the connection.",
            "routernesia-bot: See that it runs and listens there, or correct REDIS_URL.",
        ]
