"""What every entry has in common: may this person, and what is said to whom may not.

It composes `access` and `marks`, and holds what the operator set for all that comes in. It reads no payload.
"""

import logging
from dataclasses import dataclass
from typing import Final

from adapters.slack.incoming.access import Access, Entry, Policy, Refusal
from adapters.slack.incoming.marks import Marks
from adapters.slack.prompts import DEFAULT_PROMPTS, Prompt
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import Workspace
from bot.errors import PlatformError
from bot.services import Services

log = logging.getLogger(__name__)

_TOLD_EVERY_S: Final = (
    3_600.0  # chosen: one line an hour and person and channel; a refused talker is no reason for noise
)

_AGENT_SCOPE: Final = "assistant:write"
_ANYBODY: Final = Policy()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator set for whatever comes in."""

    policy: Policy = _ANYBODY
    agent: str = "auto"
    follow_ups: bool = True
    prompts: tuple[Prompt, ...] = DEFAULT_PROMPTS

    @classmethod
    def of(cls, settings: SlackSettings) -> "Rules":
        """The rules in the settings."""
        return cls(
            Policy(settings.slack_allow_external, settings.slack_allowed_users, settings.slack_allowed_channels),
            settings.slack_agent,
            settings.slack_follow_ups == "on",
            settings.prompts,
        )


class Entrance:
    """Lets people in, or tells them once that they may not."""

    def __init__(self, rules: Rules, services: Services | None) -> None:
        self.rules = rules
        self.services = services
        self.marks = Marks(services.shared if services else None)
        self._access = Access(rules.policy)

    async def refusal(self, workspace: Workspace, entry: Entry) -> Refusal | None:
        """None for who may. Raises PlatformError where that cannot be known now: then nobody may."""
        refusal = await self._access.authorize(workspace, entry)
        if refusal:
            about = {"entry": entry.action, "reason": refusal.reason, "user": entry.actor.id}
            log.info(
                "slack_refused", extra={**about, "workspace": entry.place.workspace, "channel": entry.place.channel}
            )
        return refusal

    async def tell(self, workspace: Workspace, entry: Entry, line: str) -> None:
        """Say it to the person alone, at most once an hour in one channel. Raises StoreError."""
        where, who = entry.place, entry.actor.id
        if self.services is None or not where.channel:
            return
        name = f"told:slack:{where.workspace}:{where.channel}:{who}"
        async with self.marks.first(name, workspace=where.workspace, ttl_s=_TOLD_EVERY_S) as first:
            if first:
                await self.whisper(workspace, entry, line)

    async def whisper(self, workspace: Workspace, entry: Entry, line: str) -> None:
        """Say it to the person alone. That it cannot be said is logged: the refusal or the command stands anyway."""
        thread = None if entry.begins else entry.place.thread
        try:
            await workspace.whisper(entry.place.channel, entry.actor.id, line, thread_ts=thread)
        except PlatformError as error:
            log.warning("slack_whisper_failed", extra={"error": str(error)})

    def threads(self, workspace: Workspace) -> bool:
        """Whether each message in a direct conversation that stands in no thread begins a session of its own.

        So it is with the agent view. No event says whether the app has it; what does not change under a running
        conversation is how the app was installed: `manifest` asks for assistant:write with the agent view only. Slack
        lets nobody turn the view off again, so this changes at most once, by a reinstall.
        """
        agent = self.rules.agent
        return agent == "on" or (agent == "auto" and _AGENT_SCOPE in workspace.me.scopes)
