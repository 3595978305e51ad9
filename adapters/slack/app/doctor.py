"""What stands between an operator's settings and a working Slack app, asked from Slack, with what to do about it.

It reads the granted scopes, tries the app token, and compares the app's configuration where it can be read
(`appconfig`) or what can be told from outside (`observed`). Nothing is posted.
"""

import time
from collections.abc import Callable

import aiohttp

from adapters.slack.api.calls import Answer, Api, Unauthenticated, Unscoped
from adapters.slack.api.clients import socket_url, web_client
from adapters.slack.app import observed
from adapters.slack.app.appconfig import configured, no_agent_view
from adapters.slack.app.manifest import AGENT_SCOPE, EVENTS, EVENTS_PATH, REDIRECT_PATH, SCOPES, events, scopes
from adapters.slack.payloads.parse import Identity
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import identity
from bot.errors import PlatformError, Unreachable
from bot.platform import Finding

_REINSTALL = "Add it under OAuth & Permissions (or paste the manifest again), then reinstall the app."
_NO_CONFIG = (
    "Compare them under Event Subscriptions, Subscribe to bot events; Interactivity must be on, and under App Home the "
    "Messages Tab.\nOr set SLACK_CONFIG_TOKEN (api.slack.com/apps, Your App Configuration Tokens, Generate Token): "
    "then this is checked."
)


async def check(settings: SlackSettings, *, now: Callable[[], float] = time.time) -> list[Finding]:
    """Every finding, in the order in which to mend them. Never raises for what Slack answers."""
    if not settings.enabled:
        return [Finding("ok", "Slack is off: SLACK_BOT_TOKEN is not set.")]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        api = Api(web_client(settings, session))
        found = await (check_oauth(settings, api) if settings.oauth else _bot(api, settings, now=now))
        return [*found, *await _transport(api, settings)]


async def check_oauth(settings: SlackSettings, api: Api) -> list[Finding]:
    """What can be said where workspaces install the app by OAuth: no bot token is in the settings to ask with."""
    if settings.slack_config_token and settings.slack_app_id:
        try:
            document = await _document(api, settings, app=settings.slack_app_id)
        except PlatformError as error:
            return [_no_document(error), _installed_by_oauth(settings)]
        return [*configured(document, settings), _installed_by_oauth(settings)]
    return [_installed_by_oauth(settings)]


def _installed_by_oauth(settings: SlackSettings) -> Finding:
    where = settings.slack_public_url
    needed = ", ".join(events(agent=settings.slack_agent != "off", oauth=True))
    return Finding(
        "ok",
        f"Workspaces install the bot at {where}/slack/install; each installation is checked for itself.",
        f"Under OAuth & Permissions the Redirect URLs must hold {where}{REDIRECT_PATH}.\n"
        "Under Manage Distribution the app must be distributed.\n"
        f"Under Event Subscriptions there must be: {needed}.\n"
        "With SLACK_CONFIG_TOKEN and SLACK_APP_ID this is checked.",
    )


async def _bot(api: Api, settings: SlackSettings, *, now: Callable[[], float]) -> list[Finding]:
    try:
        answer = await api.write("auth.test")
    except Unauthenticated as error:
        return [Finding("fail", f"Slack refuses the bot token ({error}).", "Reinstall the app, set SLACK_BOT_TOKEN.")]
    except PlatformError as error:
        return [_unreachable(error)]
    me = identity(answer)
    who = f"Bot user {me.user_id} in workspace {answer.data.get('team') or me.team_id} ({me.team_id})."
    return [Finding("ok", who), *_scopes(answer, settings), *await _configuration(api, me, settings, now=now)]


def _scopes(answer: Answer, settings: SlackSettings) -> list[Finding]:
    granted = {scope.strip() for scope in answer.headers.get("x-oauth-scopes", "").split(",")}
    missing = [scope for scope in scopes(agent=settings.slack_agent != "off") if scope not in granted]
    if not missing:
        return [Finding("ok", "Every scope is granted.")]
    return [_missing(scope, settings) for scope in missing]


def _missing(scope: str, settings: SlackSettings) -> Finding:
    silent = scope == "chat:write" or (scope == "users:read" and not settings.slack_allow_external)
    insisted = scope == AGENT_SCOPE and settings.slack_agent == "on"
    todo = f"{_REINSTALL} Or set SLACK_AGENT=off." if scope == AGENT_SCOPE else _REINSTALL
    level = "fail" if silent or insisted else "warn"
    return Finding(level, f"The scope {scope} is missing. Off: {SCOPES[scope]}.", todo)


async def _configuration(api: Api, me: Identity, settings: SlackSettings, *, now: Callable[[], float]) -> list[Finding]:
    if settings.slack_config_token is None:
        return [_unseen(settings), *await _from_outside(api, me, settings, now=now())]
    try:
        app = settings.slack_app_id or await observed.app_id(api, me)
        document = await _document(api, settings, app=app)
    except PlatformError as error:
        return [_no_document(error), _unseen(settings), *await _from_outside(api, me, settings, now=now())]
    return configured(document, settings)


async def _document(api: Api, settings: SlackSettings, *, app: str) -> observed.Json:
    token = settings.slack_config_token
    return await observed.manifest_of(api, app=app, config_token=token.get_secret_value() if token else "")


def _no_document(error: PlatformError) -> Finding:
    todo = "It lives 12 hours: generate a new one at api.slack.com/apps, in the workspace that owns the app."
    return Finding("warn", f"SLACK_CONFIG_TOKEN does not show the app's configuration ({error}).", todo)


def _unseen(settings: SlackSettings) -> Finding:
    needed = ", ".join(events(agent=settings.slack_agent != "off", oauth=False))
    return Finding("ok", f"A bot token does not show the app's events; these must be there: {needed}.", _NO_CONFIG)


async def _from_outside(api: Api, me: Identity, settings: SlackSettings, *, now: float) -> list[Finding]:
    if settings.slack_agent == "off":
        return []
    if await observed.is_legacy(api):
        return [no_agent_view(settings, how="not_agent_app")]
    try:
        heard = await observed.stop_is_heard(api, me, now=now)
    except PlatformError as error:
        return [Finding("ok", f"Whether Slack's Stop button is there could not be seen ({error}).")]
    if heard is not False:
        return []
    event = "agent_session_stopped"
    todo = f"Add {event} under Event Subscriptions, Subscribe to bot events, then reinstall the app."
    return [Finding("warn", f"The app does not subscribe to {event}. Off: {EVENTS[event]}.", todo)]


async def _transport(api: Api, settings: SlackSettings) -> list[Finding]:
    if settings.mode == "http":
        host = settings.slack_public_url or "https://<your address>"
        todo = f"The Request URL under Event Subscriptions, Interactivity and Slash Commands is {host}{EVENTS_PATH}."
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
