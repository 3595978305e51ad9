"""One running process: the parts of the core wired together around the platforms it is given, and their life.

It knows `Platform` and no adapter. Everything is stopped in the reverse order of its start.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from bot import __version__, http, store
from bot.answer.asking import Asking
from bot.answer.means import Means, ModelState, Persona
from bot.answer.titles import Titles
from bot.commands import About, Commands
from bot.completions import Completions
from bot.counted import counted
from bot.desk import Desk
from bot.disk import Disk
from bot.errors import ConfigError, PlatformError, StoreError
from bot.handler import Handler
from bot.inbox.forgetting import Forgetting
from bot.inbox.inbox import LEASE_S, Inbox
from bot.inbox.tally import Tally
from bot.logs import crash
from bot.metrics import Metrics
from bot.platform import KeepsConnection, Platform, Routes, TellsRefusals, UsesServices
from bot.presence import Presence, Process, own_name
from bot.sealing import Seal
from bot.settings import Settings, filled, plain
from bot.shared import RedisShared
from bot.tracing import OFF, Tracing
from bot.worker import Worker

log = logging.getLogger(__name__)

BOT_NAME = "Routernesia"

Role = Literal["all", "gateway", "worker"]

RECONNECT_CAP_S = 30.0

STEADY_S = 60.0
"""A connection that lasted so long was a good one: the next failure begins at the first delay."""

OPEN_WITHIN_S = 3.0
"""So long the worker waits at the start for every platform to be there: a mention that finds its platform missing
is put back with a back-off. Chosen: a login takes well under a second; one platform's outage must not stop the others.
"""

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
        self._opened: dict[str, Platform] = {}
        self._refused: dict[str, str] = {}
        self._untried = {platform.name for platform in chosen}
        self._all_tried = asyncio.Event()
        self._draining = False
        self._stack = AsyncExitStack()
        self._completions = completions or completions_of(settings)
        self._tracing = tracing
        self.metrics = Metrics()
        self.metrics.build.labels(__version__, role).set(1)
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
        self._tally = Tally(self._redis)
        self._since = time.time()
        shared, forgetting, state = (
            RedisShared(self._redis, seal=seal, disk=disk),
            Forgetting(self._redis),
            ModelState(),
        )
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
            self.inbox, asking, _persona(settings), self.metrics, shared, titles, model=state, tracing=self._tracing
        )
        handler = Handler(means, self._opened)
        self._worker = Worker(self.inbox, handler, slots=settings.worker_slots, metrics=self.metrics)
        commands = Commands(self._about(state), shared, inbox=self.inbox, forgetting=forgetting)
        self.desk = Desk(shared, commands, forgetting=forgetting, metrics=self.metrics)
        for platform in self._chosen:
            if isinstance(platform, UsesServices):
                platform.use(self.desk)

    def _about(self, state: ModelState) -> About:
        settings = self._settings
        return About(
            bot=BOT_NAME,
            model=settings.completions_model,
            own_prompt=bool(settings.system_prompt or settings.system_prompt_file),
            history_ttl_hours=settings.history_ttl_hours,
            connected=self._connected,
            state=state,
        )

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def use(self, settings: Settings) -> frozenset[str]:
        """Go on with other settings where that is possible without a restart; the names of those that took effect.

        Raises ConfigError for a key that cannot be one.
        """
        self._completions.use_key(plain(settings.completions_api_key) or None)
        self._seal.use(settings.encryption_keys())
        taken = frozenset({"completions_api_key", "encryption_key", "log_level", "log_format"})
        return taken | store.log_in(self._redis, self._settings, settings)

    async def serve(self, *, until: asyncio.Event) -> None:
        """Listen, work and answer probes until the event; then stop listening, drain, and hand back the rest.

        Raises ConfigError when every platform refused its tokens.
        """
        settings = self._settings
        routes = [route for platform in self._chosen if isinstance(platform, Routes) for route in platform.routes()]
        async with http.serving(
            host=settings.http_host,
            port=settings.http_port,
            routes=routes,
            metrics=self.metrics,
            obstacles=self.obstacles,
            refresh=self._refresh,
        ) as self.port:
            await self.work(until=until)

    async def work(self, *, until: asyncio.Event) -> None:
        """`serve` without the HTTP server."""
        async with asyncio.TaskGroup() as tasks:
            listeners = [
                tasks.create_task(self._listen(platform), name=f"listen-{platform.name}") for platform in self._chosen
            ]
            worker = tasks.create_task(self._work(), name="worker")
            present = tasks.create_task(self._presence.run(self._tell), name="presence")
            stopped = tasks.create_task(until.wait(), name="stop")
            await self._until_over(stopped, listeners)
            await self._drain(listeners, worker)
            present.cancel()
            stopped.cancel()
        if self._all_refused:
            raise ConfigError("\n".join(self._refused.values()))

    @property
    def _all_refused(self) -> bool:
        return len(self._refused) == len(self._chosen)

    async def _until_over(self, stopped: asyncio.Task[Literal[True]], listeners: list[asyncio.Task[None]]) -> None:
        """Until the stop, or until no listener is left (each refused, or the terminal's person has gone)."""
        waiting = set(listeners)
        while waiting and not stopped.done():
            done, _ = await asyncio.wait({stopped, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            waiting -= done

    async def _drain(self, listeners: Sequence[asyncio.Task[None]], worker: asyncio.Task[None]) -> None:
        self._draining = True
        if not self._all_refused:
            log.info("draining", extra={"seconds": self._settings.drain_seconds})
        await asyncio.gather(ended(*listeners), self._worker.drain(self._settings.drain_seconds))
        await ended(worker)
        if not self._all_refused:
            log.info("drained")

    async def _work(self) -> None:
        if self._role == "gateway":
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_tried.wait(), OPEN_WITHIN_S)
        await self._worker.run()

    async def _open(self, platform: Platform) -> None:
        try:
            await platform.open()
            self._opened[platform.name] = platform
            log.info("platform_open", extra={"platform": platform.name})
        finally:
            self._untried.discard(platform.name)
            if not self._untried:
                self._all_tried.set()

    async def _listen(self, platform: Platform) -> None:
        """One platform's wall: what goes wrong there stays there."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._open_and_listen(platform)
                return
            except ConfigError as error:
                self._refused[platform.name] = str(error)
                log.error("platform_refused", extra={"platform": platform.name, "error": str(error)})
                return
            except PlatformError as error:
                log.warning("platform_unreachable", extra={"platform": platform.name, "error": str(error)})
            except Exception as error:  # noqa: BLE001 - the wall
                log.error("platform_crashed", extra={"platform": platform.name, **crash(error)})
            failures = 1 if time.monotonic() - began > STEADY_S else failures + 1
            await asyncio.sleep(min(RECONNECT_CAP_S, 0.5 * 2 ** min(failures, 6)))

    async def _open_and_listen(self, platform: Platform) -> None:
        if platform.name not in self._opened:
            await self._open(platform)
        if self._role == "worker":
            await asyncio.Event().wait()
        await platform.listen(counted(self.inbox, self.metrics, platform=platform.name, tracing=self._tracing))

    async def obstacles(self) -> Sequence[str]:
        """What keeps this process from doing its work right now, one sentence each."""
        return self._obstacles(await self._of_store())

    def _obstacles(self, of_store: Sequence[str]) -> list[str]:
        found = ["the bot is shutting down"] if self._draining else []
        found += of_store
        for platform in self._chosen:
            # Also in a worker, which listens to nothing: what it cannot write, it cannot answer.
            refusal = platform.refusal if isinstance(platform, TellsRefusals) else None
            if reason := self._refused.get(platform.name) or refusal:
                found.append(f"{platform.name}: {reason}")
            elif platform.name not in self._opened or (self._role != "worker" and not platform.connected):
                found.append(f"{platform.name} is not connected")
        return found

    async def _of_store(self) -> list[str]:
        try:
            return await store.shortcomings(self._redis, replicas=self._settings.redis_replicas)
        except StoreError as error:
            return [str(error)]

    async def _refresh(self) -> None:
        """Bring the gauges up to date before a scrape. What Redis cannot tell just now stays as it was."""
        metrics = self.metrics
        self._note_platforms()
        of_store = await self._of_store()
        metrics.ready.set(not self._obstacles(of_store))
        metrics.durable.set(not of_store)
        try:
            depth, oldest_s = await self.inbox.depth()
            balance, dead = await self._tally(), await self.inbox.dead_letters()
        except StoreError:
            return
        metrics.depth.set(depth)
        metrics.oldest.set(oldest_s)
        metrics.dead.set(dead)
        metrics.unaccounted.set(balance.unaccounted)
        for state, number in asdict(balance).items():
            metrics.events.labels(state).set(number)

    async def _tell(self) -> Process:
        """How this process stands, for `routernesia-bot status`."""
        return Process(
            name=own_name(),
            role=self._role,
            version=__version__,
            since=self._since,
            running=self._worker.running,
            slots=self._settings.worker_slots,
            platforms=self._connected(),
            obstacles=tuple(await self.obstacles()),
        )

    def _connected(self) -> dict[str, bool]:
        """Whether what each platform sends arrives here."""
        return {one.name: one.name in self._opened and one.connected for one in self._chosen}

    def _note_platforms(self) -> None:
        if self._role != "worker":
            for name, connected in self._connected().items():
                self.metrics.connected.labels(name).set(connected)
        for platform in self._chosen:
            if isinstance(platform, KeepsConnection) and (silent_s := platform.last_heard_s) is not None:
                self.metrics.last_heard.labels(platform.name).set(silent_s)
            if isinstance(platform, TellsRefusals):
                for status, calls in platform.refused_calls.items():
                    self.metrics.refused_calls.labels(platform.name, str(status)).set(calls)


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


def completions_of(settings: Settings, *, offline: bool = False) -> Completions:
    """The client of the configured completions API, or of the built-in echo. Raises ConfigError for its settings."""
    transport = None
    if offline:
        from bot.completions.echo import EchoTransport

        transport = EchoTransport()
    return Completions(
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
