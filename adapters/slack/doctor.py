"""What stands between an operator's settings and a working Slack app, asked from Slack, with what to do about it."""

import aiohttp

from adapters.slack.adapter import identity, socket_url, web_client
from adapters.slack.calls import Answer, Api, Unauthenticated, Unscoped
from adapters.slack.manifest import SCOPES
from adapters.slack.settings import SlackSettings
from bot.errors import PlatformError, Unreachable
from bot.platform import Finding

_REINSTALL = "Add it under OAuth & Permissions (or paste the manifest again), then reinstall the app."


async def check(settings: SlackSettings) -> list[Finding]:
    """Every finding, in the order in which to mend them. Never raises for what Slack answers."""
    if not settings.enabled:
        return [Finding("ok", "Slack is off: SLACK_BOT_TOKEN is not set.")]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        api = Api(web_client(settings, session))
        return [*await _bot(api), *await _events(api, settings)]


async def _bot(api: Api) -> list[Finding]:
    try:
        answer = await api.write("auth.test")
    except Unauthenticated as error:
        return [Finding("fail", f"Slack refuses the bot token ({error}).", "Reinstall the app, set SLACK_BOT_TOKEN.")]
    except PlatformError as error:
        return [_unreachable(error)]
    me = identity(answer)
    who = f"Bot user {me.user_id} in workspace {answer.data.get('team') or me.team_id} ({me.team_id})."
    return [Finding("ok", who), *_scopes(answer)]


def _scopes(answer: Answer) -> list[Finding]:
    granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
    missing = [scope for scope in SCOPES if scope not in granted]
    if not missing:
        return [Finding("ok", "Every scope is granted.")]
    return [_missing(scope) for scope in missing]


def _missing(scope: str) -> Finding:
    level = "fail" if scope == "chat:write" else "warn"
    return Finding(level, f"The scope {scope} is missing: without it, no {SCOPES[scope]}.", _REINSTALL)


async def _events(api: Api, settings: SlackSettings) -> list[Finding]:
    if settings.mode == "http":
        todo = "Set the Request URL under Event Subscriptions to https://<your address>/slack/events."
        return [Finding("ok", "Events arrive over HTTP, signed.", todo)]
    try:
        await socket_url(api, settings)
    except Unscoped:
        todo = "Create an App-Level Token with connections:write under Basic Information, set SLACK_APP_TOKEN."
        return [Finding("fail", "The app token may not open sockets.", todo)]
    except Unreachable as error:
        return [_refused(error) if isinstance(error, Unauthenticated) else _unreachable(error)]
    except PlatformError as error:
        return [Finding("fail", f"Socket Mode cannot be used ({error}).", "Turn Socket Mode on in the app's settings.")]
    return [Finding("ok", "Socket Mode is on.")]


def _refused(error: PlatformError) -> Finding:
    todo = "Create an App-Level Token under Basic Information, set SLACK_APP_TOKEN."
    return Finding("fail", f"Slack refuses the app token ({error}).", todo)


def _unreachable(error: PlatformError) -> Finding:
    return Finding("fail", f"Slack cannot be asked ({error}).", "Check the network, a proxy and SLACK_API_URL.")
