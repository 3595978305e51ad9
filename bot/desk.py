"""What the core does for adapters beyond `submit`: the implementation of `bot.services.Services`."""

import json
import logging
import time
from collections.abc import Callable, Sequence

from bot import usage
from bot.commands import FEEDBACK_TTL_S, Commands, feedback_name, opinions_name
from bot.errors import Unreadable
from bot.events import Place
from bot.inbox.forgetting import Forgetting
from bot.metrics import Metrics
from bot.services import Command, Feedback, Shared

log = logging.getLogger(__name__)

COUNTS_TTL_S = 400 * 24 * 3600
"""Counts without persons: a year, and the month before it (chosen)."""


class Desk:
    """Implements `bot.services.Services`."""

    def __init__(
        self,
        shared: Shared,
        commands: Commands,
        *,
        forgetting: Forgetting,
        metrics: Metrics,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._shared = shared
        self._commands = commands
        self._forgetting = forgetting
        self._metrics = metrics
        self._wall = wall

    @property
    def shared(self) -> Shared:
        """State that all processes share."""
        return self._shared

    @property
    def models(self) -> Sequence[str]:
        """See `Services.models`."""
        return self._commands.models

    async def command(self, command: Command) -> str:
        """See `Services.command`."""
        return await self._commands(command)

    async def feedback(self, feedback: Feedback) -> None:
        """See `Services.feedback`. A second word on the same answer replaces the first; the verdict counts once.

        The same thumb again, without a word, erases nothing that was written.
        """
        place, verdict = feedback.place, "good" if feedback.good else "bad"
        name = feedback_name(place.platform, place.workspace, feedback.author.id, feedback.message_id)
        tenant = f"{place.platform}:{place.workspace}"
        earlier = await self._verdict(name, tenant)
        if verdict == earlier and not feedback.text:
            return
        await self._shared.count(
            opinions_name(place.platform, place.workspace, feedback.author.id), ttl_s=FEEDBACK_TTL_S, **{name: 1}
        )
        record = {"verdict": verdict, "text": feedback.text, "channel": place.channel, "message": feedback.message_id}
        await self._shared.put(name, json.dumps(record), tenant=tenant, ttl_s=FEEDBACK_TTL_S)
        if verdict == earlier:
            return
        self._metrics.feedback.labels(place.platform, verdict).inc()
        counts = {verdict: 1, **({earlier: -1} if earlier else {})}
        await self._shared.count(_counts(place, usage.month(self._wall())), ttl_s=COUNTS_TTL_S, **counts)

    async def forget(self, *, platform: str, workspace: str) -> None:
        """See `Services.forget`."""
        await self._forgetting.workspace(platform, workspace)
        log.info("workspace_forgotten", extra={"platform": platform, "workspace": workspace})

    def fell_back(self, platform: str, reason: str) -> None:
        """See `Services.fell_back`."""
        self._metrics.fallbacks.labels(platform, reason).inc()

    async def _verdict(self, name: str, tenant: str) -> str:
        """What the person thought before; "" where that is unknown."""
        try:
            raw = await self._shared.get(name, tenant=tenant)
            verdict = json.loads(raw)["verdict"] if raw else ""
        except (Unreadable, ValueError, LookupError, TypeError):
            return ""
        return verdict if verdict in ("good", "bad") else ""


def _counts(place: Place, month: str) -> str:
    return f"feedback-counts:{place.platform}:{place.workspace}:{month}"
