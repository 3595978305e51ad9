"""Installing the app from a browser: /slack/install leads to Slack's consent page, /slack/oauth_redirect comes back.

The SDK's flow does it: a state in a cookie and in the shared store, good once and for ten minutes, then the code for a
bot token, then the installation is stored. The pages are ours, and none shows or logs a token, a code, or anything else
that came in the address (docs.slack.dev/authentication/installing-with-oauth, November 2026).
"""

import html
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Final
from urllib.parse import urljoin

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.error import BoltError
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.api.sdklog import sdk_logger
from adapters.slack.app.manifest import REDIRECT_PATH, SCOPES, scopes
from adapters.slack.installs.installations import STATE_GOOD_FOR_S, Installations, States, of
from adapters.slack.settings import SlackSettings
from bot.errors import StoreError
from bot.services import Shared

log = logging.getLogger(__name__)

INSTALL_PATH: Final = "/slack/install"

STATES_PER_MINUTE: Final = 300
"""Chosen: far more than people install, and at most 3,300 states wait at once: anybody may ask for one."""

_STATES_BURST: Final = 300
_STATES_BUDGET: Final = "slack-install"

# A cookie with this prefix cannot be set from another host of the same domain (RFC 6265bis, 4.1.3.2).
_COOKIE: Final = "__Host-slack-app-oauth-state"
_TEAM: Final = re.compile(r"[TE][A-Z0-9]+")
_HEADERS: Final = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_AGAIN: Final = f'<a href="{INSTALL_PATH}">Start again.</a>'
_FAILURES: Final = {
    "access_denied": "You did not allow the installation, so nothing was installed.",
    "invalid_browser": "This installation was begun in another browser, or your browser keeps no cookies.",
    "invalid_state": "This page was used before, or more than ten minutes have passed.",
    "missing_code": "Slack sent nothing to confirm the installation with.",
    "invalid_code": "Slack did not confirm the installation.",
    "storage_error": "The installation could not be stored on our side, so the bot cannot answer yet.",
}
_TOO_MANY: Final = "Too many people are installing the bot right now. Wait a minute."
_OTHER_FAILURE: Final = "Slack ended the installation."
# What may go wrong in a call besides Slack's own refusals, which the SDK's flow takes itself; compare `calls`.
_UNANSWERED: Final = (aiohttp.ClientError, OSError, TimeoutError, ValueError, AttributeError, KeyError)

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Installing:
    """The two pages. `client` calls Slack without a token of its own."""

    def __init__(
        self, settings: SlackSettings, shared: Shared, *, store: Installations, client: AsyncWebClient
    ) -> None:
        self._wanted = scopes(agent=settings.slack_agent != "off")
        chosen = AsyncOAuthSettings(
            client_id=settings.slack_client_id,
            client_secret=_secret(settings),
            scopes=self._wanted,
            user_scopes=[],
            redirect_uri=f"{settings.slack_public_url}{REDIRECT_PATH}",
            install_page_rendering_enabled=False,
            callback_options=AsyncCallbackOptions(success=self._succeeded, failure=self._failed),
            # GovSlack has its consent page beside its own API.
            authorization_url=urljoin(settings.slack_api_url, "/oauth/v2/authorize"),
            installation_store=store,
            installation_store_bot_only=True,
            state_store=States(shared),
            state_cookie_name=_COOKIE,
            state_expiration_seconds=int(STATE_GOOD_FOR_S),
            logger=sdk_logger(),
        )
        self._shared = shared
        self._state_utils = chosen.state_utils
        self._flow = _Flow(client=client, logger=sdk_logger(), settings=chosen)

    def use_secret(self, settings: SlackSettings) -> None:
        """Confirm installations with another client secret from now on."""
        self._flow.settings.client_secret = _secret(settings)

    async def install(self, request: web.Request) -> web.StreamResponse:
        """Send the browser to Slack's consent page, with a new state.

        503 where Redis does not take it, 429 where too many were asked for: Redis also keeps what people say.
        """
        try:
            if await self._shared.spend(_STATES_BUDGET, per_minute=STATES_PER_MINUTE, burst=_STATES_BURST):
                log.warning("slack_install_failed", extra={"reason": "too_many"})
                return await to_aiohttp_response(self._page(429, "Not now", f"{_TOO_MANY} {_AGAIN}"))
            response = await self._flow.handle_installation(await to_bolt_request(request))
        except StoreError as error:
            log.warning("slack_install_failed", extra={"reason": "state", "error": str(error)})
            response = self._page(503, "Not now", f"{_FAILURES['storage_error']} {_AGAIN}")
        return await to_aiohttp_response(response)

    async def redirected(self, request: web.Request) -> web.StreamResponse:
        """Take what Slack sent the browser back with, and say how it went."""
        try:
            response = await self._flow.handle_callback(await to_bolt_request(request))
        except StoreError as error:
            log.warning("slack_install_failed", extra={"reason": "state", "error": str(error)})
            response = self._page(503, "Not installed", f"{_FAILURES['storage_error']} {_AGAIN}")
        return await to_aiohttp_response(response)

    async def _succeeded(self, args: AsyncSuccessArgs) -> BoltResponse:
        enterprise, team = of(args.installation)
        missing = [scope for scope in self._wanted if scope not in (args.installation.bot_scopes or ())]
        log.info("slack_installed", extra={"workspace": team, "enterprise": enterprise, "missing_scopes": missing})
        where = html.escape(args.installation.team_name or args.installation.enterprise_name or "your workspace")
        said = [f"The bot is installed in {where}. Invite it to a channel and mention it, or write to it directly."]
        said += [f"Slack did not grant {scope}. Off: {html.escape(SCOPES[scope])}." for scope in missing]
        return self._page(200, "Installed", "</p><p>".join(said), done=True)

    async def _failed(self, args: AsyncFailureArgs) -> BoltResponse:
        known = args.reason in _FAILURES
        # A reason that is not ours came in the address: anybody may have written it.
        log.warning("slack_install_failed", extra={"reason": args.reason if known else "other"})
        text = _FAILURES.get(args.reason, _OTHER_FAILURE)
        return self._page(args.suggested_status_code, "Not installed", f"{text} {_AGAIN}", done=True)

    def _page(self, status: int, title: str, text: str, *, done: bool = False) -> BoltResponse:
        """A page; `done` takes the state's cookie back."""
        body = f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><p>{text}</p></html>\n'
        cookie = {"Set-Cookie": self._state_utils.build_set_cookie_for_deletion()} if done else {}
        return BoltResponse(status=status, body=body, headers={**_HEADERS, **cookie})


class _Flow(AsyncOAuthFlow):
    """The SDK's flow with the gaps in its failures closed."""

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """The consent page; a workspace that the link asks for is passed on where it is an id and nothing else."""
        teams = request.query.get("team")
        team = teams[0] if teams and _TEAM.fullmatch(teams[0]) else None
        return self.settings.authorize_url_generator.generate(state=state, team=team)

    async def run_installation(self, code: str) -> Installation | None:
        """The installation for a code; None where Slack refuses it, says nothing, or leaves out who the bot is."""
        try:
            found = await super().run_installation(code)
        except _UNANSWERED as error:
            log.warning("slack_install_unanswered", extra={"error": type(error).__name__})
            return None
        if not (found and found.bot_token and found.bot_id and found.bot_user_id and any(of(found))):
            return None
        return _bots_part(found)

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        """Store it; what cannot be stored is a failure that the person is told."""
        try:
            await self.settings.installation_store.async_save(installation)
        except StoreError as error:
            log.error("slack_install_unsaved", extra={"error": str(error)})
            raise BoltError("not stored") from error


def _secret(settings: SlackSettings) -> str:
    return settings.slack_client_secret.get_secret_value() if settings.slack_client_secret else ""


def _bots_part(found: Installation) -> Installation:
    """Without secrets that nobody asked for: whoever installs may have added scopes of a person to the address."""
    found.user_token = found.user_refresh_token = found.user_token_expires_at = None
    found.incoming_webhook_url = found.incoming_webhook_configuration_url = None
    return found


def routes(install: Handle, redirected: Handle) -> Iterable[web.AbstractRouteDef]:
    """Where a browser finds the two pages; HEAD is left out, because asking uses a state up."""
    return [web.get(INSTALL_PATH, install, allow_head=False), web.get(REDIRECT_PATH, redirected, allow_head=False)]
