"""What an operator sees and does from a shell beside running bots: how they stand, what was given up, what to delete.

Each function opens the store, also the embedded one of a bot that runs, and gives lines to print. No text of a message
is in them.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot import doctor, outage, store
from bot.commands import forget_person
from bot.errors import BotError
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import Inbox
from bot.inbox.letters import Letter, Letters
from bot.inbox.tally import Balance, Tally
from bot.presence import Presence, Process
from bot.sealing import Seal
from bot.services import Shared
from bot.settings import Settings
from bot.shared import RedisShared

ALL: Final = "all"


class NotFound(BotError):
    """What was named is not there."""


class NotDone(BotError):
    """Not all that was asked could be done. The text has a line for each."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Of which memory is to be deleted: a workspace's, or within it one person's or one conversation's."""

    platform: str
    workspace: str
    user: str = ""
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class _Opened:
    shared: Shared
    inbox: Inbox
    letters: Letters
    tally: Tally
    forgetting: Forgetting
    findings: Sequence[str]


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[_Opened]:
    """Raises StoreError with all that an operator wants to know."""
    seal = Seal(settings.encryption_keys())
    with outage.explained(settings):
        async with store.of(settings, beside=True) as redis:
            facts = await store.info(redis)
            weak = doctor.shortcomings(facts, replicas=settings.redis_replicas)
            yield _Opened(
                shared=RedisShared(redis, seal=seal),
                inbox=Inbox(redis, history_ttl_s=settings.history_ttl_hours * 3600, seal=seal),
                letters=Letters(redis, seal=seal),
                tally=Tally(redis),
                forgetting=Forgetting(redis),
                findings=weak or [f"{doctor.server(facts).what} and keeps what it takes"],
            )


async def status(settings: Settings, *, now: Callable[[], float] = time.time) -> list[str]:
    """How everything stands. Raises StoreError when Redis cannot be asked."""
    async with _opened(settings) as at:
        processes, sealed = await Presence(at.shared).all()
        depth, oldest_s = await at.inbox.depth()
        balance, dead = await at.tally(), await at.inbox.dead_letters()
        return [
            *at.findings,
            f"Queue: {_counted(depth, 'conversation')} waiting or in work, the oldest due for {oldest_s:.0f} s",
            *_balance(balance),
            f"Given up: {dead}{'; routernesia-bot dead list' if dead else ''}",
            *(_process(one, now()) for one in processes),
            *([f"Processes that have another ENCRYPTION_KEY than this command: {sealed}"] if sealed else []),
            *([] if processes or sealed else ["Processes: none has said anything for half a minute"]),
        ]


async def recount(settings: Settings) -> list[str]:
    """Begin the count of what was taken anew, with what waits now. Raises StoreError."""
    async with _opened(settings) as at:
        return _balance(await at.tally.begin_anew())


def _balance(balance: Balance) -> list[str]:
    ended = (
        f"{balance.answered} answered, {balance.failed} failed, {balance.withdrawn} withdrawn, "
        f"{balance.waiting} waiting or in work"
    )
    lines = [f"Mentions: {balance.accepted} taken; {ended}"]
    if balance.unaccounted:
        lines.append(f"UNACCOUNTED: {balance.unaccounted}; see docs/runbooks/BotInboxUnaccounted.md")
    return lines


def _process(one: Process, now: float) -> str:
    platforms = ", ".join(f"{name} {'connected' if on else 'NOT connected'}" for name, on in one.platforms.items())
    work = "" if one.role == "gateway" else f"; {one.running} of {one.slots} slots in use"
    below = "".join([*(f"\n    ! {sentence}" for sentence in one.obstacles), *(f"\n    {note}" for note in one.notes)])
    listens = "" if one.role == "worker" or not platforms else f"; {platforms}"
    return f"{one.name}: {one.role} {one.version}, for {_span(now - one.since)}{listens}{work}{below}"


async def dead(settings: Settings) -> list[str]:
    """The given-up mentions, newest first."""
    async with _opened(settings) as at:
        letters = await at.letters.all()
    return [_letter(one) for one in letters] or ["No mention was given up."]


def _letter(one: Letter) -> str:
    at = f"{datetime.fromtimestamp(one.at, UTC):%Y-%m-%d %H:%M:%SZ}" if one.at else "at an unknown time"
    return f"{one.id}  {at}  {one.why}  {one.conversation}"


async def retry(settings: Settings, wanted: str) -> list[str]:
    """Have given-up mentions answered after all: that with the id, or all. Raises NotFound, and NotDone."""
    why = "cannot be read: sealed with another ENCRYPTION_KEY, or written by another version"
    said, fine = await _each(settings, wanted, lambda at: at.letters.retry, done="taken up again", not_done=why)
    if not fine:
        raise NotDone("\n".join(said))
    return said


async def drop(settings: Settings, wanted: str) -> list[str]:
    """Delete given-up mentions: that with the id, or all. Raises NotFound."""
    said, _ = await _each(settings, wanted, lambda at: at.letters.drop, done="deleted", not_done="was gone already")
    return said


async def _each(
    settings: Settings,
    wanted: str,
    act: Callable[[_Opened], Callable[[Letter], Awaitable[bool]]],
    *,
    done: str,
    not_done: str,
) -> tuple[list[str], bool]:
    """What became of each, and whether all were done."""
    async with _opened(settings) as at:
        # Oldest first, as they were written.
        letters = [one for one in reversed(await at.letters.all()) if wanted in (ALL, one.id, one.event_id)]
        if not letters and wanted != ALL:
            raise NotFound(f"no given-up mention has the id {wanted}; routernesia-bot dead list shows them all")
        ends = [(one.id, await act(at)(one)) for one in letters]
        said = [f"{short}: {done if fine else not_done}" for short, fine in ends]
        return said or ["There was none."], all(fine for _, fine in ends)


async def forget(settings: Settings, what: Memory) -> list[str]:
    """Delete what is remembered. Raises StoreError."""
    async with _opened(settings) as at:
        if what.conversation:
            name = f"{what.platform}:{what.workspace}:{what.conversation}"
            return ["Forgotten." if await at.forgetting.conversation(name) else "Nothing is remembered of it."]
        if what.user:
            whom = (what.platform, what.workspace, what.user)
            talks = await forget_person(at.forgetting, at.shared, *whom, now=time.time())
            return [f"Forgotten: {_counted(talks, 'direct conversation')}, the count of what was used, feedback."]
        there_was = await at.forgetting.workspace(what.platform, what.workspace)
        name = f"{what.platform} {what.workspace}"
        gone, none = f"Forgotten: everything of {name}.", f"Nothing is remembered of {name}; is that its id?"
        return [gone if there_was else none]


def _span(seconds: float) -> str:
    minutes = max(0, int(seconds)) // 60
    hours, days = minutes // 60, minutes // 1440
    return f"{days} days" if days > 1 else f"{hours} hours" if hours > 1 else _counted(minutes, "minute")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
