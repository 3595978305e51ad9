"""Response URLs: five posts in 30 minutes, to one person or to the channel, or over the original; reference 2.6."""

from aiohttp import web

from tests.fakes.slack.api import Serving
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Json, SlackError
from tests.fakes.slack.messages import TEXT_MAX, called, content_of, own_message
from tests.fakes.slack.records import Reply

USES_MAX = 5
LIVES_S = 1_800.0


def routes(slack: Serving) -> list[web.RouteDef]:
    """Where response URLs lead."""

    async def take(request: web.Request) -> web.StreamResponse:
        args: Json = await request.json()
        fault = slack.fault("response_url")
        error = fault
        if not fault:
            try:
                use(slack, request.match_info["id"], args)
            except SlackError as refused:
                error = str(refused)
        slack.note("call", "response_url", args=args, ok=not error, error=error)
        if fault:
            return await slack.broken(request, fault)
        return web.Response(status=404 if error in ("used_url", "expired_url") else 200, text=error or "ok")

    return [web.post("/response/{id}", take)]


def use(slack: Delivering, name: str, body: Json) -> None:
    """Post to a response URL. SlackError used_url, expired_url and those of contents."""
    reply = slack.replies.get(name)
    if not reply or slack.now() - reply.made_at >= LIVES_S:
        raise SlackError("expired_url")
    if reply.uses >= USES_MAX:
        raise SlackError("used_url")
    reply.uses += 1
    original = slack.channels[reply.channel].get(reply.message_ts or "")
    if body.get("delete_original"):
        if original:
            del slack.channels[reply.channel][str(original["ts"])]
        return
    if body.get("replace_original") and original:
        content = content_of(slack, body, text_max=TEXT_MAX)
        original.pop("blocks", None)
        original |= content
        return
    show(slack, reply, body, via="response_url")


def show(slack: Delivering, reply: Reply, body: Json, *, via: str) -> None:
    """Show an answer: to the channel where it says in_channel, else to the person, in `ephemerals`."""
    content = content_of(slack, body, text_max=TEXT_MAX)
    installation = slack.installation(reply.team) or slack.home
    thread = {"thread_ts": body["thread_ts"]} if body.get("thread_ts") else {}
    if body.get("response_type") == "in_channel":
        message = own_message(slack, installation, reply.channel) | content | thread
        slack.channels[reply.channel][str(message["ts"])] = message
        slack.pings[str(message["ts"])] |= called(message)
        slack.echo(reply.channel, message)
        return
    where = {"channel": reply.channel, "user": reply.user, "ts": slack.new_ts(), "via": via}
    slack.ephemerals.append(where | content | thread)
