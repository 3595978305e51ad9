"""Who may use the bot, and where: asked on every entry, refused by default.

The bot answers members of its own organisation, in channels that nobody outside can read. Guests, people of other
organisations, the deactivated, and channels that are shared with others or about to be are refused, unless
SLACK_ALLOW_EXTERNAL says otherwise. SLACK_ALLOWED_USERS and SLACK_ALLOWED_CHANNELS narrow it further; a list means only
what it lists, so a list of channels without a direct conversation's id leaves direct messages out.

What Slack says decides: `users.info` and `conversations.info`. Only "allowed" is remembered, and briefly. A look-up
that fails raises, so that nobody is let in by an outage. Without the scope for a look-up (users:read, channels:read,
...) it can never be made, and refusing everybody for ever helps nobody: then only what the event itself says counts
(another team's author, a shared channel), one warning is logged, and `doctor` names the scope.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal, cast
from weakref import WeakValueDictionary

from adapters.slack.api.calls import Unscoped
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.workspace import Workspace
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Author, Place

log = logging.getLogger(__name__)

Action = Literal["event", "command", "button", "shortcut", "form", "home"]
"""The six entries."""

PERSON_KEPT_S: Final = 60.0  # chosen: one look-up a minute and person; who becomes a guest keeps the bot so long
CHANNEL_KEPT_S: Final = 10.0
"""Chosen. Sharing a channel takes two administrators, so seconds are as good as nothing; without them one lively
channel would spend the workspace's 50 calls a minute (conversations.info is Tier 3)."""
_UNSCOPED_S: Final = 600.0  # chosen: a scope comes only with a reinstall
_KNOWN_MAX: Final = 5_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator set. An empty set of ids means that everybody, or every channel, is meant."""

    external: bool = False
    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """One way in: who comes, where, and by what. `shared` is what the event itself says of the channel.

    `place.channel` is "" where there is none (App Home). `place.workspace` and `enterprise` are the bot's own workspace
    and its Enterprise Grid organisation, never the person's: whoever comes from there is at home.
    """

    actor: Author
    place: Place
    action: Action
    enterprise: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody may not: a word for logs, a sentence for the person."""

    reason: str
    line: str


GUEST: Final = Refusal("guest", "Sorry, guests of this workspace cannot use me.")
OUTSIDER: Final = Refusal("outsider", "Sorry, only members of this workspace can use me.")
UNLISTED: Final = Refusal("unlisted", "Sorry, I am not open to everybody here. Please ask whoever runs me.")
SHARED: Final = Refusal(
    "shared_channel", "Sorry, I do not answer in channels that are shared with other organisations."
)
ELSEWHERE: Final = Refusal("unlisted_channel", "Sorry, I am not meant to be used in this conversation.")
UNSEEN: Final = Refusal(
    "unseen_channel", "Sorry, I am not in this conversation. Invite me first, or write to me alone."
)

_Key = tuple[str, str]


class Access:
    """Answers `authorize` and keeps what Slack said for a moment."""

    def __init__(self, policy: Policy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._fine: OrderedDict[_Key, float] = OrderedDict()  # (workspace, person or channel), good until
        self._blind: dict[_Key, float] = {}  # what a missing scope hides, not asked again until
        self._warned: set[_Key] = set()
        self._asking: WeakValueDictionary[_Key, asyncio.Lock] = (
            WeakValueDictionary()
        )  # one look-up of a thing at a time

    async def authorize(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        """None where it is allowed. Raises PlatformError where that cannot be known now: then it is not."""
        if (refusal := self._by_lists(entry)) or self._policy.external:
            return refusal
        if entry.shared:
            return SHARED
        try:
            async with asyncio.TaskGroup() as asking:  # side by side: a person waits for the slower of the two
                person = asking.create_task(self._person(workspace, entry), name="slack-access")
                channel = asking.create_task(self._channel(workspace, entry), name="slack-access")
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed
        return person.result() or channel.result()

    def _by_lists(self, entry: Entry) -> Refusal | None:
        if self._policy.users and entry.actor.id not in self._policy.users:
            return UNLISTED
        where = entry.place.channel
        return ELSEWHERE if where and self._policy.channels and where not in self._policy.channels else None

    async def _person(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        async def look_up() -> Refusal | None:
            answer = await workspace.api.read("users.info", user=entry.actor.id)
            workspace.names.learn(entry.actor.id, answer.data.get("user"))
            return _stranger(record(answer.data, "user"), own)

        own = {workspace.me.team_id, entry.place.workspace, entry.enterprise} - {""}
        key = (entry.place.workspace, entry.actor.id)
        foreign = entry.actor.team not in ("", *own)
        return await self._asked(key, look_up, keep_s=PERSON_KEPT_S, unknown=OUTSIDER, foreign=foreign)

    async def _channel(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        # A direct conversation has one other end, and that person is looked at above.
        if entry.place.kind == "dm" or not entry.place.channel:
            return None

        async def look_up() -> Refusal | None:
            answer = await workspace.api.read("conversations.info", channel=entry.place.channel)
            found = record(answer.data, "channel")
            return SHARED if found.get("is_ext_shared") or found.get("is_pending_ext_shared") else None

        key = (entry.place.workspace, entry.place.channel)
        return await self._asked(key, look_up, keep_s=CHANNEL_KEPT_S, unknown=UNSEEN, foreign=False)

    async def _asked(
        self,
        key: _Key,
        look_up: Callable[[], Awaitable[Refusal | None]],
        *,
        keep_s: float,
        unknown: Refusal,
        foreign: bool,
    ) -> Refusal | None:
        """What Slack says, or said a moment ago; `foreign`: the event itself says so, should Slack not be asked.

        The two forms of a mention come at the same time: the second waits for what the first finds.
        """
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            return await self._looked_up(key, look_up, keep_s=keep_s, unknown=unknown, foreign=foreign)

    async def _looked_up(
        self,
        key: _Key,
        look_up: Callable[[], Awaitable[Refusal | None]],
        *,
        keep_s: float,
        unknown: Refusal,
        foreign: bool,
    ) -> Refusal | None:
        now = self._clock()
        if self._fine.get(key, 0.0) > now:
            return None
        if self._blind.get(key, 0.0) > now:
            return unknown if foreign else None
        try:
            refusal = await look_up()
        except Unscoped as error:
            self._cannot_see(key, error)
            return unknown if foreign else None
        except (Gone, Forbidden, Rejected):
            return unknown
        if refusal is None:
            self._keep(key, now + keep_s)
        return refusal

    def _keep(self, key: _Key, until: float) -> None:
        self._fine[key] = until
        self._fine.move_to_end(key)
        if len(self._fine) > _KNOWN_MAX:
            self._fine.popitem(last=False)

    def _cannot_see(self, key: _Key, error: Unscoped) -> None:
        """Do not ask again soon. By person and channel: each kind of channel has a scope of its own."""
        if len(self._blind) >= _KNOWN_MAX:
            self._blind.clear()
        self._blind[key] = self._clock() + _UNSCOPED_S
        if (about := (key[0], str(error))) not in self._warned:
            self._warned.add(about)
            log.warning("slack_access_unchecked", extra={"workspace": key[0], "error": str(error)})


def _stranger(user: Json, own: Collection[str]) -> Refusal | None:
    """What is wrong with a person, by `users.info` (docs.slack.dev/reference/objects/user-object, November 2026).

    `own` are the ids of the bot's workspace and of its Enterprise Grid organisation.
    """
    grid = record(user, "enterprise_user")
    homes = {text(user, "team_id"), text(grid, "enterprise_id"), *_texts(grid.get("teams"))}
    if user.get("deleted") or user.get("is_stranger") or homes.isdisjoint(own):
        return OUTSIDER
    return GUEST if user.get("is_restricted") or user.get("is_ultra_restricted") else None


def _texts(value: object) -> list[str]:
    return [one for one in cast(list[object], value) if isinstance(one, str)] if isinstance(value, list) else []
