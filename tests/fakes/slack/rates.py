"""How often a method may be called: per workspace, method and minute of the fake's clock; reference 2.3."""

import math

from tests.fakes.slack.facts import Call, SlackError
from tests.fakes.slack.world import World

# Tier 2, 3 and 4 at their documented minimum. assistant.threads.setStatus and conversations.open keep the numbers that
# issue 1 chose and that Tier 3 says; apps.connections.open (Tier 1) is left out: it would slow reconnects in tests.
PER_MINUTE = {
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.appendStream": 100,
    "chat.update": 50,
    "chat.delete": 50,
    "chat.postEphemeral": 100,
    "conversations.replies": 50,
    "conversations.history": 50,
    "conversations.info": 50,
    "conversations.open": 50,
    "agents.sessions.setStatus": 50,
    "agents.sessions.rename": 50,
    "assistant.threads.setStatus": 60,
    "assistant.threads.setTitle": 60,
    "assistant.threads.setSuggestedPrompts": 100,
    "views.open": 100,
    "views.push": 100,
    "views.update": 100,
    "views.publish": 100,
    "users.info": 100,
    "bots.info": 50,
    "files.delete": 50,
    "files.info": 100,
    "files.getUploadURLExternal": 100,
    "files.completeUploadExternal": 100,
    "reactions.add": 50,
    "reactions.remove": 20,
}
_HISTORY = ("conversations.replies", "conversations.history")
_POSTS, _POSTS_IN_S = 4, 4.0  # about one a second in a channel, short bursts allowed


def charge(world: World, call: Call) -> None:
    """Count a call. SlackError ratelimited where it is one too many, with retry_after in seconds of the app's time."""
    if not world.rates:
        return
    if call.method == "chat.postMessage":
        _spend(world, call, str(call.args.get("channel", "")), _POSTS, _POSTS_IN_S)
    elif world.history_limited and call.method in _HISTORY:
        _spend(world, call, "", 1, 60.0)
    elif call.method in PER_MINUTE:
        _spend(world, call, "", PER_MINUTE[call.method], 60.0)


def _spend(world: World, call: Call, within: str, most: int, window_s: float) -> None:
    calls, now = world.spent[call.installation.key, call.method, within], world.now()
    while calls and now - calls[0] >= window_s:
        calls.popleft()
    if len(calls) >= most:
        wait_s = (window_s - (now - calls[0])) / world.speed
        raise SlackError("ratelimited", retry_after=max(1, math.ceil(wait_s)))
    calls.append(now)
