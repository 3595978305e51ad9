"""One running process: the parts of the core wired together around the platforms it is given, and their life.

It knows `Platform` and no adapter. Everything is stopped in the reverse order of its start.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from bot import http, outage, store
from bot.answer.asking import Asking
from bot.answer.means import Means, ModelState, Persona
from bot.answer.titles import Titles
from bot.commands import About, Commands
from bot.completions import Completions
from bot.completions.explained import ExplainingCompletions
from bot.counted import counted
from bot.desk import Desk
from bot.disk import Disk
from bot.errors import ConfigError
from bot.handler import Handler
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import LEASE_S, Inbox
from bot.inbox.letters import Letters
from bot.inbox.tally import Tally
from bot.limited import Limited
from bot.listening import Listening
from bot.metrics import Metrics
from bot.platform import Platform, Routes, Submit, UsesServices
from bot.presence import Presence
from bot.sealing import Seal
from bot.settings import Config, Settings, filled, plain
from bot.shared import RedisShared
from bot.standing import Standing
from bot.tracing import OFF, Tracing
from bot.worker import Worker

log = logging.getLogger(__name__)

BOT_NAME = "Routernesia"

Role = Literal["all", "gateway", "worker"]

CANCEL_WITHIN_S = 6.0
"""Longer than an adapter needs to hand over the events it has taken."""

CANCEL_ROUNDS = 2


class Bot:
    """All parts of one process. Entering opens what the parts share; `serve` runs them.

    `lease_s` is how long a lane stays with a silent worker; all processes on one Redis must agree on it.
    """

    def __init__(
        self,
        settings: Settings,
        chosen: Sequence[Platform],
        *,
        role: Role = "all",
        completions: Completions | None = None,
        lease_s: float = LEASE_S,
        tracing: Tracing = OFF,
    ) -> None:
        self._settings = settings
        self._lease_s = lease_s
        self._chosen = chosen
        self._role = role
        self._stack = AsyncExitStack()
        self._completions = completions or completions_of(settings)
        self._tracing = tracing
        self.metrics = Metrics()
        self.port = 0

    async def __aenter__(self) -> "Bot":
        settings = self._settings
        try:
            self._stack.push_async_callback(asyncio.to_thread, self._tracing.close)
            self._stack.push_async_callback(self._completions.aclose)
            self._redis = await self._stack.enter_async_context(store.of(settings))
            for platform in self._chosen:
                # Before Redis: what a platform ends with, like a token that it renews just now, is stored there.
                self._stack.push_async_callback(platform.aclose)
            self._seal = Seal(settings.encryption_keys())
            self._compose(self._seal)
            if not plain(settings.redis_url):
                await self.inbox.take_over()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    def _compose(self, seal: Seal) -> None:
        """The parts that stand on Redis."""
        settings = self._settings
        history_ttl_s = settings.history_ttl_hours * 3600
        disk = Disk(replicas=settings.redis_replicas)
        self.inbox = Inbox(self._redis, history_ttl_s=history_ttl_s, seal=seal, disk=disk, lease_s=self._lease_s)
        self._listening = Listening(self._chosen, submit=self._submit, listens=self._role != "worker")
        shared = RedisShared(self._redis, seal=seal, disk=disk)
        forgetting, state = Forgetting(self._redis), ModelState()
        self._presence = Presence(shared)
        asking = Asking(
            self._completions,
            self.metrics,
            provider=urlsplit(settings.completions_base_url).hostname or "",
            model=settings.completions_model,
            tracing=self._tracing,
        )
        titles = Titles(asking)
        self._stack.push_async_callback(titles.aclose)
        means = Means(
            self.inbox,
            Letters(self._redis, seal=seal),
            asking,
            _persona(settings),
            self.metrics,
            shared,
            titles,
            model=state,
            tracing=self._tracing,
        )
        handler = Handler(means, self._listening.opened)
        self._worker = Worker(self.inbox, handler, slots=settings.worker_slots, metrics=self.metrics)
        self.standing = Standing(
            self._listening,
            self._worker,
            self.inbox,
            Tally(self._redis),
            Limited(self._listening, self._completions),
            role=self._role,
            metrics=self.metrics,
            shortcomings=self._shortcomings,
        )
        commands = Commands(self._about(state), shared, inbox=self.inbox, forgetting=forgetting)
        self.desk = Desk(shared, commands, forgetting=forgetting, metrics=self.metrics)
        for platform in self._chosen:
            if isinstance(platform, UsesServices):
                platform.use(self.desk)

    async def _shortcomings(self) -> list[str]:
        """What Redis lacks. Raises StoreError that says which server, and why it could not be asked."""
        with outage.explained(self._settings):
            return await store.shortcomings(self._redis, replicas=self._settings.redis_replicas)

    def _submit(self, platform: Platform) -> Submit:
        return counted(self.inbox, self.metrics, platform=platform.name, tracing=self._tracing)

    def _about(self, state: ModelState) -> About:
        settings = self._settings
        return About(
            bot=BOT_NAME,
            model=settings.completions_model,
            own_prompt=bool(settings.system_prompt or settings.system_prompt_file),
            history_ttl_hours=settings.history_ttl_hours,
            connected=self._listening.connected,
            state=state,
        )

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def use(self, config: Config) -> frozenset[str]:
        """Go on with other settings where that is possible without a restart; the names of those that took effect.

        Raises ConfigError for a key that cannot be one.
        """
        settings = config.core
        self._completions.use_key(plain(settings.completions_api_key) or None)
        self._seal.use(settings.encryption_keys())
        taken = frozenset({"completions_api_key", "encryption_key", "log_level", "log_format"})
        taken |= store.log_in(self._redis, self._settings, settings)
        return taken.union(*(self._listening.renew(part) for part in config.adapters.values()))

    async def serve(self, *, until: asyncio.Event) -> None:
        """Listen, work and answer probes until the event; then stop listening, drain, and hand back the rest.

        Raises ConfigError when every platform refused its tokens.
        """
        settings = self._settings
        log.info("store", extra={"at": outage.server(settings)})
        routes = [route for platform in self._chosen if isinstance(platform, Routes) for route in platform.routes()]
        async with http.serving(
            host=settings.http_host,
            port=settings.http_port,
            routes=routes,
            metrics=self.metrics,
            obstacles=self.standing.obstacles,
            refresh=self.standing.refresh,
        ) as self.port:
            await self.work(until=until)

    async def work(self, *, until: asyncio.Event) -> None:
        """`serve` without the HTTP server."""
        async with asyncio.TaskGroup() as tasks:
            listeners = self._listening.start(tasks)
            worker = tasks.create_task(self._work(), name="worker")
            present = tasks.create_task(self._presence.run(self.standing.told), name="presence")
            stopped = tasks.create_task(until.wait(), name="stop")
            await self._until_over(stopped, listeners)
            await self._drain(listeners, worker)
            present.cancel()
            stopped.cancel()
        if self._listening.all_refused:
            raise ConfigError("\n".join(self._listening.refused.values()))

    async def _until_over(self, stopped: asyncio.Task[Literal[True]], listeners: list[asyncio.Task[None]]) -> None:
        """Until the stop, or until no listener is left (each refused, or the terminal's person has gone)."""
        waiting = set(listeners)
        while waiting and not stopped.done():
            done, _ = await asyncio.wait({stopped, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting -= done

    async def _drain(self, listeners: Sequence[asyncio.Task[None]], worker: asyncio.Task[None]) -> None:
        self.standing.draining = True
        if not self._listening.all_refused:
            log.info("draining", extra={"seconds": self._settings.drain_seconds})
        await asyncio.gather(ended(*listeners), self._worker.drain(self._settings.drain_seconds))
        await ended(worker)
        if not self._listening.all_refused:
            log.info("drained")

    async def _work(self) -> None:
        if self._role == "gateway":
            return
        await self._listening.tried()
        await self._worker.run()


async def ended(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait for their end; once more where a library swallowed the first cancellation."""
    pending = set(tasks)
    for _ in range(CANCEL_ROUNDS):
        for task in pending:
            task.cancel()
        if pending:
            _, pending = await asyncio.wait(pending, timeout=CANCEL_WITHIN_S)
    if pending:
        log.error("tasks_stuck", extra={"names": sorted(task.get_name() for task in pending)})


def completions_of(settings: Settings, *, offline: bool = False, explaining: bool = False) -> Completions:
    """The client of the configured completions API, or of the built-in echo. Raises ConfigError for its settings.

    `explaining`: for a person who can mend what fails.
    """
    transport = None
    if offline:
        from bot.completions.echo import EchoTransport

        transport = EchoTransport()
    kind = ExplainingCompletions if explaining else Completions
    return kind(
        base_url=settings.completions_base_url,
        api_key=plain(settings.completions_api_key) or None,
        model=settings.completions_model,
        stream=settings.completions_stream,
        reply_tokens=settings.reply_tokens,
        connections=settings.worker_slots,
        transport=transport,
    )


def _persona(settings: Settings, *, today: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Persona:
    template = settings.system_template()

    def system(platform: str) -> str:
        return filled(template, bot=BOT_NAME, date=f"{today():%Y-%m-%d}", platform=platform.capitalize())

    return Persona(
        name=BOT_NAME,
        system=system,
        context_tokens=settings.context_tokens,
        deadline_s=settings.mention_deadline_seconds,
    )
