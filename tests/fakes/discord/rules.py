"""What Discord does not take: too much in a second, broken buttons, big files, closed threads, old messages.

Numbers of the developer docs (Message, Component Reference, Rate Limits, JSON Error Codes; read November 2026), the
status of 30046 as reported in public (429). Tests switch on what they need.
"""

import json
import time
from collections import Counter, defaultdict, deque
from typing import Any, cast

from aiohttp import BodyPartReader, web

from tests.fakes.discord.facts import Limited, Payload, Refusal
from tests.fakes.discord.people import Peopled
from tests.fakes.discord.world import EPOCH_MS

FILE_MAX_BYTES = 10 * 1024 * 1024
REQUEST_MAX_BYTES = 25 * 1024 * 1024
OLD_S = 3_600.0
RENAMES_MAX, RENAMES_WINDOW_S = 2, 600.0
"""As everybody observes; no number is documented (discord/discord-api-docs#1900)."""
NAME_CHANGED = 4
"""The type of the line that Discord writes into a thread with a new name (Threads, New Message Types)."""


class Rules(Peopled):
    """A world with rules. Refusals are raised, and counted by whoever answers with them (ledger: `refused`)."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.global_per_s = 50
        self.archived: set[str] = set()
        self.locked: set[str] = set()
        self.unseen: set[str] = set()
        self.closed_dms: set[str] = set()
        self.no_files: set[str] = set()
        self.muted: set[str] = set()
        self.automod: set[str] = set()
        self.renamed: dict[str, list[float]] = defaultdict(list)
        self.no_buttons = False
        self.old_edits_max = 3
        self.old_edit_again_s = 600.0
        self.scope = "user"
        self._old_edits: Counter[str] = Counter()
        self._second: deque[float] = deque()

    @property
    def refused(self) -> list[Payload]:
        """Every answer of 4xx that the bot got: status, method, path."""
        return self.entries("refused")

    def global_wait_s(self, path: str) -> float:
        """How long the app has to wait before it may call at all; the call is counted where it need not."""
        if not self.limits or "/interactions/" in path or "/webhooks/" in path:
            return 0.0
        now = time.monotonic()
        while self._second and self._second[0] <= now - 1.0:
            self._second.popleft()
        if len(self._second) >= self.global_per_s:
            return self._second[0] + 1.0 - now
        self._second.append(now)
        return 0.0

    async def read(self, request: web.Request) -> tuple[Payload, list[Payload]]:
        """A message's body and its files, from JSON or multipart."""
        if (request.content_length or 0) > REQUEST_MAX_BYTES:
            raise Refusal(413, 40005, "Request entity too large")
        if not request.content_type.startswith("multipart/"):
            return cast(Payload, await request.json()), []
        data: Payload = {}
        sent: dict[str, tuple[str, bytes]] = {}
        async for part in await request.multipart():
            assert isinstance(part, BodyPartReader)
            if part.name == "payload_json":
                data = cast(Payload, json.loads(await part.text()))
            else:
                sent[str(part.name)] = (part.filename or "", bytes(await part.read()))
        return data, [self._file(one, sent) for one in cast(list[Payload], data.get("attachments", []))]

    def _file(self, told: Payload, sent: dict[str, tuple[str, bytes]]) -> Payload:
        key = f"files[{told['id']}]"
        if key not in sent:
            raise Refusal(400, 50035, "Invalid Form Body", {"attachments": {"_errors": []}})
        name, content = sent[key]
        if len(content) > FILE_MAX_BYTES:
            raise Refusal(413, 40005, "Request entity too large")
        return {"id": self.snowflake(), "filename": told.get("filename") or name, "size": len(content)} | {
            "content_type": "text/markdown; charset=utf-8",
            "text": content.decode(),  # Discord has a url here; tests read what it would lead to
        }

    def may_write(self, channel: str, content: str, files: list[Payload]) -> None:
        """Raises where a message may not be written; a new one brings an archived thread back."""
        if channel in self.closed_dms:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        if channel in self.locked:
            raise Refusal(400, 160005, "Thread is locked")
        if channel in self.muted or (files and channel in self.no_files):
            raise Refusal(403, 50013, "Missing Permissions")
        self.moderate(content)
        self.archived.discard(channel)

    def may_edit(self, message: Payload, content: str) -> None:
        """Raises where a message may not be edited (now)."""
        if message["channel_id"] in self.archived:
            raise Refusal(400, 50083, "Thread is archived")
        if message["channel_id"] in self.locked:
            raise Refusal(400, 160005, "Thread is locked")
        self.moderate(content)
        if time.time() - ((int(message["id"]) >> 22) + EPOCH_MS) / 1000 > OLD_S:
            self._old_edits[message["id"]] += 1
            if self._old_edits[message["id"]] > self.old_edits_max:
                refusal = Refusal(429, 30046, "Maximum number of edits to messages older than 1 hour reached")
                refusal.body |= {"retry_after": self.old_edit_again_s, "global": False}
                raise refusal

    def buttons(self, data: Payload) -> list[Payload]:
        """A message's buttons, if they are well formed and taken."""
        components = cast(list[Payload], data.get("components") or [])
        if components and self.no_buttons:
            raise Refusal(400, 50035, "Invalid Form Body", {"components": {"_errors": []}})
        return _checked(components)

    def moderate(self, content: str) -> None:
        """Raises where the server's AutoMod blocks a text."""
        if any(word in content for word in self.automod):
            raise Refusal(400, 200000, "Message was blocked by automatic moderation")

    async def change_channel(self, request: web.Request) -> Payload:
        """PATCH /channels/{c}: unarchive a thread, or name one.

        Who may not manage threads cannot open or name a locked one, and names only what they made themselves
        (developer docs, Threads, read November 2026).
        """
        channel, data = request.match_info["c"], cast(Payload, await request.json())
        if channel not in self.channels:
            raise Refusal(404, 10003, "Unknown Channel")
        if channel in self.locked or channel in self.forbidden:
            raise Refusal(403, 50013, "Missing Permissions")
        if channel in self.archived and data.get("archived") is not False:
            raise Refusal(400, 50083, "Thread is archived")
        if "name" in data:
            self._rename(self.channels[channel], str(data["name"]))
        if data.get("archived") is False:
            self.archived.discard(channel)
        self.note("channel", channel=channel, body=data)
        return self.channels[channel]

    def renamed_twice(self, channel: str, *, ago_s: float = 0.0) -> None:
        """As if it had been named twice so long ago."""
        self.renamed[channel] = [time.monotonic() - ago_s] * RENAMES_MAX

    def _rename(self, channel: Payload, name: str) -> None:
        if channel.get("owner_id") != self.bot["id"]:
            raise Refusal(403, 50013, "Missing Permissions")
        if not 1 <= len(name) <= 100:
            raise Refusal(400, 50035, "Invalid Form Body", {"name": {"_errors": []}})
        if any(word in name for word in self.automod):
            raise Refusal(400, 200001, "Title was blocked by automatic moderation")
        lately = [at for at in self.renamed[channel["id"]] if time.monotonic() - at < RENAMES_WINDOW_S]
        if len(lately) >= RENAMES_MAX:
            raise Limited(lately[0] + RENAMES_WINDOW_S - time.monotonic())
        self.renamed[channel["id"]] = [*lately, time.monotonic()]
        channel["name"] = name
        self.gateway.dispatch("THREAD_UPDATE", lambda _: channel)
        self.publish(self.message(channel["id"], self.bot, name, {"type": NAME_CHANGED}))


def _checked(components: list[Payload]) -> list[Payload]:
    """A message's buttons, if they are well formed."""
    buttons: list[Payload] = [button for row in components for button in row.get("components", [])]
    custom_ids = [str(button.get("custom_id", "")) for button in buttons]
    fine = (
        len(components) <= 5
        and all(row.get("type") == 1 and 1 <= len(row.get("components", [])) <= 5 for row in components)
        and all(button.get("type") == 2 and button.get("style") in (1, 2, 3, 4) for button in buttons)
        and all(1 <= len(custom_id) <= 100 for custom_id in custom_ids)
        and len(set(custom_ids)) == len(custom_ids)
        and all(len(str(button.get("label") or "")) <= 80 for button in buttons)
        and all(button.get("label") or button.get("emoji") for button in buttons)
    )
    if not fine:
        raise Refusal(400, 50035, "Invalid Form Body", {"components": {"_errors": []}})
    return components
