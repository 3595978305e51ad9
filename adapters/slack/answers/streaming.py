"""Native streaming: messages that grow at Slack's own pace, with chat.startStream, appendStream and stopStream.

It may decline, and says why in a metric: the caller then posts and edits. The rules (docs.slack.dev/ai/
developing-agents, and what several public bots measured; November 2026): a stream needs a thread and, in channels, the
person it is for; it ends about five minutes after its start, however often it is appended to; a message takes about
11,000 bytes in all.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from adapters.slack.answers.begun import Begun
from adapters.slack.answers.keys import metadata
from adapters.slack.answers.live import Stream
from adapters.slack.answers.posting import Posting
from adapters.slack.answers.sessions import Sessions
from adapters.slack.answers.stopping import ENDED, Stopping
from adapters.slack.api.budgets import APPEND, START, Metered
from adapters.slack.api.calls import Api, Unclear, code_of
from adapters.slack.api.chores import Chores, Pause, insist
from adapters.slack.api.latches import ABOUT_A_PERSON, FOR_GOOD, Latches
from adapters.slack.text.render import rendered, stream_length
from bot.errors import Ambiguous, PlatformError, RateLimited, StoreError, Unreachable
from bot.events import Mention
from bot.platform import Stage, StreamEnded, StreamLimits
from bot.services import Shared

log = logging.getLogger(__name__)

# Chosen below what was measured: 10,600 bytes and more went through, and streams lived 5.18 min.
STREAM_LIMITS: Final = StreamLimits(text_max=9_000, length=stream_length, flush_chars=256, flush_s=0.75, open_s=255.0)

REASONS: Final = frozenset(
    {"off", "no_thread", "private", "bot", "workspace", "person", "budget", "store", "refused"},
)
"""Why an answer is not streamed, for a metric: switched off; no thread; shown to one person; no person to stream to;
Slack refuses the workspace or the person; the minute is spent; no Redis to count in; refused for another reason.
"""

CLOSE_WITHIN_S: Final = 10.0
"""Chosen: the whole text stands already, so the answer need not wait longer for its end."""

_ENDS_BY_ITSELF_S: Final = 330.0
_LIVES_S: Final = 300.0
_PERSON: Final = re.compile(r"[UW][A-Z0-9]{2,}")  # what Slack takes as a recipient
_FULL: Final = frozenset({"msg_too_long", "message_not_owned_by_app", "only_one_table_allowed"})


class Streaming:
    """The streams of one workspace."""

    def __init__(
        self,
        api: Api,
        *,
        team: str,
        posting: Posting,
        stop: Stopping,
        sessions: Sessions,
        latches: Latches,
        chores: Chores,
        shared: Shared | None = None,
        begun: Begun | None = None,
        fell_back: Callable[[str], None] | None = None,
        allowed: bool = True,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._team = team
        self._posting = posting
        self._stop = stop
        self._sessions = sessions
        self._latches = latches
        self._chores = chores
        self._begun = begun
        self._fell_back = fell_back
        self._allowed = allowed
        self._pause = pause
        self._clock = clock
        self._start = Metered(api, START, team=team, shared=shared, clock=clock)
        self._append = Metered(api, APPEND, team=team, shared=shared, clock=clock)
        self._open: dict[str, float] = {}  # by ts: when it began

    @property
    def flush_s(self) -> float:
        """The least time between two appends to one message: the workspace's minute is shared by all that grow."""
        oldest = self._clock() - _LIVES_S
        self._open = {ts: began for ts, began in self._open.items() if began > oldest}
        together_s = len(self._open) * 60.0 / APPEND.rate.per_minute if len(self._open) > 1 else 0.0
        return max(STREAM_LIMITS.flush_s, together_s)

    def may_begin(self, mention: Mention) -> bool:
        """Whether nothing that is known speaks against it; what does, the metric is told."""
        if unable := "store" if self._begun is None else self._unable(mention):
            self._declined(unable)
        return not unable

    async def begin(self, mention: Mention, text: str, *, key: str) -> Stream | None:
        """Begin a message; None where it cannot be streamed. Raises PlatformError; see `bot.platform.Streams`."""
        begun = self._begun
        if begun is None or not self.may_begin(mention):
            return None
        shown = rendered(text, growing=True)
        try:
            await self._start.spend()
            await begun.intend(key)
            await self._sessions.mark(mention)
            ts = await self._started(mention, shown)
        except StoreError:
            return self._declined("store")
        except RateLimited:
            return self._declined("budget")
        except Unclear as error:
            raise Ambiguous(f"a stream may stand: {error}") from error
        except Unreachable:
            raise
        except PlatformError as error:
            return self._declined(self._refused(mention, error))
        self._posting.remember(mention, ts, key=key)
        self._open[ts] = self._clock()
        if self._sessions.agent:
            self._sessions.noted(mention, "processing")
            self._sessions.entitle(mention)
        await begun.note(mention.place.channel, ts, key=key)
        return Stream(self, mention, ts, key=key, source=text, shown=shown)

    async def append(self, mention: Mention, ts: str, text: str, *, last: bool) -> None:
        """Add rendered text to a stream. Raises as `bot.platform.LiveMessage.append` says."""
        try:
            await self._append(last=last, channel=mention.place.channel, ts=ts, markdown_text=text)
        except Unclear as error:
            raise Ambiguous(f"the text may stand: {error}") from error
        except PlatformError as error:
            code = code_of(error)
            gone_wrong = code in ENDED | _FULL | FOR_GOOD | ABOUT_A_PERSON
            if not gone_wrong:
                raise
            if code not in ENDED | _FULL:
                self._refused(mention, error)
            raise StreamEnded(str(error), stopped=code == "stopped_by_user") from error

    async def end(self, mention: Mention, ts: str, *, key: str, stage: Stage, shown: str) -> None:
        """End a stream, which shows this text; where Slack cannot take that now, a chore goes on. Never fails."""
        self._open.pop(ts, None)

        async def call(*, late: bool) -> None:
            ended = await self._stop(mention, ts, metadata=metadata(key), stage=stage, late=late)
            if not ended and stage == "last":
                await self._sessions.activate(mention)
                if not late:  # by then another process may have written a newer text there
                    await self._posting.dress(mention, ts, shown)

        try:
            await insist(partial(call, late=False), within_s=CLOSE_WITHIN_S, pause=self._pause)
        except (RateLimited, Unreachable) as error:
            log.info("slack_stream_ends_later", extra={"error": str(error)})
            later = insist(partial(call, late=True), within_s=_ENDS_BY_ITSELF_S, pause=self._pause)
            self._chores.begin(later, name="stop", ends=True)
            if stage == "last":
                await self._sessions.activate(mention)

    def forget(self, ts: str) -> None:
        """A stream takes no more."""
        self._open.pop(ts, None)

    async def _started(self, mention: Mention, shown: str) -> str:
        place, author = mention.place, mention.author
        answer = await self._start.call(
            channel=place.channel,
            thread_ts=place.thread,
            markdown_text=shown or None,
            recipient_user_id=author.id,
            # The person's own workspace: in a channel shared between companies it is not the bot's.
            recipient_team_id=author.team or place.workspace or self._team,
        )
        ts = answer.data.get("ts")
        if not isinstance(ts, str):
            raise Unclear("chat.startStream: no ts in the answer")
        return ts

    def _unable(self, mention: Mention) -> str:
        author = mention.author
        if not self._allowed:
            return "off"
        if mention.private:
            return "private"
        if mention.place.thread is None:
            return "no_thread"
        if author.is_bot or not _PERSON.fullmatch(author.id):
            return "bot"
        if self._latches.closed("streaming"):
            return "workspace"
        return "person" if self._latches.closed(("person", author.id)) else ""

    def _refused(self, mention: Mention, error: PlatformError) -> str:
        """Why, and whether it will stay so."""
        code = code_of(error)
        if code in FOR_GOOD:
            if self._latches.close("streaming"):
                log.warning("slack_streaming_unavailable", extra={"error": str(error)})
            return "workspace"
        if code in ABOUT_A_PERSON:
            self._latches.close(("person", mention.author.id))
            return "person"
        log.warning("slack_stream_refused", extra={"error": str(error)})
        return "refused"

    def _declined(self, reason: str) -> None:
        if self._fell_back:
            self._fell_back(reason)
