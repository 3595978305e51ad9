"""Who may use the bot, and where: asked on every entry, refused by default.

The bot answers members of its own organisation, in channels that nobody outside can read. Guests, people of other
organisations, bots, the deactivated, and channels that are shared with others or about to be are refused, unless
SLACK_ALLOW_EXTERNAL says otherwise. SLACK_ALLOWED_USERS and SLACK_ALLOWED_CHANNELS narrow it further; a list means only
what it lists, so a list of channels without a direct conversation's id leaves direct messages out.

What Slack says decides: `users.info` (Tier 4, over 100 calls a minute and workspace), `conversations.info` (Tier 3,
over 50), and of a channel also the event itself, which says whether it is shared, though not whether it is about to be.
`facts` says how long that is good, and what counts while Slack cannot be asked. Where nothing is known the look-up's
failure is raised, so that nobody is let in by an outage; without the scope to look, nobody is let in either, one
warning is logged, and `doctor` names the scope.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Literal, cast

from adapters.slack.api.calls import Unscoped
from adapters.slack.incoming.facts import Facts
from adapters.slack.payloads.fields import Json, record, text
from adapters.slack.workspace import Workspace
from bot.errors import Forbidden, Gone, Rejected
from bot.events import Author, Place

log = logging.getLogger(__name__)

Action = Literal["event", "command", "button", "shortcut", "form", "home"]
"""The six entries."""

PERSON_KEPT_S: Final = 300.0  # chosen: who becomes a guest keeps the bot so long; 500 people fit into Tier 4
CHANNEL_KEPT_S: Final = 60.0
"""Chosen: 50 channels fit into Tier 3. That a channel is shared is said by each event; so long only an invitation to
share it, which two administrators must approve, stays unnoticed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator set. An empty set of ids means that everybody, or every channel, is meant."""

    external: bool = False
    users: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """One way in: who comes, where, and by what. `shared` is what the event itself says of the channel, None nothing.

    `begins` is whether they came with the first message of a thread: a private line would not be shown there.
    `place.channel` is "" where there is none (App Home). `place.workspace` and `enterprise` are the bot's own workspace
    and its Enterprise Grid organisation, never the person's: whoever comes from there is at home.
    """

    actor: Author
    place: Place
    action: Action
    enterprise: str = ""
    shared: bool | None = None
    begins: bool = False


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
UNCHECKED: Final = Refusal(
    "unchecked", "Sorry, I am not allowed to see who may use me here. Please ask whoever runs me to install me anew."
)


class Access:
    """Answers `authorize` and keeps what Slack said for a while."""

    def __init__(self, policy: Policy, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._facts = Facts[Refusal](clock)
        self._warned: set[tuple[str, str]] = set()

    async def authorize(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        """None where it is allowed. Raises PlatformError where that cannot be known now: then it is not."""
        if (refusal := self._by_lists(entry)) or self._policy.external:
            return refusal
        if entry.shared:
            self._facts.drop(_channel_key(entry))
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
            try:
                answer = await workspace.api.read("users.info", user=entry.actor.id)
            except Unscoped:
                raise
            except (Gone, Forbidden, Rejected):
                return OUTSIDER
            workspace.names.learn(entry.actor.id, answer.data.get("user"))
            return _stranger(record(answer.data, "user"), own)

        if not entry.actor.id:
            return OUTSIDER
        own = {workspace.me.team_id, workspace.me.enterprise, entry.place.workspace, entry.enterprise} - {""}
        key = (entry.place.workspace, "users.info", entry.actor.id)
        try:
            return await self._facts.against(key, look_up, keep_s=PERSON_KEPT_S)
        except Unscoped as error:
            return self._unchecked(entry, error)

    async def _channel(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        # A direct conversation has one other end, and that person is looked at above.
        if entry.place.kind == "dm" or not entry.place.channel:
            return None

        async def look_up() -> Refusal | None:
            try:
                answer = await workspace.api.read("conversations.info", channel=entry.place.channel)
            except Unscoped:
                raise
            except (Gone, Forbidden, Rejected):
                return UNSEEN
            found = record(answer.data, "channel")
            return SHARED if found.get("is_ext_shared") or found.get("is_pending_ext_shared") else None

        if entry.shared is False:
            self._facts.heard(_channel_key(entry))
        try:
            return await self._facts.against(_channel_key(entry), look_up, keep_s=CHANNEL_KEPT_S)
        except Unscoped as error:
            return self._unchecked(entry, error)

    def _unchecked(self, entry: Entry, error: Unscoped) -> Refusal:
        """Nobody can be told from a guest, no channel from a shared one: that is the operator's to mend."""
        if (about := (entry.place.workspace, str(error))) not in self._warned:
            self._warned.add(about)
            log.warning("slack_access_unchecked", extra={"workspace": about[0], "error": about[1]})
        return UNCHECKED


def _channel_key(entry: Entry) -> tuple[str, str, str]:
    return (entry.place.workspace, "conversations.info", entry.place.channel)


def _stranger(user: Json, own: Collection[str]) -> Refusal | None:
    """What is wrong with a person, by `users.info` (docs.slack.dev/reference/objects/user-object, November 2026).

    `own` are the ids of the bot's workspace and of its Enterprise Grid organisation.
    """
    grid = record(user, "enterprise_user")
    homes = {text(user, "team_id"), text(grid, "enterprise_id"), *_texts(grid.get("teams"))}
    if any(user.get(why) for why in ("deleted", "is_stranger", "is_bot")) or homes.isdisjoint(own):
        return OUTSIDER
    return GUEST if user.get("is_restricted") or user.get("is_ultra_restricted") else None


def _texts(value: object) -> list[str]:
    return [one for one in cast(list[object], value) if isinstance(one, str)] if isinstance(value, list) else []
