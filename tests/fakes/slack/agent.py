"""What people do in the agent view: press Stop, rename a session, open the app's Home, look at something; 0.2, 2.5."""

from typing import Literal

from tests.fakes.slack.facts import Json
from tests.fakes.slack.people import Writing
from tests.fakes.slack.views import shown


class Viewing(Writing):
    """A world whose people use the agent view."""

    async def press_stop(self, channel: str, thread_ts: str, user: str) -> None:
        """Press Slack's own Stop button: running streams end, and the app is told which.

        LookupError where no button is: the session is not processing.
        """
        session = self.sessions.get((channel, thread_ts))
        if not session or session.status != "processing":
            raise LookupError("there is no Stop button: the session is not processing")
        stopped: list[str] = []
        for (where, ts), stream in self.streams.items():
            if where == channel and stream.thread_ts == thread_ts and stream.open(self.now()):
                stream.stopped_by_user = True
                stopped.append(ts)
        event: Json = {"type": "agent_session_stopped", "channel": channel, "thread_ts": thread_ts, "user": user}
        event |= {"streaming_message_ts": stopped, "event_ts": self.new_ts()}
        await self.deliver_event(event, self.team_of(channel))

    async def rename_session(self, channel: str, thread_ts: str, user: str, title: str) -> None:
        """Give a session a title of one's own; the app should honour it."""
        session = self.sessions[channel, thread_ts]
        team = self.team_of(channel)
        event: Json = {"type": "agent_session_title_changed", "channel": channel, "thread_ts": thread_ts}
        event |= {"user": user, "title": title, "team_id": team, "event_ts": self.new_ts()}
        if session.title:
            event["previous_title"] = session.title
        session.title = title
        await self.deliver_event(event, team)

    async def open_home(self, user: str, *, tab: Literal["home", "messages"] = "home") -> None:
        """Open the app: its Home, or the messages tab."""
        channel = self.direct(user)
        event: Json = {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}
        event["event_ts"] = self.new_ts()
        if tab == "home" and (view := self.homes.get(user)):
            event["view"] = shown(view)
        await self.deliver_event(event, self.team_of(channel))

    async def look_at(self, user: str, *channels: str) -> None:
        """Look at channels beside the open agent view, the most relevant first; at nothing without any."""
        own = self.direct(user)
        team = self.team_of(own)
        seen = [{"type": "slack#/types/channel_id", "value": channel, "team_id": team} for channel in channels]
        event: Json = {"type": "app_context_changed", "user": user, "channel": own, "event_ts": self.new_ts()}
        event["context"] = {"entities": seen} if seen else {}
        await self.deliver_event(event, team)
