"""What `doctor` says about the core: settings, Redis, completions API. Adapters check their own platforms.

It opens no connection of its own; what must be asked comes in as callables.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import cast

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from bot.errors import BotError, InUse, StoreError
from bot.platform import Finding
from bot.settings import ROUTERNESIA, Config, Settings, plain, unfilled

Info = Callable[[], Awaitable[Mapping[str, object]]]
"""The fields of Redis' INFO everything, and `appendfsync` from CONFIG GET where the server allows that.

Raises ConfigError, and StoreError where it cannot be reached: what to do stands on a line of its own.
"""

Check = Callable[[], Awaitable[list[Finding]]]
"""One service's own check, like `Completions.check`."""


NO_KEY = Finding(
    "fail",
    "COMPLETIONS_API_KEY is not set",
    "Set it to a key of your Routernesia dashboard, or COMPLETIONS_BASE_URL to a server that needs none.",
)
KEYLESS = Finding(
    "warn", "COMPLETIONS_API_KEY is not set", "Fine where the server at COMPLETIONS_BASE_URL needs no key."
)
NO_PLATFORM = Finding(
    "fail",
    "No platform has a token, so there is nothing to run",
    "For Slack set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN (Socket Mode) or SLACK_SIGNING_SECRET (HTTP).\n"
    "For many workspaces of Slack's, by OAuth, set SLACK_CLIENT_ID, SLACK_CLIENT_SECRET, SLACK_SIGNING_SECRET,\n"
    "SLACK_PUBLIC_URL and ENCRYPTION_KEY instead.\n"
    "For Discord set DISCORD_TOKEN. To try the bot without any token: routernesia-bot chat",
)


def missing(config: Config) -> list[Finding]:
    """What `run` needs and is not set; `run` and `doctor` both say exactly this."""
    found: list[Finding] = []
    if config.core.completions_api_key is None:
        found.append(NO_KEY if config.core.completions_base_url == ROUTERNESIA else KEYLESS)
    if not any(getattr(one, "enabled", False) for one in config.adapters.values()):
        found.append(NO_PLATFORM)
    return found


async def core(config: Config, *, redis: Info, completions: Check) -> list[Finding]:
    """All findings about the core. Never raises for a service that is down: that is a finding."""
    lacking = missing(config)
    found = settings_findings(config) + lacking
    settings = config.core
    embedded = not plain(settings.redis_url)
    found += await redis_findings(redis, embedded=embedded, replicas=settings.redis_replicas)
    return found if NO_KEY in lacking else found + await guarded("Completions API", completions)


async def guarded(what: str, check: Check) -> list[Finding]:
    """The check's findings under the service's name, or one failure when it raises one of our errors."""
    try:
        return [replace(finding, what=f"{what}: {finding.what}") for finding in await check()]
    except BotError as error:
        return [Finding("fail", f"{what}: {error}")]


def settings_findings(config: Config) -> list[Finding]:
    """One line that sums the settings up, and one for each name, there or in the system prompt, that is not ours."""
    changed = sorted(config.core.model_fields_set)
    summary = ", ".join(f"{name.upper()}={_shown(config.core, name)}" for name in changed) or "all at their defaults"
    unknown = [
        Finding("warn", f"Environment: {one} is no setting of the bot", "Correct or remove it.")
        for one in config.unknown
    ]
    return [Finding("ok", f"Settings: {summary}"), *unknown, *_unfilled(config.core)]


def _unfilled(settings: Settings) -> list[Finding]:
    names = ", ".join(f"{{{name}}}" for name in unfilled(settings.system_template()))
    todo = "Only {bot}, {date} and {platform} are filled in; that is fine where the braces are meant."
    return [Finding("warn", f"SYSTEM_PROMPT: {names} stays as it is", todo)] if names else []


def shown(config: Config) -> list[str]:
    """Every setting as it was read, a line each, secrets masked."""
    return [
        f"{name.upper()}={_shown(part, name)}{'' if name in part.model_fields_set else '  (default)'}"
        for part in (config.core, *config.adapters.values())
        for name in type(part).model_fields
    ]


def _shown(settings: BaseSettings, name: str) -> str:
    value: object = getattr(settings, name)
    if isinstance(value, SecretStr):
        return "(set)" if value.get_secret_value() else "(none)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, frozenset):
        value = ", ".join(sorted(map(str, cast("frozenset[object]", value))))
    if value is None or value == "":
        return "(none)"
    # A prompt is the operator's own text; how long it is tells enough.
    return f"({len(value)} characters)" if name == "system_prompt" and isinstance(value, str) else str(value)


async def redis_findings(info: Info, *, embedded: bool = False, replicas: int = 0) -> list[Finding]:
    """Whether Redis can be reached and keeps what it accepts."""
    try:
        facts = await info()
    except InUse:
        return [Finding("ok", "Redis: the embedded store is in use by a running bot; its /readyz says how it stands")]
    except StoreError as error:
        what, _, todo = str(error).partition("\n")
        return [Finding("fail", what, todo)]
    except BotError as error:
        return [Finding("fail", f"Redis: {error}")]
    return [server(facts, embedded=embedded), *durability(facts, replicas=replicas)]


def server(facts: Mapping[str, object], *, embedded: bool = False) -> Finding:
    """That it answers, and which it is, from INFO's fields."""
    valkey = facts.get("valkey_version")
    version = f"Valkey {valkey}" if valkey else f"Redis {facts.get('redis_version', '?')}"
    return Finding("ok", f"Redis: {version} answers{' (embedded, kept in DATA_DIR)' if embedded else ''}")


def shortcomings(facts: Mapping[str, object], *, replicas: int = 0) -> list[str]:
    """What keeps the server, and so many replicas, from holding an accepted mention safely; empty when nothing does."""
    return [finding.what for finding in durability(facts, replicas=replicas) if finding.level == "fail"]


def durability(facts: Mapping[str, object], *, replicas: int = 0) -> list[Finding]:
    """Whether an accepted mention survives a restart of the server and a failover, from INFO's fields."""
    if not _on(facts.get("aof_enabled")):
        off = Finding("fail", "Redis: the append-only file is off, a restart loses mentions", "Set `appendonly yes`.")
        return [off, *_eviction(facts)]
    rest = (*_replicas(facts, wanted=replicas), *_eviction(facts), *_room(facts))
    return [*_append_only(facts), *_waitaof(facts), *rest]


def _append_only(facts: Mapping[str, object]) -> list[Finding]:
    if facts.get("aof_last_write_status", "ok") != "ok":
        return [Finding("fail", "Redis: the last write to the append-only file failed", "Look at its disk.")]
    fsync = facts.get("appendfsync")
    if fsync == "no":
        return [Finding("fail", "Redis: appendfsync is no, the system decides when to write", "Set it to always.")]
    if fsync is None:
        todo = "CONFIG GET is not allowed here; see that it is always or everysec."
        return [Finding("warn", "Redis: the append-only file is on, appendfsync unknown", todo)]
    slow = " (each mention waits up to a second; always is faster)" if fsync == "everysec" else ""
    return [Finding("ok", f"Redis: the append-only file is on, appendfsync {fsync}{slow}")]


def _waitaof(facts: Mapping[str, object]) -> list[Finding]:
    # WAITAOF is in Redis from 7.2 (redis.io/commands/waitaof) and so in every Valkey, which forked later.
    numbers = tuple(map(int, re.findall(r"\d+", str(facts.get("redis_version", "")))[:2]))
    if facts.get("valkey_version") or numbers >= (7, 2):
        return []
    todo = "Use Redis 7.2 or later, or Valkey; until then a crash of the server loses up to a second."
    return [Finding("warn", "Redis: this version cannot confirm that a mention is on disk (WAITAOF)", todo)]


def _replicas(facts: Mapping[str, object], *, wanted: int) -> list[Finding]:
    # INFO: slave0:ip=...,state=online; redis-py makes a mapping of it.
    lines = [str(value) for name, value in facts.items() if re.fullmatch(r"slave\d+", name)]
    online = sum(bool(re.search(r"state\W+online", line)) for line in lines)
    if online >= wanted:
        return []
    what = f"Redis: {online} of {wanted} replicas are there, so mentions are not accepted"
    return [Finding("fail", what, "Bring the replicas back, or lower REDIS_REPLICAS.")]


def _eviction(facts: Mapping[str, object]) -> list[Finding]:
    policy = str(facts.get("maxmemory_policy", "noeviction"))
    if policy.startswith("volatile-"):
        todo = "Set it to noeviction: what is known of running answers may be evicted, and a crash then repeats them."
        return [Finding("warn", f"Redis: maxmemory-policy {policy} may forget marks against duplicates", todo)]
    if not policy.startswith("allkeys-"):
        return []
    return [Finding("fail", f"Redis: maxmemory-policy {policy} throws mentions away", "Set it to noeviction.")]


def _room(facts: Mapping[str, object]) -> list[Finding]:
    # As the server reckons: buffers of replicas and of the append-only file do not count (getMaxmemoryState).
    limit = _count(facts, "maxmemory")
    used = _count(facts, "used_memory") - _count(facts, "mem_not_counted_for_evict")
    if not limit or used < limit or facts.get("maxmemory_policy", "noeviction") != "noeviction":
        return []
    what = f"Redis: its memory is full ({used:,} of {limit:,} bytes), so mentions are not accepted"
    return [Finding("fail", what, "Raise its maxmemory, and with it the memory that it may use.")]


def _count(facts: Mapping[str, object], name: str) -> int:
    value = facts.get(name)
    return value if isinstance(value, int) else 0


def _on(value: object) -> bool:
    return str(value).lower() in ("1", "true", "yes")
