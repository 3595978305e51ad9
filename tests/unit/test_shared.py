"""`bot.shared` on the real Valkey: one holder, one taker, exact budgets, and nothing in clear when there is a key."""

import asyncio
import hashlib
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot import shared as module
from bot import shared_scripts as scripts
from bot import store
from bot.errors import StoreError, Unreadable
from bot.sealing import Seal
from bot.services import Shared
from bot.shared import RedisShared
from tests.until import until

OLD, NEW = (hashlib.sha256(name).digest() for name in (b"old", b"new"))
LONG_S = 600.0
PARALLEL = 20


@pytest.fixture(params=[Seal([OLD]), Seal()], ids=["sealed", "clear"])
def shared(redis: Redis, request: pytest.FixtureRequest) -> Shared:
    return RedisShared(redis, seal=cast(Seal, request.param))


@asynccontextmanager
async def another(url: str, *, seal: Seal) -> AsyncGenerator[RedisShared]:
    """The same state as another process of the bot has it: over connections of its own."""
    async with store.connect(url, data_dir=Path("unused")) as client:
        yield RedisShared(client, seal=seal)


async def test_a_value_is_read_by_all_processes_until_it_is_dropped(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal([OLD])) as theirs:
        ours = RedisShared(redis, seal=Seal([OLD]))
        await ours.put("names:slack:T1", "Ada", tenant="T1", ttl_s=LONG_S)
        await ours.put("names:slack:T2", "Bob", tenant="T2", ttl_s=LONG_S)
        assert await theirs.get("names:slack:T1", tenant="T1") == "Ada"
        await theirs.drop("names:slack:T1", "names:slack:T3")
        assert await ours.get("names:slack:T1", tenant="T1") is None
        assert await ours.get("names:slack:T2", tenant="T2") == "Bob"


@pytest.mark.parametrize("text", ["", "half \ud800", "as bytes \udc80\udcff", "sealed:1:x", "plain:", "ж\n\0"])
async def test_any_text_comes_back_as_it_was(shared: Shared, text: str):
    await shared.put("a", text, tenant="T1", ttl_s=LONG_S)
    assert await shared.get("a", tenant="T1") == text
    assert await shared.take("a", tenant="T1") == text
    assert await shared.get("a", tenant="T1") is None


async def test_a_value_lives_as_long_as_it_was_put_for(redis: Redis, shared: Shared):
    await shared.put("a", "x", tenant="T1", ttl_s=90)
    await shared.put("a", "y", tenant="T1", ttl_s=LONG_S)
    assert await shared.add("b", "x", tenant="T1", ttl_s=0.5)
    assert LONG_S - 30 < await redis.ttl(store.shared_key("a")) <= LONG_S
    assert (left := await redis.pttl(store.shared_key("b"))) == -2 or 0 < left <= 500  # it may be gone by now


async def test_only_the_names_on_the_list_are_kept_for_ever(redis: Redis, shared: Shared):
    await shared.put("install:slack:T1", "x", tenant="T1", ttl_s=None)
    assert await redis.ttl(store.key("install", "slack", "T1")) == -1
    assert await shared.get("install:slack:T1", tenant="T1") == "x"
    with pytest.raises(ValueError, match="KEPT"):
        await shared.put("installation:slack:T1", "x", tenant="T1", ttl_s=None)


async def test_of_many_adders_one_gets_it(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal()) as theirs:
        sides = [RedisShared(redis, seal=Seal()), theirs] * PARALLEL
        added = await asyncio.gather(
            *(side.add("a", str(at), tenant="T1", ttl_s=LONG_S) for at, side in enumerate(sides))
        )
        assert added.count(True) == 1
        assert await theirs.get("a", tenant="T1") == str(added.index(True))


async def test_of_many_takers_one_gets_it(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal([OLD])) as theirs:
        ours = RedisShared(redis, seal=Seal([OLD]))
        await ours.put("state:1", "x", tenant="", ttl_s=LONG_S)
        taken = await asyncio.gather(*(side.take("state:1", tenant="") for side in [ours, theirs] * PARALLEL))
        assert sorted(taken, key=str) == [None] * (2 * PARALLEL - 1) + ["x"]


async def test_a_taker_gets_what_was_put_while_it_looked(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    ours = RedisShared(redis, seal=Seal([OLD]))
    await ours.put("state:1", "old", tenant="", ttl_s=LONG_S)
    read = ours._raw  # pyright: ignore[reportPrivateUsage] - the only place between its two steps

    async def read_and_then_it_changes(name: str) -> str | None:
        raw = await read(name)
        monkeypatch.undo()
        await ours.put(name, "new", tenant="", ttl_s=LONG_S)
        return raw

    monkeypatch.setattr(ours, "_raw", read_and_then_it_changes)
    assert await ours.take("state:1", tenant="") == "new"
    assert await ours.take("state:1", tenant="") is None


@pytest.mark.parametrize("source", [scripts.ADD, scripts.TAKE, scripts.LOCK], ids=["add", "take", "lock"])
async def test_a_call_that_is_sent_again_because_its_reply_was_lost_finds_that_it_was_done(redis: Redis, source: str):
    script = redis.register_script(source)
    keys = [store.shared_key("a"), store.key("call", "1")]
    if source == scripts.TAKE:
        await redis.set(keys[0], "x", px=60_000)
    args = ["x", 60_000] if source == scripts.TAKE else ["x", 60_000, 60_000]
    assert [await script(keys=keys, args=args) for _ in range(3)] == [1, 1, 1]
    other = [keys[0], store.key("call", "2")]
    assert await script(keys=other, args=["y", *args[1:]]) == 0


async def test_nothing_stands_in_clear_when_there_is_a_key(redis: Redis):
    ours = RedisShared(redis, seal=Seal([OLD]))
    await ours.put("install:slack:T1", "canary", tenant="T1", ttl_s=None)
    await ours.put("a", "canary", tenant="T1", ttl_s=LONG_S)
    await ours.add("b", "canary", tenant="T1", ttl_s=LONG_S)
    keys = cast(list[str], await redis.keys())
    assert len(keys) == 4  # the third value's call as well
    assert "canary" not in "".join([cast(str, await redis.get(key)) for key in keys])


async def test_what_cannot_be_opened_is_an_error_that_says_what_to_do_and_stays(
    redis: Redis, caplog: pytest.LogCaptureFixture
):
    ours, theirs, keyless = (RedisShared(redis, seal=seal) for seal in (Seal([OLD]), Seal([NEW]), Seal()))
    await ours.put("a", "canary", tenant="T1", ttl_s=LONG_S)
    for side, tenant, what in (
        (theirs, "T1", "ENCRYPTION_KEY"),
        (keyless, "T1", "ENCRYPTION_KEY"),
        (ours, "T2", "another workspace"),
    ):
        for call in (side.get, side.take):
            with pytest.raises(Unreadable, match=what):
                await call("a", tenant=tenant)
    assert await ours.get("a", tenant="T1") == "canary"
    lines = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [(line.getMessage(), vars(line)["entry"]) for line in lines] == [("shared_value_unreadable", "a")] * 6
    assert not any("canary" in str(vars(record)) for record in caplog.records)


async def test_a_sealed_value_that_is_moved_to_another_name_does_not_open(redis: Redis):
    ours = RedisShared(redis, seal=Seal([OLD]))
    await ours.put("admin:U1", "yes", tenant="T1", ttl_s=LONG_S)
    await redis.copy(store.shared_key("admin:U1"), store.shared_key("admin:U2"))
    assert await ours.get("admin:U1", tenant="T1") == "yes"
    with pytest.raises(Unreadable):
        await ours.get("admin:U2", tenant="T1")


async def test_keys_change_without_losing_what_the_old_one_sealed(redis: Redis):
    before, between, after = (RedisShared(redis, seal=Seal(keys)) for keys in ([OLD], [NEW, OLD], [NEW]))
    await before.put("install:slack:T1", "x", tenant="T1", ttl_s=None)
    kept = await between.get("install:slack:T1", tenant="T1")
    assert kept == "x"
    await between.put("install:slack:T1", kept, tenant="T1", ttl_s=None)
    assert await after.get("install:slack:T1", tenant="T1") == "x"


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\xc3"])
async def test_bytes_that_are_no_text_are_an_error(redis: Redis, shared: Shared, raw: bytes):
    await redis.set(store.shared_key("a"), raw, px=60_000)
    with pytest.raises(Unreadable, match="not text"):
        await shared.get("a", tenant="T1")


async def test_a_key_of_another_type_is_an_error(redis: Redis, shared: Shared):
    await shared.count("a", ttl_s=LONG_S, tokens=1)
    with pytest.raises(StoreError):
        await shared.get("a", tenant="T1")
    await redis.hset(store.shared_key("a"), "tokens", "many")
    with pytest.raises(Unreadable, match="delete them"):
        await shared.counts("a")


async def test_names_finds_what_begins_so_and_nothing_else(redis: Redis, shared: Shared):
    for name in ("names:T1", "names:T1:U1", "names:T2", "na*es:T1", "other"):
        await shared.put(name, "x", tenant="", ttl_s=LONG_S)
    await shared.put("install:T1", "x", tenant="", ttl_s=None)
    await shared.count("names:T1:usage", ttl_s=LONG_S, tokens=1)
    await redis.set(store.key("seen", "names:T1"), "x", px=60_000)
    assert sorted(await shared.names("names:T1")) == ["names:T1", "names:T1:U1", "names:T1:usage"]
    assert await shared.names("na*es:") == ["na*es:T1"]
    assert await shared.names("install:T") == await shared.names("in") == ["install:T1"]
    assert await shared.names("names:T3") == []
    assert len(await shared.names("")) == 7


async def test_names_finds_all_of_very_many(redis: Redis, shared: Shared):
    many = {store.shared_key(f"a:{number}"): "x" for number in range(3 * module.SCAN_PAGE)}
    await redis.mset(many)
    assert len(await shared.names("a:")) == len(many)
    await shared.drop(*await shared.names("a:"))
    assert await redis.dbsize() == 0


async def test_a_lock_has_one_holder_among_many_processes(redis: Redis, valkey_url: str):
    inside = most = done = 0

    async def work(side: Shared) -> None:
        nonlocal inside, most, done
        async with side.lock("renew:T1", ttl_s=LONG_S, within_s=40):
            inside += 1
            most = max(most, inside)
            await redis.ping()  # others run meanwhile
            inside -= 1
            done += 1

    async with another(valkey_url, seal=Seal()) as theirs:
        ours = RedisShared(redis, seal=Seal())
        await asyncio.gather(*(work(side) for side in [ours, theirs] * 5))
    assert (most, done) == (1, 10)
    assert await redis.dbsize() == 0


async def test_a_lock_that_is_held_is_not_had_in_time_and_stays_its_holders(redis: Redis, shared: Shared):
    async with shared.lock("a", ttl_s=LONG_S, within_s=10):
        with pytest.raises(StoreError, match="not free within"):
            async with shared.lock("a", ttl_s=LONG_S, within_s=0.1):
                pytest.fail("two holders")
        assert await redis.dbsize() == 1
        async with shared.lock("b", ttl_s=LONG_S, within_s=10):
            pass
    assert await redis.dbsize() == 0


async def test_a_lock_whose_holder_died_lapses(redis: Redis, shared: Shared):
    await redis.set(store.key("lock", "a"), "of-the-dead", px=300)
    async with shared.lock("a", ttl_s=LONG_S, within_s=20):
        assert await redis.get(store.key("lock", "a")) != "of-the-dead"


async def test_of_many_processes_one_is_first_and_where_it_fails_the_next_is(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal()) as theirs:
        ours = RedisShared(redis, seal=Seal())
        with pytest.raises(KeyError):
            async with ours.first("welcome:T1", tenant="T1", ttl_s=LONG_S):
                raise KeyError
        async with theirs.first("welcome:T1", tenant="T1", ttl_s=LONG_S) as first:
            assert first
            async with ours.first("welcome:T1", tenant="T1", ttl_s=LONG_S) as second:
                assert not second
        async with ours.first("welcome:T1", tenant="T1", ttl_s=LONG_S) as third:
            assert not third


async def test_one_who_is_not_the_first_and_fails_makes_nobody_the_first(shared: Shared):
    async with shared.first("welcome:T1", tenant="T1", ttl_s=LONG_S):
        pass
    with pytest.raises(KeyError):
        async with shared.first("welcome:T1", tenant="T1", ttl_s=LONG_S):
            raise KeyError
    async with shared.first("welcome:T1", tenant="T1", ttl_s=LONG_S) as first:
        assert not first


async def test_a_cancelled_act_ends_as_cancelled_also_where_its_mark_cannot_be_dropped(redis: Redis):
    shared = RedisShared(redis, seal=Seal())
    acting = asyncio.Event()

    async def act() -> None:
        async with shared.first("welcome:T1", tenant="T1", ttl_s=LONG_S):
            acting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(act())
    await acting.wait()
    await redis.execute_command("ACL", "SETUSER", "default", "-del")
    try:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        await redis.execute_command("ACL", "SETUSER", "default", "+del")


async def test_an_act_is_done_by_one_of_many_and_all_learn_what_came_of_it(shared: Shared):
    done: list[int] = []

    async def act() -> str:
        done.append(1)
        await asyncio.sleep(0)
        return f"act {len(done)}"

    said = await asyncio.gather(*(shared.once("did:1", act, tenant="T1", ttl_s=LONG_S) for _ in range(PARALLEL)))
    assert set(said) == {"act 1"}
    assert await shared.once("did:2", act, tenant="T1", ttl_s=LONG_S) == "act 2"


async def test_an_act_that_failed_is_done_by_the_next_who_comes(shared: Shared):
    async def failing() -> str:
        raise KeyError

    async def act() -> str:
        return "done"

    with pytest.raises(KeyError):
        await shared.once("did:1", failing, tenant="T1", ttl_s=LONG_S)
    assert await shared.once("did:1", act, tenant="T1", ttl_s=LONG_S) == "done"


async def test_an_act_whose_process_died_is_done_by_the_next_who_comes(redis: Redis, shared: Shared):
    async def act() -> str:
        return "done"

    await redis.set(store.key("lock", "did:1"), "of-the-dead", px=300)
    assert await shared.once("did:1", act, tenant="T1", ttl_s=LONG_S) == "done"


async def test_a_holder_that_was_too_slow_does_not_free_the_next_ones_lock(
    redis: Redis, shared: Shared, caplog: pytest.LogCaptureFixture
):
    async with shared.lock("a", ttl_s=LONG_S, within_s=10):
        await redis.set(store.key("lock", "a"), "of-the-next", px=60_000)
    assert await redis.get(store.key("lock", "a")) == "of-the-next"
    assert [record.getMessage() for record in caplog.records] == ["lock_lapsed"]


async def test_a_lock_is_freed_when_its_holder_fails_or_is_cancelled(redis: Redis, shared: Shared):
    with pytest.raises(KeyError):
        async with shared.lock("a", ttl_s=LONG_S, within_s=10):
            raise KeyError
    assert await redis.dbsize() == 0
    holds = asyncio.Event()

    async def hold() -> None:
        async with shared.lock("a", ttl_s=LONG_S, within_s=10):
            holds.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    await until(holds.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await redis.dbsize() == 0


async def test_a_dead_server_is_a_store_error_everywhere():
    async with another("unix:///nonexistent/socket", seal=Seal()) as alone:

        async def lock() -> None:
            async with alone.lock("a", ttl_s=LONG_S, within_s=LONG_S):
                pytest.fail("a lock without a server")

        for call in (
            alone.get("a", tenant="T1"),
            alone.put("a", "x", tenant="T1", ttl_s=LONG_S),
            alone.put("install:a", "x", tenant="T1", ttl_s=None),
            alone.add("a", "x", tenant="T1", ttl_s=LONG_S),
            alone.take("a", tenant="T1"),
            alone.drop("a"),
            alone.names("a"),
            alone.spend("a", per_minute=20, burst=1),
            alone.count("a", ttl_s=LONG_S, b=1),
            alone.counts("a"),
            lock(),
        ):
            with pytest.raises(StoreError):
                await call


async def test_counters_are_added_up_by_all(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal()) as theirs:
        ours = RedisShared(redis, seal=Seal([OLD]))
        calls = [ours.count("usage:T1", ttl_s=LONG_S, answers=1, tokens=7), theirs.count("usage:T1", ttl_s=90, good=1)]
        assert await ours.counts("usage:T1") == {}
        await asyncio.gather(*calls)
        assert await theirs.counts("usage:T1") == {"answers": 1, "tokens": 7, "good": 1}
        await ours.count("usage:T1", ttl_s=LONG_S, tokens=-3)
        assert (await ours.counts("usage:T1"))["tokens"] == 4
        assert LONG_S - 30 < await redis.ttl(store.shared_key("usage:T1")) <= LONG_S


async def test_a_budget_is_one_for_all_processes(redis: Redis, valkey_url: str):
    async with another(valkey_url, seal=Seal()) as theirs:
        sides = [RedisShared(redis, seal=Seal()), theirs] * PARALLEL
        waits = await asyncio.gather(*(side.spend("start:T1", per_minute=0.1, burst=7) for side in sides))
        assert waits.count(0.0) == 7
        assert all(500 < wait <= 600 for wait in waits if wait)
        assert await theirs.spend("start:T2", per_minute=0.1, burst=7) == 0.0


async def test_a_budget_is_forgotten_when_it_is_full_again(redis: Redis, shared: Shared):
    for _ in range(3):
        await shared.spend("a", per_minute=1, burst=3)
    assert 170_000 < await redis.pttl(store.key("budget", "a")) <= 180_000


async def test_a_budget_grants_again_after_the_wait_it_asked_for(shared: Shared):
    assert await shared.spend("a", per_minute=600, burst=1) == 0.0
    while wait := await shared.spend("a", per_minute=600, burst=1):
        assert wait <= 0.1
        await asyncio.sleep(wait)


AT = "local function micros() return tonumber(ARGV[4]) end\n"
"""In place of the server's clock, so that the algorithm is tested to the microsecond."""

EXPIRY = "math.ceil((full_at - now) / 1000)"
"""The budget's TTL in milliseconds; here, where no real time passes, it must not expire."""


async def granted(redis: Redis, *, interval: int, burst: int, moments: list[int], reserve: int = 0) -> list[int]:
    """What the script answers at these moments, in microseconds."""
    await redis.execute_command("FLUSHALL")
    assert scripts.MICROS in scripts.SPEND
    assert EXPIRY in scripts.SPEND
    script = redis.register_script(scripts.SPEND.replace(scripts.MICROS, AT).replace(EXPIRY, "60000"))
    keys, rate = [store.key("budget", "a")], [interval, burst, reserve]
    return [int(await script(keys=keys, args=[*rate, moment])) for moment in moments]


START = 1_795_000_000_000_000
"""November 2026."""

steps = st.integers(0, 3_000_000) | st.integers(0, 5) | st.just(0)


@given(
    interval=st.integers(1, 1_500_000),
    burst=st.integers(1, 6),
    share=st.floats(0, 1, exclude_max=True),
    gaps=st.lists(steps, max_size=30),
    exact=st.booleans(),
)
def test_a_budget_grants_as_a_bucket_of_tokens_does_and_never_more_than_burst_and_rate_in_any_window(
    valkey_url: str, interval: int, burst: int, share: float, gaps: list[int], exact: bool
):
    reserve = int(burst * share)
    gaps = [gap // interval * interval for gap in gaps] if exact else gaps
    moments = [START + sum(gaps[:at]) for at in range(len(gaps) + 1)]

    async def run() -> list[int]:
        async with store.connect(valkey_url, data_dir=Path("unused")) as client:
            return await granted(client, interval=interval, burst=burst, moments=moments, reserve=reserve)

    waits = asyncio.run(run())
    level, last = burst * interval, START  # in microseconds' worth of tokens
    for moment, wait in zip(moments, waits, strict=True):
        level, last = min(burst * interval, level + moment - last), moment
        assert wait == max(0, (1 + reserve) * interval - level)
        level -= 0 if wait else interval
    taken = [moment for moment, wait in zip(moments, waits, strict=True) if not wait]
    for first in range(len(taken)):
        for end in range(first, len(taken)):
            assert end - first + 1 <= burst - reserve + (taken[end] - taken[first]) // interval


async def test_a_budget_is_not_shut_for_long_when_the_servers_clock_was_set_back(redis: Redis):
    hour = 3_600_000_000
    waits = await granted(
        redis, interval=1000, burst=2, moments=[START + hour, START + hour, START, START + 1000, START + 1500]
    )
    assert waits == [0, 0, 1000, 0, 500]


async def test_what_leaves_a_reserve_waits_for_all_that_others_took_of_it(redis: Redis, shared: Shared):
    rate = {"per_minute": 1, "burst": 5}
    assert await shared.spend("a", **rate, reserve=4) == 0.0
    assert await shared.spend("a", **rate, reserve=4) > 0
    assert [await shared.spend("a", **rate) for _ in range(4)] == [0.0] * 4
    assert 180 < await shared.spend("a", **rate, reserve=4) <= 300
    assert 0 < await shared.spend("a", **rate) <= 60


async def test_a_budget_that_was_made_smaller_binds_at_once(redis: Redis, shared: Shared):
    for _ in range(20):
        assert await shared.spend("a", per_minute=1, burst=20) == 0.0
    wait = await shared.spend("a", per_minute=60, burst=2)
    assert 0 < wait <= math.ceil(60 / 60)


async def test_a_value_is_kept_and_ended_only_by_who_put_it(redis: Redis, shared: Shared):
    assert await shared.add("lease", "ours", tenant="", ttl_s=5)
    assert not await shared.keep("lease", "theirs", tenant="", ttl_s=LONG_S)
    assert await redis.ttl(store.shared_key("lease")) <= 5
    assert await shared.keep("lease", "ours", tenant="", ttl_s=LONG_S)
    assert await redis.ttl(store.shared_key("lease")) > 5
    assert not await shared.keep("lease", "theirs", tenant="", ttl_s=0)
    assert await shared.get("lease", tenant="") == "ours"
    assert await shared.keep("lease", "ours", tenant="", ttl_s=0)
    async with asyncio.timeout(5):
        while await shared.get("lease", tenant="") is not None:  # noqa: ASYNC110 -- it ends by the server's clock
            await asyncio.sleep(0.005)
    assert not await shared.keep("lease", "ours", tenant="", ttl_s=LONG_S)


async def test_a_value_that_changes_while_it_is_kept_is_not_kept(redis: Redis, monkeypatch: pytest.MonkeyPatch):
    ours = RedisShared(redis, seal=Seal([OLD]))
    await ours.put("lease", "ours", tenant="", ttl_s=5)
    read = ours._raw  # pyright: ignore[reportPrivateUsage] - the only place between its two steps

    async def read_and_then_it_changes(name: str) -> str | None:
        raw = await read(name)
        monkeypatch.undo()
        await ours.put(name, "theirs", tenant="", ttl_s=5)
        return raw

    monkeypatch.setattr(ours, "_raw", read_and_then_it_changes)
    assert not await ours.keep("lease", "ours", tenant="", ttl_s=LONG_S)
    assert await redis.ttl(store.shared_key("lease")) <= 5
