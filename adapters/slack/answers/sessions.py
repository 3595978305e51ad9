"""The agent view's sessions: that an answer is being prepared, what the conversation is about, what may be asked.

A session belongs to a thread. While it is `processing` Slack shows its own Stop button; nothing but a status ends that
(an hour, or chat.stopStream, which carries one): a posted message does not (docs.slack.dev/ai/agent-sessions, read
November 2026). An app without the agent view has the older status line instead, which writes to the same place in
Slack's window: a turn uses one of the two, never both.
"""

import asyncio
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Literal

from adapters.slack.answers.keys import hashed
from adapters.slack.api.budgets import RENAME, STATUS, Metered
from adapters.slack.api.calls import Api, Unscoped, Unsupported, code_of
from adapters.slack.api.chores import Chores, Pause, insist
from adapters.slack.api.latches import FOR_GOOD, Latches
from adapters.slack.prompts import PROMPTS_MAX, Prompt
from bot.errors import Gone, PlatformError, RateLimited, StoreError, Unreachable
from bot.events import Mention
from bot.services import Shared

log = logging.getLogger(__name__)

Status = Literal["processing", "active"]

TITLE_MAX: Final = 60
"""Chosen; Slack takes 200 characters (agents.sessions.rename, November 2026) and shows fewer."""

_TITLED_FOR_S: Final = 30 * 24 * 3600.0  # chosen: a thread older than this is not given a second title in practice
_PROCESSING_FOR_S: Final = 3_600.0  # then Slack ends it by itself
_RENAME_WITHIN_S: Final = 60.0
_TURNS_MAX: Final = 10_000
_LEGACY_STATUS: Final = "is thinking…"

_LINK: Final = re.compile(r"!?\[([^\[\]\n]*)\]\([^()\n]*\)")
_MARKS: Final = re.compile(r"[*_~`<>#]+")


class Sessions:
    """The sessions of one workspace. What it does never fails a turn: a refusal is latched or logged."""

    def __init__(
        self,
        api: Api,
        *,
        team: str,
        shared: Shared | None,
        latches: Latches,
        chores: Chores,
        allowed: bool = True,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._team = team
        self._shared = shared
        self._latches = latches
        self._chores = chores
        self._allowed = allowed
        self._pause = pause
        self._status = Metered(api, STATUS, team=team, shared=shared, clock=clock)
        self._rename = Metered(api, RENAME, team=team, shared=shared, clock=clock)
        # By event: what the turn set its session to, as far as this process knows; "unclear" where it may have.
        self._turns: OrderedDict[str, Status | Literal["unclear"]] = OrderedDict()
        self._signs: dict[str, asyncio.Task[None]] = {}  # by event: "processing" on its way to Slack

    @property
    def agent(self) -> bool:
        """Whether the app may have sessions: the operator allows it and Slack has not said otherwise for an hour."""
        return self._allowed and not self._latches.closed("sessions")

    async def processing(self, mention: Mention) -> None:
        """Show that an answer is being prepared. Called again every few seconds until text shows."""
        if mention.private or mention.place.thread is None or self.is_processing(mention):
            return
        if self.agent:
            await self._sign(mention)
        if not self.agent:
            await self._legacy(mention)

    async def settled(self, mention: Mention) -> None:
        """The turn is over: its session becomes active, now or as soon as Slack takes it."""
        if sign := self._signs.get(mention.event_id):
            await asyncio.wait([sign])
        known = self._turns.pop(mention.event_id, None)
        if known != "active" and (known or await self._is_marked(mention)):
            await self.activate(mention)

    async def activate(self, mention: Mention) -> None:
        """Set the session active; a chore goes on where Slack cannot take it now."""
        self.noted(mention, "active")
        if mention.private or mention.place.thread is None or not self.agent:
            return
        try:
            await self._set(mention, "active", last=True)
        except (RateLimited, Unreachable):
            self._chores.begin(
                insist(lambda: self._set(mention, "active", last=True), within_s=_PROCESSING_FOR_S, pause=self._pause),
                name="session",
                ends=True,
            )
        except PlatformError as error:
            self._refused(error)

    async def mark(self, mention: Mention) -> None:
        """Note for all processes, before a call that may do it, that the turn's session processes. Raises StoreError.

        Whoever ends the turn then knows that the session must become active; one without the mark costs no call: a
        workspace takes fewer of them in a minute than it can ask questions.
        """
        if self._shared and self.agent and mention.event_id not in self._turns:
            await self._shared.put(self._marked(mention), "1", tenant=self._team, ttl_s=_PROCESSING_FOR_S)

    def noted(self, mention: Mention, status: Status | Literal["unclear"]) -> None:
        """A call has set this status, or may have."""
        self._turns[mention.event_id] = status
        self._turns.move_to_end(mention.event_id)
        if len(self._turns) > _TURNS_MAX:
            self._turns.popitem(last=False)

    def is_processing(self, mention: Mention) -> bool:
        """Whether the turn goes on, as far as this process knows."""
        return self._turns.get(mention.event_id) == "processing"

    def entitle(self, mention: Mention) -> None:
        """Name the session after its first question, once, unless somebody has named it; in the background."""
        if self.agent and self._shared and mention.place.thread and (name := title(mention.text)):
            self._chores.begin(self._entitle(self._shared, mention, name), name="title")

    async def renamed(self, channel: str, thread: str) -> None:
        """A person gave the session a title: it stays. Raises StoreError."""
        if self._shared:
            await self._shared.put(self._titled(channel, thread), "person", tenant=self._team, ttl_s=_TITLED_FOR_S)

    async def suggest(self, channel: str, prompts: Sequence[Prompt], *, heading: str = "") -> None:
        """Offer prompts in a direct message, at most four.

        Without a thread: with one the call silently does nothing for an app with the agent view (docs.slack.dev/ai/
        developing-agents, November 2026).
        """
        if not self.agent or not prompts:
            return
        offered = [{"title": one.title, "message": one.message} for one in prompts[:PROMPTS_MAX]]
        try:
            await self._api.write(
                "assistant.threads.setSuggestedPrompts", channel_id=channel, prompts=offered, title=heading or None
            )
        except PlatformError as error:
            # Its scope is its own: without it sessions still work.
            log.info("slack_prompts_failed", extra={"error": str(error)})

    def refuse(self, error: PlatformError) -> None:
        """Slack said on the way that the app has no sessions."""
        self._refused(error)

    async def _sign(self, mention: Mention) -> None:
        """Set the session processing. The call outlives whoever waits for it.

        An answer may end first, and what Slack took only then would say for an hour that the bot works: `settled`
        waits for the call's end.
        """
        event = mention.event_id
        if event not in self._signs and (sign := self._chores.begin(self._begun(mention), name="sign")):
            self._signs[event] = sign
            sign.add_done_callback(lambda _: self._signs.pop(event, None))
        if sign := self._signs.get(event):
            await asyncio.shield(sign)

    async def _begun(self, mention: Mention) -> None:
        try:
            await self._status.spend()
            await self.mark(mention)
        except (RateLimited, StoreError) as error:
            log.debug("slack_session_unmarked", extra={"error": str(error)})
            return
        try:
            await self._status.call(**_status_of(mention, "processing"))
        except PlatformError as error:
            if isinstance(error, Unreachable):
                self.noted(mention, "unclear")
            self._refused(error)
        else:
            self.noted(mention, "processing")
            self.entitle(mention)

    async def _set(self, mention: Mention, status: Status, *, last: bool = False) -> None:
        await self._status(last=last, **_status_of(mention, status))

    async def _is_marked(self, mention: Mention) -> bool:
        """Whether any process may have set the turn's session processing."""
        if self._shared is None or mention.private or mention.place.thread is None:
            return True
        try:
            return bool(await self._shared.get(self._marked(mention), tenant=self._team))
        except StoreError as error:
            log.debug("slack_session_unknown", extra={"error": str(error)})
            return True

    async def _legacy(self, mention: Mention) -> None:
        """Show "is thinking…" under the thread; the answer's first message clears it.

        Slack dates the end of this method to February 2027: a refusal silences it for an hour.
        """
        if self._latches.closed("status"):
            return
        place = mention.place
        try:
            await self._api.write(
                "assistant.threads.setStatus",
                channel_id=place.channel,
                thread_ts=place.thread,
                status=_LEGACY_STATUS,
            )
        except PlatformError as error:
            if isinstance(error, Unscoped | Unsupported) and self._latches.close("status"):
                log.info("slack_status_unavailable", extra={"error": str(error)})
            else:
                log.debug("slack_status_failed", extra={"error": str(error)})

    async def _entitle(self, shared: Shared, mention: Mention, name: str) -> None:
        channel, thread = mention.place.channel, mention.place.thread or ""
        try:
            first = await shared.add(self._titled(channel, thread), "bot", tenant=self._team, ttl_s=_TITLED_FOR_S)
        except StoreError as error:
            log.debug("slack_title_unknown", extra={"error": str(error)})
            return
        if first:
            await insist(lambda: self._named(channel, thread, name), within_s=_RENAME_WITHIN_S, pause=self._pause)

    async def _named(self, channel: str, thread: str, name: str) -> None:
        try:
            await self._rename(channel_id=channel, thread_ts=thread, title=name)
        except Gone:
            log.debug("slack_session_gone")

    def _marked(self, mention: Mention) -> str:
        return f"processing:slack:{self._team}:{hashed(mention.event_id)}"

    def _titled(self, channel: str, thread: str) -> str:
        return f"titled:slack:{self._team}:{channel}:{thread}"

    def _refused(self, error: PlatformError) -> None:
        if code_of(error) in FOR_GOOD and self._latches.close("sessions"):
            log.info("slack_sessions_unavailable", extra={"error": str(error)})
        else:
            log.debug("slack_session_failed", extra={"error": str(error)})


def _status_of(mention: Mention, status: Status) -> dict[str, str | None]:
    return {"channel_id": mention.place.channel, "thread_ts": mention.place.thread, "status": status}


def title(text: str) -> str:
    """The first 60 characters of a CommonMark text, without its marks, cut between words; "" where nothing is left."""
    words = " ".join(_MARKS.sub("", _LINK.sub(r"\1", text)).split())
    if len(words) <= TITLE_MAX:
        return words
    return (words[:TITLE_MAX].rpartition(" ")[0] or words[: TITLE_MAX - 1]) + "…"
