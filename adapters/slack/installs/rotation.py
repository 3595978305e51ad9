"""Renewing bot tokens that end: one renewal at a time for an installation, whatever the number of processes.

With token rotation a bot token lives 12 hours, and the refresh token that came with it is good once
(docs.slack.dev/authentication/using-token-rotation, November 2026). So a renewal happens under the installation's lock,
reads the record again inside, and does nothing where another process was faster.

What can go wrong, and what is done:
- Slack's answer is lost. The exchange is repeated at once with the same refresh token, in case the first never arrived
  or Slack still honours it. If it does not, the new pair is lost and nobody can get it back; the old token goes on
  until its own end, because its successor is never used. Renewing two hours before that end leaves the time in which
  the log line can bring a person to install again.
- Redis does not take the new pair. It is kept in memory and stored at the next look; until then everybody goes on with
  the old token, for the first use of the new one may end it.
- Whoever waited gave up (an event has 3 s). The renewal is a task of its own and goes on.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from slack_sdk.oauth.installation_store import Installation

from adapters.slack.api.calls import Answer, Api, Unclear, code_of
from adapters.slack.api.chores import end
from adapters.slack.installs.installations import RENEWAL_REFUSED, Installations, of
from adapters.slack.payloads.fields import text
from bot.errors import PlatformError, RateLimited, Rejected, StoreError

log = logging.getLogger(__name__)

Pause = Callable[[float], Awaitable[None]]
Key = tuple[str, str]

RENEW_BEFORE_S: Final = 7_200.0
"""Chosen, as the SDK: two hours before the token's end."""

URGENT_BEFORE_S: Final = 120.0
"""Chosen: longer than the clocks of two processes differ, and than an event or a call takes."""

_LIVES_S: Final = 43_200  # where Slack does not say: 12 hours, as documented
_TRIES: Final = 2
_TRY_AFTER_S: Final = 0.5
_DELAYS_S: Final = (30.0, 600.0)
_BROKEN_S: Final = 3_600.0  # chosen: only a person can mend it, and a reinstall is a new record anyway
_END_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Trouble:
    """A refresh token that did not work, and until when it is left alone."""

    refresh_token: str
    until: float
    delay_s: float


class Rotation:
    """Renews tokens. `app` calls Slack with the app's own id and secret instead of a token; `clock` is Unix time."""

    def __init__(
        self,
        store: Installations,
        app: Api,
        *,
        pause: Pause = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._app = app
        self._pause = pause
        self._clock = clock
        self._running: dict[Key, asyncio.Task[Installation | None]] = {}
        self._trouble: dict[Key, _Trouble] = {}
        self._secrets = 0
        self._unsaved: dict[Key, tuple[str, Installation]] = {}  # by installation: what it replaces, the new record

    def due(self, installation: Installation, *, within_s: float = RENEW_BEFORE_S) -> bool:
        """Whether the token ends so soon; never where rotation is off."""
        ends = installation.bot_token_expires_at
        return bool(installation.bot_refresh_token) and ends is not None and ends - self._clock() < within_s

    def begin(self, installation: Installation) -> asyncio.Task[Installation | None]:
        """Renew in the background; gives the renewal that runs already."""
        return self._begin(of(installation), "")

    async def renewed(self, installation: Installation, *, refused: str = "") -> Installation | None:
        """The record with a token that is good, renewed where that is due or its token is the `refused` one.

        Where renewing fails it is the record as it stands. None where there is no installation any more.

        Raises:
            StoreError: Redis does not do its part.
        """
        return await asyncio.shield(self._begin(of(installation), refused))

    def secret_renewed(self) -> None:
        """There is another client secret: what was put off may be tried at once."""
        self._secrets += 1
        self._trouble.clear()

    async def aclose(self) -> None:
        """Let renewals end, which must not be cut: their refresh token may be used up already."""
        await end(self._running.values(), within_s=_END_WITHIN_S)

    def _begin(self, key: Key, refused: str) -> asyncio.Task[Installation | None]:
        if running := self._running.get(key):
            return running
        task = self._running[key] = asyncio.create_task(self._renew(key, refused), name="slack-rotation")
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: Key, task: asyncio.Task[Installation | None]) -> None:
        del self._running[key]
        if not task.cancelled() and (error := task.exception()):
            # Said here because nobody may be waiting; whoever does gets it as well.
            log.warning("slack_token_not_renewed", extra={**_about(key), "error": type(error).__name__})

    async def _renew(self, key: Key, refused: str) -> Installation | None:
        async with self._store.locked(*key):
            record = await self._store.exactly(*key)
            if record is None:
                self._forget(key)
                return None
            record = await self._saved(key, record)
            if record is None:
                return None
            if not self.due(record) and (not refused or record.bot_token != refused):
                return record
            return await self._exchanged(key, record) if self._may_try(key, record) else record

    async def _exchanged(self, key: Key, record: Installation) -> Installation | None:
        secrets = self._secrets
        try:
            fresh = self._successor(record, await self._ask(record))
        except PlatformError as error:
            # The refusal of a secret that was renewed meanwhile says nothing about the one of now.
            return await self._failed(key, record, error, outdated=self._secrets != secrets)
        self._trouble.pop(key, None)
        self._unsaved[key] = (record.bot_refresh_token or "", fresh)
        log.info("slack_token_renewed", extra=_about(key))
        return await self._saved(key, record)

    async def _ask(self, record: Installation) -> Answer:
        for left in reversed(range(_TRIES)):
            try:
                return await self._app.write(
                    "oauth.v2.access", grant_type="refresh_token", refresh_token=record.bot_refresh_token
                )
            except Unclear:
                if not left:
                    raise
                await self._pause(_TRY_AFTER_S)
        raise AssertionError("unreachable")

    def _successor(self, record: Installation, answer: Answer) -> Installation:
        token, refresh_token = text(answer.data, "access_token"), text(answer.data, "refresh_token")
        if not (token and refresh_token):
            raise Rejected("oauth.v2.access: no pair of tokens")
        lives_s = answer.data.get("expires_in")
        fresh = Installation(**record.to_dict_for_copying())
        fresh.bot_token, fresh.bot_refresh_token = token, refresh_token
        fresh.custom_values.pop(RENEWAL_REFUSED, None)
        fresh.bot_token_expires_at = int(self._clock()) + (lives_s if isinstance(lives_s, int) else _LIVES_S)
        return fresh

    async def _saved(self, key: Key, record: Installation) -> Installation | None:
        """What stands after a new pair that waits for the store was stored; where it cannot be, what can be used."""
        replaces, fresh = self._unsaved.get(key, ("", record))
        if fresh is record or record.bot_refresh_token != replaces:
            self._unsaved.pop(key, None)  # stored after all, or installed again since
            return record
        try:
            stands = await self._store.exactly(*key)
            if stands is None or stands.bot_refresh_token != replaces:
                # The lock had lapsed: what was installed anew stays, and what was removed does not come back.
                self._forget(key)
                return stands
            await self._store.keep(fresh)
        except StoreError as error:
            log.error("slack_token_unsaved", extra={**_about(key), "error": str(error)})
            return fresh if self.due(record, within_s=0.0) else record
        del self._unsaved[key]
        return fresh

    async def _failed(
        self, key: Key, record: Installation, error: PlatformError, *, outdated: bool
    ) -> Installation | None:
        if code_of(error) == "invalid_refresh_token":
            stands = await self._store.exactly(*key)
            if stands is None or stands.bot_refresh_token != record.bot_refresh_token:
                return stands  # the lock had lapsed, and another process was faster
            # No message can go to the workspace by itself; the operator's log is where it is seen.
            log.error("slack_installation_broken", extra={**_about(key), "todo": "install the app there again"})
            await self._marked(key, record)
            delay_s = _BROKEN_S
        elif isinstance(error, RateLimited):
            delay_s = error.retry_after_s
        elif outdated:
            delay_s = 0.0
        else:
            first, most = _DELAYS_S
            before = self._trouble.get(key)
            delay_s = min(most, before.delay_s * 2) if before else first
        self._trouble[key] = _Trouble(record.bot_refresh_token or "", self._clock() + delay_s, delay_s)
        log.warning("slack_token_not_renewed", extra={**_about(key), "error": str(error), "again_in_s": delay_s})
        return record

    async def _marked(self, key: Key, record: Installation) -> None:
        """Note it in the record, for `doctor`; installing again makes a new one."""
        record.set_custom_value(RENEWAL_REFUSED, int(self._clock()))
        try:
            await self._store.keep(record)
        except StoreError as error:
            log.warning("slack_installation_unmarked", extra={**_about(key), "error": str(error)})

    def _may_try(self, key: Key, record: Installation) -> bool:
        trouble = self._trouble.get(key)
        if not record.bot_refresh_token:
            return False
        return not trouble or trouble.refresh_token != record.bot_refresh_token or self._clock() >= trouble.until

    def _forget(self, key: Key) -> None:
        self._trouble.pop(key, None)
        self._unsaved.pop(key, None)


def _about(key: Key) -> dict[str, str]:
    enterprise, team = key
    return {"enterprise": enterprise, "workspace": team}
