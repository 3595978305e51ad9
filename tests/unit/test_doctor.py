from collections.abc import Mapping
from pathlib import Path

import pytest

from adapters.discord.settings import DiscordSettings
from bot.doctor import NO_KEY, NO_PLATFORM, core, durability, guarded, redis_findings, settings_findings
from bot.errors import ConfigError, StoreError, Unauthorized
from bot.platform import Finding
from bot.settings import load

NOWHERE = Path("/nonexistent/.env")
GOOD: Mapping[str, object] = {
    "redis_version": "7.2.4",
    "aof_enabled": 1,
    "appendfsync": "always",
    "maxmemory_policy": "noeviction",
    "aof_last_write_status": "ok",
}


def test_the_summary_shows_what_was_changed_and_no_secret():
    environ = {"COMPLETIONS_API_KEY": "canary", "REDIS_URL": "redis://:canary@h", "HTTP_PORT": "1"}
    environ |= {"SYSTEM_PROMPT": "abc", "SYSTEM_PROMPT_FILE": ""}
    (summary,) = settings_findings(load(env_file=NOWHERE, environ=environ))
    assert summary == Finding(
        "ok", "Settings: COMPLETIONS_API_KEY=(set), HTTP_PORT=1, REDIS_URL=(set), SYSTEM_PROMPT=(3 characters)"
    )


def test_without_changes_the_summary_says_so_and_strange_names_are_warned_of():
    summary, strange = settings_findings(load(env_file=NOWHERE, environ={"COMPLETIONS_MODLE": "x"}))
    assert summary == Finding("ok", "Settings: all at their defaults")
    assert strange.level == "warn"
    assert "COMPLETIONS_MODLE (did you mean COMPLETIONS_MODEL?)" in strange.what


@pytest.mark.parametrize(
    ("changed", "level", "part"),
    [
        ({}, "ok", "appendfsync always"),
        ({"appendfsync": "everysec"}, "ok", "always is faster"),
        ({"appendfsync": "no"}, "fail", "appendfsync is no"),
        ({"appendfsync": None}, "warn", "appendfsync unknown"),
        ({"aof_enabled": 0}, "fail", "append-only file is off"),
        ({"aof_last_write_status": "err"}, "fail", "last write"),
        ({"maxmemory_policy": "allkeys-lru"}, "fail", "allkeys-lru"),
        ({"maxmemory_policy": "volatile-lru"}, "warn", "volatile-lru"),
        ({"maxmemory": 10, "used_memory": 10}, "fail", "memory is full (10 of 10 bytes)"),
        ({"maxmemory": 10, "used_memory": 12, "mem_not_counted_for_evict": 3}, "ok", ""),
        ({"maxmemory": 0, "used_memory": 10}, "ok", ""),
        ({"maxmemory": 10, "used_memory": 10, "maxmemory_policy": "volatile-lru"}, "warn", "volatile-lru"),
        ({"redis_version": "7.0.15"}, "warn", "WAITAOF"),
        ({"redis_version": "7.0.15", "valkey_version": "8.0"}, "ok", ""),
    ],
)
def test_durability_is_judged(changed: dict[str, object], level: str, part: str):
    found = durability({**GOOD, **changed})
    worst = max(found, key=lambda one: ("ok", "warn", "fail").index(one.level))
    assert worst.level == level
    assert part in worst.what
    assert bool(worst.todo) == (level != "ok")


async def test_the_server_is_named():
    async def valkey() -> Mapping[str, object]:
        return {**GOOD, "valkey_version": "9.1.0"}

    async def redis() -> Mapping[str, object]:
        return GOOD

    assert (await redis_findings(valkey, embedded=True))[0].what == (
        "Redis: Valkey 9.1.0 answers (embedded, kept in DATA_DIR)"
    )
    assert (await redis_findings(redis))[0].what == "Redis: Redis 7.2.4 answers"


async def test_a_service_that_is_down_is_a_finding_and_the_others_are_checked():
    async def away() -> Mapping[str, object]:
        raise StoreError("Redis at h:6379 closes the connection.\nSee to REDIS_URL.")

    async def refused() -> list[Finding]:
        raise Unauthorized("401; check COMPLETIONS_API_KEY")

    environ = {"REDIS_URL": "redis://h", "COMPLETIONS_API_KEY": "k", "DISCORD_TOKEN": "t"}
    config = load((DiscordSettings,), env_file=NOWHERE, environ=environ)
    found = await core(config, redis=away, completions=refused)
    assert [one.level for one in found] == ["ok", "fail", "fail"]
    assert "REDIS_URL" in found[1].todo
    assert found[2].what == "Completions API: 401; check COMPLETIONS_API_KEY"


async def test_with_nothing_set_that_is_said_and_the_model_is_not_asked():
    async def good() -> Mapping[str, object]:
        return GOOD

    async def never() -> list[Finding]:
        raise AssertionError("asked without a key")

    found = await core(load(env_file=NOWHERE, environ={}), redis=good, completions=never)
    assert [one for one in found if one.level == "fail"] == [NO_KEY, NO_PLATFORM]


async def test_a_server_of_ones_own_is_asked_without_a_key():
    async def good() -> Mapping[str, object]:
        return GOOD

    async def fine() -> list[Finding]:
        return [Finding("ok", "y")]

    config = load(env_file=NOWHERE, environ={"COMPLETIONS_BASE_URL": "http://127.0.0.1:1/v1"})
    found = await core(config, redis=good, completions=fine)
    assert found[-1] == Finding("ok", "Completions API: y")
    assert [one.what for one in found if one.level == "warn"] == ["COMPLETIONS_API_KEY is not set"]


def test_a_name_in_the_system_prompt_that_nothing_fills_in_is_warned_of():
    environ = {"SYSTEM_PROMPT": "You are {bot} of {team}, on {platform}; {team} writes {} and {1}."}
    _, strange = settings_findings(load(env_file=NOWHERE, environ=environ))
    assert (strange.level, strange.what) == ("warn", "SYSTEM_PROMPT: {team} stays as it is")


async def test_a_check_that_works_passes_its_findings_on():
    async def fine() -> list[Finding]:
        return [Finding("ok", "y")]

    async def locked() -> Mapping[str, object]:
        raise ConfigError("another routernesia-bot uses the folder")

    assert await guarded("x", fine) == [Finding("ok", "x: y")]
    (found,) = await redis_findings(locked, embedded=True)
    assert (found.level, found.todo) == ("fail", "")
