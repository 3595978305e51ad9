"""What each REST call does."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

from aiohttp import web

from tests.fakes.discord.facts import CONTENT_FLAG, Payload, Refusal
from tests.fakes.discord.servers import Servers
from tests.fakes.discord.serving import Serving


class Api(Servers, Serving):
    """The REST API."""

    def routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[Any]]]]:
        return [
            ("GET", "/users/@me", self._me),
            ("GET", "/oauth2/applications/@me", self._application_of_old),
            ("GET", "/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/channels/{c}", self._get_channel),
            ("GET", "/guilds/{g}/roles", self.get_roles),
            ("GET", "/guilds/{g}/members/{u}", self._member),
            ("PATCH", "/channels/{c}", self.change_channel),
            ("GET", "/channels/{c}/messages", self._list),
            ("POST", "/channels/{c}/messages", self._create),
            ("GET", "/channels/{c}/messages/{m}", self._get),
            ("PATCH", "/channels/{c}/messages/{m}", self._edit),
            ("DELETE", "/channels/{c}/messages/{m}", self._delete),
            ("POST", "/channels/{c}/messages/{m}/threads", self._thread),
            ("POST", "/channels/{c}/typing", self._typing),
        ]

    async def _me(self, _: web.Request) -> Payload:
        return self.bot

    async def _application(self, _: web.Request) -> Payload:
        about = {"id": self.application_id, "name": "bot", "description": "", "icon": None, "verify_key": "0"}
        installs = {"integration_types_config": self.installs, "flags": CONTENT_FLAG if self.content else 0}
        return {**about, **self.portal, "owner": self.ann, **installs}

    async def _application_of_old(self, request: web.Request) -> Payload:
        return {name: value for name, value in (await self._application(request)).items() if name != "flags"}

    async def _member(self, request: web.Request) -> Payload:
        user = self.users.get(request.match_info["u"])
        if user is None or user["id"] in self.left:
            raise Refusal(404, 10007, "Unknown Member")
        return {"user": user, "nick": None, "roles": self.roles.get(user["id"], [])}

    async def _gateway_bot(self, _: web.Request) -> Payload:
        gateway = self.gateway
        limit = {"total": gateway.starts_a_day, "remaining": max(0, self.starts_left - gateway.starts_today)}
        limit |= {"reset_after": 50, "max_concurrency": gateway.max_concurrency}
        return {"url": gateway.url, "shards": gateway.shards, "session_start_limit": limit}

    async def _get_channel(self, request: web.Request) -> Payload:
        return self._channel(request)

    def _channel(self, request: web.Request) -> Payload:
        key = request.match_info["c"]
        if key not in self.channels:
            raise Refusal(404, 10003, "Unknown Channel")
        if key in self.unseen:
            raise Refusal(403, 50001, "Missing Access")
        if key in self.forbidden:
            raise Refusal(403, 50013, "Missing Permissions")
        return self.channels[key]

    def _stored(self, request: web.Request) -> Payload:
        channel = self._channel(request)
        try:
            return self.messages[channel["id"]][request.match_info["m"]]
        except KeyError:
            raise Refusal(404, 10008, "Unknown Message") from None

    async def _get(self, request: web.Request) -> Payload:
        return self._fetched(self._stored(request))

    async def _list(self, request: web.Request) -> list[Payload]:
        channel = self._channel(request)["id"]
        limit, query = int(request.query.get("limit", 50)), request.query
        found = sorted(self.messages[channel].values(), key=lambda one: int(one["id"]))
        if "after" in query:
            found = [one for one in found if int(one["id"]) > int(query["after"])][:limit]
        elif "before" in query:
            found = [one for one in found if int(one["id"]) < int(query["before"])]
        return [self._fetched(one) for one in reversed(found[-limit:])]

    def _fetched(self, message: Payload) -> Payload:
        """`member` and `guild_id` are extra fields of gateway events (developer docs, Message Create)."""
        seen = self.seen(message, self.content)
        return {name: value for name, value in seen.items() if name not in ("member", "guild_id")}

    async def _create(self, request: web.Request) -> Payload:
        channel = self._channel(request)["id"]
        data, files = await self.read(request)
        content = self._content(data) if not files or data.get("content") else ""
        buttons = self.buttons(data)
        nonce = str(data.get("nonce") or "")
        if len(nonce) > 25:
            raise Refusal(400, 50035, "Invalid Form Body")
        if nonce and data.get("enforce_nonce"):
            earlier = self.nonces.get((channel, nonce))
            if earlier and time.monotonic() - earlier[1] < self.nonce_window_s:
                self.note("repeat", id=earlier[0], nonce=nonce)
                if earlier[0] not in self.messages[channel]:
                    raise Refusal(404, 10008, "Unknown Message")
                return self.messages[channel][earlier[0]]
        reference: Payload | None = data.get("message_reference")
        if reference and channel in self.no_history:
            raise Refusal(400, 160002, "Cannot reply without permission to read message history")
        extra = self.reference(channel, reference) if reference else {}
        self.may_write(channel, content, files)
        extra |= {"flags": data.get("flags", 0)} | ({"type": 19} if extra else {})
        extra |= {"components": buttons, "attachments": files}
        message = self.message(channel, self.bot, content, extra)
        message.pop("member", None)
        replied = extra["referenced_message"]["author"]["id"] if "referenced_message" in extra else None
        pings = self.pings(content, data.get("allowed_mentions"), replied)
        if nonce:
            self.nonces[channel, nonce] = (message["id"], time.monotonic())
        self.note("post", id=message["id"], channel=channel, body=data, pings=pings)
        self.publish(message, nonce=nonce)
        return message | ({"nonce": nonce} if nonce else {})

    def _content(self, data: Payload) -> str:
        content = str(data.get("content") or "").strip()
        if not content:
            raise Refusal(400, 50006, "Cannot send an empty message")
        if len(content) > 2000:
            raise Refusal(400, 50035, "Invalid Form Body")
        return content

    async def _edit(self, request: web.Request) -> Payload:
        message, data = self._stored(request), cast(Payload, await request.json())
        if message["author"]["id"] != self.bot["id"]:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        content, buttons = self._content(data), self.buttons(data)
        self.may_edit(message, content)
        message["content"] = content
        if "components" in data:  # an edit without them leaves what stands
            message["components"] = buttons
        message["flags"] = data.get("flags", message["flags"])
        message["edited_timestamp"] = datetime.now(UTC).isoformat()
        pings = self.pings(message["content"], data.get("allowed_mentions"), None)
        self.note("edit", id=message["id"], channel=message["channel_id"], body=data, pings=pings)
        self.dispatch("MESSAGE_UPDATE", message)
        return message

    async def _delete(self, request: web.Request) -> None:
        message = self._stored(request)
        self.note("delete", id=message["id"])
        self.remove(message["channel_id"], message["id"])

    async def _thread(self, request: web.Request) -> Payload:
        message, data = self._stored(request), cast(Payload, await request.json())
        self.may_open(message, data)
        return self.channels[self.create_thread(message["channel_id"], self.bot, data["name"], on=message["id"])]

    async def _typing(self, request: web.Request) -> None:
        self.note("typing", channel=self._channel(request)["id"])
