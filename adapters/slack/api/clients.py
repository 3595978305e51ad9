"""The SDK's clients for the Web API, all over one HTTP session; which token or secret each one carries.

Their retries are off: they would resend a post whose answer was lost.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.api.calls import Api
from adapters.slack.api.renewing import Renew, RenewingClient
from adapters.slack.api.sdklog import sdk_logger
from adapters.slack.settings import SlackSettings

_CONNECT_WITHIN_S: Final = 5.0


def session(*, within_s: float, on_answer: Callable[[int], None]) -> aiohttp.ClientSession:
    """A session whose calls end after `within_s` seconds; `on_answer` is given the status of each answer."""
    trace = aiohttp.TraceConfig()

    async def answered(_session: object, _context: object, end: aiohttp.TraceRequestEndParams) -> None:
        on_answer(end.response.status)

    trace.on_request_end.append(answered)
    timeout = aiohttp.ClientTimeout(total=within_s, connect=_CONNECT_WITHIN_S)
    return aiohttp.ClientSession(timeout=timeout, trace_configs=[trace])


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients as the settings say."""

    settings: SlackSettings
    session: aiohttp.ClientSession

    def of(self, token: str) -> AsyncWebClient:
        """The client for a token; "" for one whose calls bring their own."""
        return web_client(self.settings, self.session, token=token)

    def app(self) -> AsyncWebClient:
        """A client that says with every call which app it is, instead of a token, as oauth.v2.access wants it."""
        client = self.of("")
        say_app(client, self.settings)
        return client

    def installing(self) -> AsyncWebClient:
        """The client for the SDK's OAuth flow, which says with some calls which app it is and gives others a token."""
        return _InstallingClient(
            token="",
            base_url=self.settings.slack_api_url,
            session=self.session,
            retry_handlers=[],
            logger=sdk_logger(),
        )

    def renewing(self, token: str, *, renew: Renew) -> RenewingClient:
        """The client for a token that may be replaced."""
        return RenewingClient(
            renew=renew,
            token=token,
            base_url=self.settings.slack_api_url,
            session=self.session,
            retry_handlers=[],
            logger=sdk_logger(),
        )


class _InstallingClient(AsyncWebClient):
    """The SDK writes the app's id and secret with aiohttp's BasicAuth, which aiohttp has deprecated (3.14)."""

    async def api_call(
        self, api_method: str, *, auth: dict[str, str] | None = None, **given: Any
    ) -> AsyncSlackResponse:
        """Call a method; `auth` goes into a header."""
        if auth:
            given["headers"] = {"Authorization": _basic(auth["client_id"], auth["client_secret"])}
        return await super().api_call(api_method, **given)


def say_app(client: AsyncWebClient, settings: SlackSettings) -> None:
    """Let the client say from now on with every call that it is this app."""
    secret = settings.slack_client_secret
    client.headers["Authorization"] = _basic(
        settings.slack_client_id or "", secret.get_secret_value() if secret else ""
    )


def web_client(settings: SlackSettings, session: aiohttp.ClientSession, *, token: str | None = None) -> AsyncWebClient:
    """The client for a token, by default the bot token of the settings."""
    own = settings.slack_bot_token
    return AsyncWebClient(
        token=(own.get_secret_value() if own else None) if token is None else token,
        base_url=settings.slack_api_url,
        session=session,
        retry_handlers=[],
        logger=sdk_logger(),
    )


async def socket_url(api: Api, settings: SlackSettings) -> str:
    """A URL for one socket; its ticket is good once and soon. Raises PlatformError."""
    token = settings.slack_app_token
    answer = await api.write("apps.connections.open", token=token.get_secret_value() if token else "")
    return str(answer.data.get("url"))


def _basic(client_id: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"
