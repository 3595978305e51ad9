"""What people do beside writing: edit, delete, pin, post in forums, send voice messages and polls; webhooks, too."""

from datetime import UTC, datetime
from typing import Any

from tests.fakes.discord.facts import Payload, Refusal
from tests.fakes.discord.people import Peopled

VOICE = 1 << 13
HAS_THREAD = 1 << 5
CAN_HOLD_THREADS = (0, 5)
"""Text and announcement channels; a thread on a message is possible in no other (Start Thread from Message)."""


class Gestures(Peopled):
    """A world in which people change their minds."""

    def edit(self, channel: str, message_id: str, text: str) -> None:
        """The writer edits a message."""
        message = self.messages[channel][message_id]
        message["content"], message["mentions"] = text, self.named(text)
        message["edited_timestamp"] = datetime.now(UTC).isoformat()
        self._updated(message)

    def unfurl(self, channel: str, message_id: str, *, partly: bool = False) -> None:
        """Discord adds the preview of a link; `partly` tells only what changed."""
        message = self.messages[channel][message_id]
        message["embeds"] = [{"type": "link", "title": "A page", "description": "about something"}]
        names = ("id", "channel_id", "guild_id", "embeds")
        self._updated({name: message[name] for name in names if name in message} if partly else message)

    def pin(self, channel: str, message_id: str) -> None:
        """Somebody pins a message."""
        message = self.messages[channel][message_id]
        message["pinned"] = True
        self._updated(message)

    def remove_many(self, channel: str, *message_ids: str) -> None:
        """A moderator deletes several messages at once."""
        for one in message_ids:
            del self.messages[channel][one]
        self.dispatch("MESSAGE_DELETE_BULK", {"ids": [*message_ids], "channel_id": channel, **self.server(channel)})

    def add_forum(self, name: str = "help", *, kind: int = 15) -> str:
        """A forum (or, kind 16, a media channel)."""
        return self.add_channel(name, kind=kind)

    def forum_post(self, forum: str, user: Payload, title: str, text: str) -> str:
        """A post: a thread whose first message has the thread's id."""
        thread = self.create_thread(forum, user, title)
        message = self.message(thread, user, text, {"id": thread})
        self.publish(message)
        return thread

    def voice(self, channel: str, user: Payload, **more: Any) -> str:
        """A voice message: an attachment, no text."""
        key = self.snowflake()
        address = f"https://cdn.discordapp.com/{key}/voice-message.ogg"
        sound: Payload = {"id": key, "filename": "voice-message.ogg", "size": 900, "url": address}
        sound |= {"content_type": "audio/ogg", "duration_secs": 2.5, "waveform": "AAA="}
        return self.say(channel, user, "", attachments=[sound], flags=VOICE, **more)

    def poll(self, channel: str, user: Payload, question: str, *answers: str, text: str = "") -> str:
        """A poll."""
        listed = [{"answer_id": at, "poll_media": {"text": one}} for at, one in enumerate(answers, 1)]
        return self.say(channel, user, text, poll={"question": {"text": question}, "answers": listed})

    def may_open(self, message: Payload, data: Payload) -> None:
        """Refuse a thread that Discord would refuse."""
        channel = message["channel_id"]
        if message["id"] in self.channels:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        if self.channels[channel]["type"] not in CAN_HOLD_THREADS:
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if channel in self.no_threads:
            raise Refusal(403, 50013, "Missing Permissions")
        if sum(one["type"] == 11 for one in self.channels.values()) >= self.threads_max:
            raise Refusal(400, 160006, "Maximum number of active threads reached")
        if not 1 <= len(str(data.get("name") or "")) <= 100:
            raise Refusal(400, 50035, "Invalid Form Body", {"name": {"_errors": []}})
        if data.get("auto_archive_duration") not in (60, 1440, 4320, 10080):
            raise Refusal(400, 50035, "Invalid Form Body", {"auto_archive_duration": {"_errors": []}})
        message["flags"] |= HAS_THREAD
        self._updated(message)

    def _updated(self, message: Payload) -> None:
        self.dispatch("MESSAGE_UPDATE", message)
        self.note("event", id=message["id"], channel=message["channel_id"])
