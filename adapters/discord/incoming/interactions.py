"""Interactions: which part of this package takes one, and its first response, which Discord awaits for 3 seconds.

What must not be lost is submitted before the response; where that takes longer than `STEP_S` the response is
deferred, and what there is to say comes after it. Of two processes that hold the same shard both may do this: an event
has one id and is taken once, and Discord takes one response (40060 for the other). A response that comes too late
(10062) is one line in the log: the person has been told that the bot did not respond.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from adapters.discord.answers import responses
from adapters.discord.answers.responses import Json
from adapters.discord.api.rest import Rest
from adapters.discord.api.webhooks import Ended, Given, Ref, Webhooks
from adapters.discord.incoming.commands import Commands
from adapters.discord.incoming.entrance import FAILED, Entrance
from adapters.discord.incoming.intake import Done, nothing
from adapters.discord.incoming.menus import ABOUT, ASK, Menus
from adapters.discord.incoming.presses import WHY, Presses
from adapters.discord.payloads.fields import Payload
from adapters.discord.payloads.interactions import (
    Autocomplete,
    Form,
    Interaction,
    Menu,
    Press,
    Slash,
    Source,
    interaction,
)
from adapters.discord.payloads.parse import sent_at
from bot.errors import BotError, RateLimited, Unreachable
from bot.platform import Submit

log = logging.getLogger(__name__)

STEP_S: Final = 1.4
"""Chosen: so long something may take before its response is deferred, and so long the response's way to Discord, with
another try (0.1-0.5 s each); together less than Discord's 3 s."""

GIVE_UP_S: Final = 60.0
"""The longest that anything takes which was deferred (chosen)."""

TELL_PAUSES_S: Final = (0.3, 1.0, 3.0)
"""Before the tries after the first to say what came of something deferred (chosen, as for other messages)."""

TELL_PAUSE_MAX_S: Final = 10.0
"""The longest that Discord's wish to wait is obeyed for it (chosen); then the person asks again."""

RUNNING_MAX: Final = 1_000
"""Chosen, as many as mentions may wait; then people read that the bot did not respond."""

Respond = Callable[[Json], Awaitable[Given]]


@dataclass(frozen=True, slots=True)
class Doing:
    """What is done for an interaction, ending in its first response, and what Discord is told where that takes long.

    `meanwhile` is None where Discord lets nothing come later: a form, choices.
    """

    work: Coroutine[Any, Any, Json]
    meanwhile: Json | None


class Interactions:
    """Takes interactions while `submit` is set.

    `leaving` says that it soon will not be, or is not any more: then each answer over HTTP ends its connection.
    """

    def __init__(
        self,
        entrance: Entrance,
        rest: Rest,
        webhooks: Webhooks,
        *,
        step_s: float = STEP_S,
    ) -> None:
        self.submit: Submit | None = None
        self.leaving = False
        self._commands = Commands(entrance)
        self._presses = Presses(entrance)
        self._menus = Menus(entrance, rest)
        self._webhooks = webhooks
        self._step_s = step_s
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, payload: Payload, done: Done = nothing) -> None:
        """Take an interaction that the gateway brought; `done` is called once it is through, or given up for good."""
        found = interaction(payload)
        if found is None:
            log.info("interaction_not_understood", extra={"type": payload.get("type")})
        if found is None or not self._start(found, self._callback(found.source), done):
            done()

    async def over_http(self, payload: Payload) -> Json | None:
        """Take an interaction that came by HTTP, and give the first response; None where there is none to give."""
        found = interaction(payload)
        if found is None:
            return None
        first: asyncio.Future[Json] = asyncio.get_running_loop().create_future()

        async def respond(body: Json) -> Given:
            if first.done():
                return "late"
            first.set_result(body)
            return "given"

        if not self._start(found, respond, first.cancel):
            return None
        await asyncio.wait((first,), timeout=2 * self._step_s)
        first.cancel()  # changes nothing where it is there
        return None if first.cancelled() else first.result()

    async def drain(self, *, limit_s: float) -> None:
        """Wait until all is done, at most `limit_s`; then give up what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=limit_s)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            log.error("interactions_dropped_at_stop", extra={"running": len(self._tasks)})

    def _start(self, found: Interaction, respond: Respond, done: Callable[[], object]) -> bool:
        submit = self.submit
        if submit is None or len(self._tasks) >= RUNNING_MAX:
            log.error("interaction_dropped", extra={"event_id": found.source.id, "running": len(self._tasks)})
            return False
        task = asyncio.create_task(self._take(found, submit, respond), name=f"discord interaction {found.source.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda ended: None if ended.cancelled() else done())
        return True

    async def _take(self, found: Interaction, submit: Submit, respond: Respond) -> None:
        about = {"event_id": found.source.id, "kind": type(found).__name__.lower()}
        try:
            given = await self._answer(found.source, self._doing(found, submit), respond)
        except BotError as error:
            log.warning("interaction_not_told", extra={**about, "error": type(error).__name__})
        except Exception as error:  # noqa: BLE001 -- wall: one odd interaction must not end the listening
            log.error("interaction_failed", extra={**about, "error": type(error).__name__})
        else:
            if given != "given":
                log.info(f"interaction_{given}", extra=about)

    def _doing(self, found: Interaction, submit: Submit) -> Doing:
        match found:
            case Slash():
                return Doing(self._commands.slash(found, submit), responses.DEFERRED)
            case Autocomplete():
                return Doing(_now(self._commands.choices(found)), None)
            case Menu():
                return Doing(self._menus.chosen(found, submit), None if found.name == ASK else responses.DEFERRED)
            case Press():
                return Doing(self._presses.pressed(found, submit), responses.UNCHANGED)
            case Form(custom_id=custom_id) if custom_id.startswith(ABOUT):
                return Doing(self._menus.asked(found, submit), responses.DEFERRED)
            case Form(custom_id=custom_id) if custom_id.startswith(WHY):
                return Doing(self._presses.complained(found), responses.DEFERRED)
            case Form():
                return Doing(_now(responses.said(FAILED)), None)

    async def _answer(self, source: Source, doing: Doing, respond: Respond) -> Given:
        """Respond with what was done, or that it is being done, and then with what came of it."""
        work = asyncio.create_task(_outcome(source, doing.work))
        try:
            finished, _ = await asyncio.wait((work,), timeout=self._step_s)
            if finished:
                given = await respond(work.result())
                await self._tell_after(source, doing, given, work.result())
                return given
            if doing.meanwhile is None:
                return await respond(responses.said(FAILED))
            try:
                given = await respond(doing.meanwhile)
            finally:
                body = await work  # also where Discord could not be told: what was asked must not be lost
            if given == "given" and body["type"] == responses.MESSAGE:
                await self._tell(source, body["data"], instead=doing.meanwhile is responses.DEFERRED)
            else:
                await self._tell_after(source, doing, given, body)
            return given
        finally:
            work.cancel()

    async def _tell_after(self, source: Source, doing: Doing, given: Given, body: Json) -> None:
        """Say it where a deferred response may stand, of which nobody else may say more. Raises PlatformError.

        Another process may have died after it deferred; where it lives, both say the same, but not that it failed here:
        there it may be done. One's own, of which Discord has not been heard, may have reached it.
        """
        if doing.meanwhile is not responses.DEFERRED or body["type"] != responses.MESSAGE:
            return
        if given == "unheard" or (given == "elsewhere" and body != responses.said(FAILED)):
            await self._tell(source, body["data"], instead=True)

    async def _tell(self, source: Source, message: Json, *, instead: bool) -> None:
        """Say something after a deferred response: in its place, or where the response only took a press, beside it.

        Discord may falter, and what stands in an HTTP response may reach it later than this (`Ended`). Raises
        PlatformError.
        """
        to = Ref(source.application, source.token, sent_at(source.id))
        say = self._webhooks.edit if instead else self._webhooks.follow_up
        for pause_s in TELL_PAUSES_S:
            try:
                await say(to, message)
            except (Ended, RateLimited, Unreachable) as error:
                asked_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
                await asyncio.sleep(max(pause_s, min(asked_s, TELL_PAUSE_MAX_S)))
            else:
                return
        await say(to, message)

    def _callback(self, source: Source) -> Respond:
        async def respond(body: Json) -> Given:
            return await self._webhooks.respond(source.id, source.token, body, within_s=self._step_s)

        return respond


async def _now(body: Json) -> Json:
    return body


async def _outcome(source: Source, work: Coroutine[Any, Any, Json]) -> Json:
    """What there is to say; one sentence where it failed."""
    try:
        async with asyncio.timeout(GIVE_UP_S):
            return await work
    except (BotError, TimeoutError) as error:
        log.warning("interaction_not_done", extra={"event_id": source.id, "error": type(error).__name__})
    except Exception as error:  # noqa: BLE001 -- wall: the person must be told, whatever broke
        log.error("interaction_failed", extra={"event_id": source.id, "error": type(error).__name__})
    return responses.said(FAILED)
