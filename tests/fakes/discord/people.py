"""What people do: write, mention, reply, open threads, delete; and what of it whom reaches."""

import re
from datetime import UTC, datetime
from typing import Any

from tests.canary import said
from tests.fakes.discord.facts import Payload, Refusal
from tests.fakes.discord.gateway import DIRECT_MESSAGES, GUILD_MESSAGES, MESSAGE_CONTENT
from tests.fakes.discord.world import World

LISTS = ("attachments", "embeds", "components", "sticker_items", "message_snapshots")
WITHHELD: Payload = {"content": "", "poll": None, **{name: [] for name in LISTS}}


class Peopled(World):
    """A world in which people talk."""

    def create_thread(self, channel: str, user: Payload, name: str = "a thread", *, on: str | None = None) -> str:
        """A thread in a channel, begun by a person; `on` is the message it hangs on (its id is then the thread's)."""
        key = on or self.snowflake()
        thread = {"id": key, "type": 11, "name": name, "guild_id": self.channels[channel]["guild_id"]}
        thread |= {"parent_id": channel, "owner_id": user["id"]}
        self.channels[key] = thread
        self.gateway.dispatch("THREAD_CREATE", lambda _: thread)
        if on:
            extra = {"type": 21, **self.reference(channel, {"message_id": on})}
            starter = self.message(key, user, "", extra)
            self.messages[key][starter["id"]] = starter
        return key

    def mention(self, channel: str, user: Payload, text: str, reply_to: str | None = None, **more: Any) -> str:
        """A person mentions the bot; gives the message's id."""
        return self.say(channel, user, f"<@{self.bot['id']}> {text}", reply_to=reply_to, **more)

    def dm(self, user: Payload, text: str, **more: Any) -> str:
        """A person writes to the bot alone."""
        return self.say(self.dm_channel(user), user, text, **more)

    def say(
        self,
        channel: str,
        user: Payload,
        text: str,
        *,
        reply_to: str | None = None,
        ping: bool = True,
        age_s: float = 0.0,
        **more: Any,
    ) -> str:
        """A person writes; `age_s` puts the message into the past, `more` adds fields of the payload."""
        extra: Payload = {}
        if reply_to:
            extra = {"type": 19, **self.reference(channel, {"message_id": reply_to})}
        message = self.message(channel, user, text, extra | more, age_s=age_s)
        answered: Payload = extra.get("referenced_message") or {}
        if answered and ping:
            message["mentions"].append(answered["author"])
        self.publish(message)
        self.note("event", id=message["id"], channel=channel)
        return message["id"]

    def remove(self, channel: str, message_id: str) -> None:
        """Somebody deletes a message."""
        del self.messages[channel][message_id]
        data = {"id": message_id, "channel_id": channel, **self.server(channel)}
        self.dispatch("MESSAGE_DELETE", data)

    def message(self, channel: str, user: Payload, text: str, extra: Payload, *, age_s: float = 0.0) -> Payload:
        said(text)
        place = self.channels[channel]
        named = self.named(text)
        message: Payload = {
            "id": self.snowflake(age_s=age_s),
            "type": 0,
            "channel_id": channel,
            "author": user,
            "content": text,
            "mentions": named,
            "mention_roles": re.findall(r"<@&(\d+)>", text),
            "mention_everyone": "@everyone" in text or "@here" in text,
            "attachments": [],
            "embeds": [],
            "flags": 0,
            "timestamp": datetime.now(UTC).isoformat(),
            "edited_timestamp": None,
            "pinned": False,
            "tts": False,
        }
        if "guild_id" in place:
            roles = self.roles.get(user["id"], [])
            member: Payload = {
                "nick": None,
                "roles": roles,
                "joined_at": None,
                "deaf": False,
                "mute": False,
                "flags": 0,
            }
            message |= {"guild_id": place["guild_id"], "member": member}
        return message | extra

    def publish(self, message: Payload, *, nonce: str | None = None) -> None:
        self.messages[message["channel_id"]][message["id"]] = message
        self.dispatch("MESSAGE_CREATE", message | ({"nonce": nonce} if nonce else {}))

    def dispatch(self, name: str, event: Payload) -> None:
        """Send what happened to a message to whom the intents let hear it, as they may see it."""
        needed = GUILD_MESSAGES if "guild_id" in event else DIRECT_MESSAGES

        def shaped(intents: int) -> Payload | None:
            if not intents & needed:
                return None
            return self.seen(event, bool(intents & MESSAGE_CONTENT)) if "author" in event else event

        self.gateway.dispatch(name, shaped)

    def server(self, channel: str) -> Payload:
        """The field that names the server of a channel; none in a direct message."""
        place = self.channels[channel]
        return {"guild_id": place["guild_id"]} if "guild_id" in place else {}

    def named(self, text: str) -> list[Payload]:
        """The users whom a text mentions."""
        return [self.users[key] for key in dict.fromkeys(re.findall(r"<@!?(\d+)>", text)) if key in self.users]

    def seen(self, message: Payload, content: bool) -> Payload:
        """A message as the bot may see it."""
        own = message["author"]["id"] == self.bot["id"]
        named = any(user["id"] == self.bot["id"] for user in message["mentions"])
        shown = message if content or own or named or "guild_id" not in message else message | WITHHELD
        answered: Payload | None = message.get("referenced_message")
        return shown | ({"referenced_message": self.seen(answered, content)} if answered else {})

    def reference(self, channel: str, reference: Payload) -> Payload:
        answered = self.messages[channel].get(str(reference["message_id"]))
        if answered is None:
            if reference.get("fail_if_not_exists", True):
                raise Refusal(400, 50035, "Invalid Form Body", {"message_reference": {"_errors": []}})
            return {}
        flat = {key: value for key, value in answered.items() if key != "referenced_message"}
        made = {"type": 0, "message_id": answered["id"], "channel_id": channel}
        return {"message_reference": made, "referenced_message": flat}

    def pings(self, content: str, allowed: Payload | None, replied: str | None) -> list[str]:
        """Whom a message notifies. Without the object everything in the text is parsed, on edits as well."""
        users, roles = set(re.findall(r"<@!?(\d+)>", content)), set(re.findall(r"<@&(\d+)>", content))
        everyone = {"everyone"} if re.search("@everyone|@here", content) else set[str]()
        if allowed is None:
            return sorted(users | roles | everyone | ({replied} if replied else set()))
        parse: list[str] = allowed.get("parse", [])
        users = users if "users" in parse else users & set(allowed.get("users", []))
        roles = roles if "roles" in parse else roles & set(allowed.get("roles", []))
        everyone = everyone if "everyone" in parse else set[str]()
        ping_replied = {replied} if replied and allowed.get("replied_user") else set[str]()
        return sorted(users | roles | everyone | ping_replied)
