"""What people do with messages: mention the bot, write, edit, delete, and what Slack does by itself: unfurl, resend."""

from collections.abc import Sequence
from typing import Any

from tests.canary import said
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Form, Json


class Writing(Delivering):
    """A world in which people write."""

    async def mention(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        thread_ts: str | None = None,
        order: Sequence[Form] = ("message", "app_mention"),
        **more: Any,
    ) -> str:
        """A person mentions the bot: stored, and delivered as both events in this order. Gives the message's ts."""
        installation = self.installation(self.team_of(channel)) or self.home
        return await self._said(channel, user, f"<@{installation.bot_user}> {text}", thread_ts, order, more)

    async def say(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """A person writes without mentioning the bot."""
        return await self._said(channel, user, text, thread_ts, ("message",), more)

    async def dm(self, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """A person writes to the bot directly, in the channel `D<user>`."""
        return await self._said(self.direct(user), user, text, thread_ts, ("message",), more)

    async def resend(self, channel: str, ts: str, *, form: Form = "message") -> None:
        """Deliver an event once more, as Slack does after a lost acknowledgement."""
        await self._tell(channel, self.channels[channel][ts], form)

    async def edit(self, channel: str, ts: str, text: str) -> None:
        """A person changes a message: message_changed."""
        said(text)
        message = self.channels[channel][ts]
        before = dict(message)
        message |= {"text": text, "edited": {"user": message.get("user"), "ts": self.new_ts()}}
        await self._changed(channel, "message_changed", message=dict(message), previous_message=before)

    async def unfurl(self, channel: str, ts: str) -> None:
        """Slack adds a link's preview: message_changed with the same text (reference 2.1)."""
        message = self.channels[channel][ts]
        before = dict(message)
        message["attachments"] = [{"id": 1, "from_url": "https://example.org/", "title": "Example"}]
        await self._changed(channel, "message_changed", message=dict(message), previous_message=before)

    async def delete(self, channel: str, ts: str) -> None:
        """A person, or an admin, deletes a message, also one of the bot's: message_deleted."""
        message = self.channels[channel].pop(ts)
        self.streams.pop((channel, ts), None)
        await self._changed(channel, "message_deleted", deleted_ts=ts, previous_message=message)

    def store(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, **more: Any) -> str:
        """Put a message into a channel without telling the app."""
        said(text)
        ts = self.new_ts()
        person = self.people.get(user)
        team = (person and person.team) or self.team_of(channel)
        message: Json = {"type": "message", "user": user, "text": text, "ts": ts, "team": team}
        if team != self.team_of(channel):  # somebody of another organisation, in a shared channel
            message |= {"user_team": team, "source_team": team}
        message |= more
        if thread_ts:
            message["thread_ts"] = thread_ts
            parent = self.channels[channel].get(thread_ts)
            if parent and parent.get("user"):
                message["parent_user_id"] = parent["user"]
            if parent:
                parent.setdefault("thread_ts", thread_ts)  # as Slack marks a message with replies
        self.channels[channel][ts] = message
        return ts

    def direct(self, user: str) -> str:
        """The channel of a person's direct messages with the bot."""
        channel = f"D{user}"
        self.kinds.setdefault(channel, "im")
        self.channels[channel] = self.channels[channel]
        return channel

    async def _said(
        self, channel: str, user: str, text: str, thread_ts: str | None, forms: Sequence[Form], more: Json
    ) -> str:
        ts = self.store(channel, user, text, thread_ts=thread_ts, **more)
        for form in forms:
            await self._tell(channel, self.channels[channel][ts], form)
        return ts

    async def _tell(self, channel: str, message: Json, form: Form) -> None:
        event = {**message, "type": form, "channel": channel, "event_ts": message["ts"]}
        if form == "message":
            event["channel_type"] = self.kind(channel)
        else:
            event.pop("files", None)  # app_mention carries none (2.1)
            event.pop("parent_user_id", None)
        await self.deliver_event(event, self.team_of(channel))

    async def _changed(self, channel: str, subtype: str, **change: Any) -> None:
        ts = self.new_ts()
        event = {"type": "message", "subtype": subtype, "hidden": True, "channel": channel, "ts": ts, "event_ts": ts}
        await self.deliver_event(event | {"channel_type": self.kind(channel)} | change, self.team_of(channel))
