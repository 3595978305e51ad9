"""A Slack on loopback: workspaces' channels, threads and messages, the Web API, Socket Mode and HTTP deliveries.

It behaves, it does not record calls: what is posted can be read back, tokens and scopes are checked per method, limits
and unknown arguments are refused like Slack refuses them, an event without an acknowledgement is sent again. A ledger
keeps what happened, with times, for tests and the benchmark to judge by. The rules are those of the project's Slack
reference; each place names its section.

    async with FakeSlack() as slack:
        settings = SlackSettings(slack_bot_token=slack.bot_token, ..., slack_api_url=slack.api_url)
        ts = await slack.mention("C1", "U1", "what is a lane?")

People and places: `slack.people["U1"] = Person(is_restricted=True)`, `slack.channel_facts["C1"] = ChannelFacts(...)`,
`slack.add_team("T2", enterprise="E1", channels=["C2"])`, `await slack.install(url, team="T2")`.

Faults: `slack.fail("chat.postMessage", "reset_after", "500", "429:7")` scripts the next calls, `chaos` gives each call
of a method a fault by chance, `latency_s` delays every call, `slack.off["chat.startStream"] = "unknown_method"` takes a
method away. Time: `slack.jump(300)` lets five of Slack's minutes pass, `FakeSlack(speed=60)` makes them pass quickly.

Layers, lowest first: `world` (state), `deliver`, then beside each other `api` (what the app calls; `methods` and the
modules it names) and `people`, `agent`, `gestures` (what people do); `fake` is both.
"""

from tests.fakes.slack.facts import (
    ALL_SCOPES,
    APP_TOKEN,
    BOT_TOKEN,
    GRANTED,
    SIGNING_SECRET,
    Call,
    ChannelFacts,
    Delivery,
    Entry,
    Form,
    Installation,
    Json,
    Link,
    Person,
    SlackError,
    Team,
)
from tests.fakes.slack.fake import FakeSlack
from tests.fakes.slack.methods import Method
from tests.fakes.slack.records import Landed, Session, Stream, Upload, View

__all__ = [
    "ALL_SCOPES",
    "APP_TOKEN",
    "BOT_TOKEN",
    "GRANTED",
    "SIGNING_SECRET",
    "Call",
    "ChannelFacts",
    "Delivery",
    "Entry",
    "FakeSlack",
    "Form",
    "Installation",
    "Json",
    "Landed",
    "Link",
    "Method",
    "Person",
    "Session",
    "SlackError",
    "Stream",
    "Team",
    "Upload",
    "View",
]
