"""What people and channels are called, remembered for a while, so that the model reads names instead of ids.

A name is worth little against an acknowledgement: a look-up is waited for only briefly and then ends in the background
for the next message; whoever is not known by then keeps their id. users.info is Tier 4, over 100 calls a minute, and
conversations.info Tier 3, over 50 (docs.slack.dev/reference/methods, November 2026). Private channels keep their ids:
Slack shows their names to their members only, and who reads the answer is not known here.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, cast

from adapters.slack.api.calls import Api, Unscoped, Unsupported
from bot.errors import Forbidden, Gone, PlatformError, RateLimited, Rejected

log = logging.getLogger(__name__)

_USER: Final = "users.info"
_CHANNEL: Final = "conversations.info"
_KEEP_S: Final = 3_600.0
_RETRY_S: Final = 30.0  # after a look-up that failed in passing
_KNOWN_MAX: Final = 5_000
_AT_ONCE_MAX: Final = 20


class Names:
    """The names of a workspace's people and public channels."""

    def __init__(self, api: Api, *, within_s: float = 0.3, clock: Callable[[], float] = time.monotonic) -> None:
        self._api = api
        self._within_s = within_s
        self._clock = clock
        self._known: OrderedDict[str, tuple[str, float]] = OrderedDict()  # id -> name ("" unknown), good until
        self._asked: dict[str, asyncio.Task[None]] = {}
        self._not_before: dict[str, float] = {}  # by method: Slack limits each for itself
        self._denied: set[str] = set()  # methods without their scope

    async def of(self, ids: Collection[str]) -> Mapping[str, str]:
        """The names that are known, or become known in time. Never raises for what Slack answers."""
        now = self._clock()
        missing = [one for one in ids if self._known.get(one, ("", 0.0))[1] <= now]
        if missing and (asked := [task for one in missing if (task := self._ask(one))]):
            await asyncio.wait(asked, timeout=self._within_s)
        return {one: name for one in ids if (name := self._known.get(one, ("", 0.0))[0])}

    def learn(self, user: str, answer: object) -> None:
        """Take the name from the `user` of a users.info that was asked for another reason."""
        self._remember(user, _name(answer), _KEEP_S)

    async def aclose(self) -> None:
        """End the look-ups."""
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, user: str) -> asyncio.Task[None] | None:
        if running := self._asked.get(user):
            return running
        method = _method(user)
        limited = self._clock() < self._not_before.get(method, 0.0)
        if limited or method in self._denied or len(self._asked) >= _AT_ONCE_MAX:
            return None
        task = self._asked[user] = asyncio.create_task(self._look_up(user), name="slack-name")
        task.add_done_callback(lambda _: self._asked.pop(user, None))
        return task

    async def _look_up(self, one: str) -> None:
        method = _method(one)
        try:
            answer = await self._api.read(method, **{"channel" if method == _CHANNEL else "user": one})
        except (Unscoped, Unsupported) as error:
            if method not in self._denied:
                log.info("slack_names_unavailable", extra={"error": str(error)})
            self._denied.add(method)
        except (Gone, Forbidden, Rejected):
            self._remember(one, "", _KEEP_S)
        except PlatformError as error:
            if isinstance(error, RateLimited):
                self._not_before[method] = self._clock() + error.retry_after_s
            self._remember(one, self._known.get(one, ("", 0.0))[0], _RETRY_S)
            log.debug("slack_name_failed", extra={"error": str(error)})
        else:
            found = answer.data
            self._remember(
                one, _title(found.get("channel")) if method == _CHANNEL else _name(found.get("user")), _KEEP_S
            )

    def _remember(self, user: str, name: str, keep_s: float) -> None:
        self._known[user] = (name, self._clock() + keep_s)
        self._known.move_to_end(user)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)


def _method(one: str) -> str:
    return _CHANNEL if one.startswith(("C", "G")) else _USER


def _title(channel: object) -> str:
    """The name of a public channel."""
    found = cast("dict[str, Any]", channel) if isinstance(channel, dict) else {}
    name = found.get("name")
    return name if isinstance(name, str) and found.get("is_channel") and not found.get("is_private") else ""


def _name(user: object) -> str:
    """What Slack shows: the display name, or the full one where none is set."""
    found = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
    profile = cast("dict[str, Any]", inner) if isinstance(inner := found.get("profile"), dict) else {}
    for name in (profile.get("display_name"), profile.get("real_name"), found.get("real_name"), found.get("name")):
        if isinstance(name, str) and name.strip():
            return " ".join(name.split())
    return ""
