"""One call of Slack's Web API: arguments in, a plain dict out, or one of our errors.

This is the only file that knows how the SDK reports failures. It never retries (the SDK's own handlers must be off:
they resend a post whose answer was lost). Error codes: docs.slack.dev/reference/methods, read November 2026; who must
tell one from another asks `code_of`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import Forbidden, Gone, PlatformError, RateLimited, Rejected, Unreachable

Json = dict[str, Any]


class Unclear(Unreachable):
    """Slack may have done what was asked. Harmless where doing it twice is the same as once."""


class Unauthenticated(Unreachable):
    """Slack does not accept the token (now)."""


class Unscoped(Forbidden):
    """The app was installed without a scope that the method needs."""


class Unsupported(Rejected):
    """The workspace or the kind of channel has no such method."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Slack answered to a call that went well."""

    data: Json
    headers: Mapping[str, str]


_CODES: Final[dict[type[PlatformError], str]] = {
    Unauthenticated: (
        "account_inactive app_uninstalled bad_token invalid_auth no_token not_allowed_token_type not_authed "
        "token_expired token_revoked two_factor_setup_required"
    ),
    Unscoped: "missing_scope no_scope",
    Unsupported: (
        "channel_type_not_supported deprecated_endpoint feature_not_enabled method_deprecated "
        "method_not_supported_for_channel_type not_agent_app unknown_method"
    ),
    Unclear: (
        "duplicate_channel_not_found duplicate_message_not_found fatal_error internal_error request_timeout "
        "service_unavailable"
    ),
    Gone: (
        "cannot_reply_to_message channel_is_deleted channel_not_found message_not_found thread_not_found "
        "user_not_found"
    ),
    Forbidden: (
        "access_denied as_user_not_supported cannot_dm_bot cant_delete_message cant_update_message "
        "ekm_access_denied edit_window_closed enterprise_is_restricted is_archived is_inactive messages_tab_disabled "
        "no_permission not_in_channel org_login_required restricted_action restricted_action_non_threadable_channel "
        "restricted_action_read_only_channel restricted_action_thread_locked restricted_action_thread_only_channel "
        "slack_connect_blocked_file_type slack_connect_canvas_sharing_blocked team_access_not_granted user_is_bot "
        "user_is_restricted"
    ),
}  # fmt: skip
_ERROR_OF: Final = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_LIMITED: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_REFUSAL: Final = re.compile(r"(?!ok$)[a-z][a-z_]{2,60}")  # one of Slack's words in a body, also with status 200
_OWN_HOSTS: Final = ("slack.com", "slack-gov.com", "slack-edge.com", "slack-files.com")
_RETRY_AFTER_S: Final = 5.0  # chosen: Slack always sends Retry-After, a proxy in between may not

# ValueError: a body that is not JSON or not UTF-8. AttributeError: the SDK reads `ok` of a body that is no object.
_FAILURES: Final = (SlackApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError, AttributeError)
# The connection was never made, so nothing was sent.
_UNSENT: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class _Reply(Protocol):
    """The parts of the SDK's AsyncSlackResponse that are used here; its own annotations are partly missing."""

    data: object
    headers: Mapping[str, str]
    status_code: int


class _Client(Protocol):
    session: aiohttp.ClientSession | None
    base_url: str

    async def api_call(
        self, api_method: str, *, http_verb: str = ..., params: Json | None = ..., json: Json | None = ...
    ) -> _Reply: ...


class Api:
    """Slack's Web API for one token."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = cast(_Client, client)

    async def write(self, method: str, **args: Any) -> Answer:
        """Call a method that takes JSON; arguments that are None are left out. Raises PlatformError.

        `token` among the arguments replaces the bot's token and travels in the header like it.
        """
        given = {name: value for name, value in args.items() if value is not None}
        return await self._call(method, "POST", json=given)

    async def read(self, method: str, **args: Any) -> Answer:
        """Call a method that takes no JSON. Raises PlatformError."""
        given = {name: value for name, value in args.items() if value is not None}
        return await self._call(method, "GET", params=given)

    async def send(self, what: str, url: str, *, data: bytes | None = None, json: Json | None = None) -> None:
        """POST to an address that Slack gave out for one purpose: an upload, the answer to a command.

        No token goes there. Raises PlatformError, Gone where the address is used up or too old, and Rejected for an
        address outside Slack: it came with a payload, and nothing may be sent to a stranger. `what` names it in errors.
        """
        session = self._client.session
        if session is None or not _is_slacks(url, self._client.base_url):
            raise Rejected(f"{what}: not an address of Slack's")
        try:
            async with session.post(url, data=data, json=json, allow_redirects=False) as reply:
                status, headers, said = reply.status, reply.headers, await reply.text(errors="replace")
        except _FAILURES as error:
            raise failure(what, error) from error
        if status != 200 or _REFUSAL.fullmatch(said):
            raise _sent_amiss(what, status, headers, said)

    async def _call(self, method: str, verb: str, **args: Json) -> Answer:
        try:
            reply = await self._client.api_call(method, http_verb=verb, **args)
        except _FAILURES as error:
            raise failure(method, error) from error
        return Answer(cast(Json, reply.data), reply.headers)


def failure(method: str, error: Exception) -> PlatformError:
    """Our error for the SDK's or the network's. Its text holds the method and Slack's code, nothing else."""
    if isinstance(error, _UNSENT):
        return Unreachable(f"{method}: {type(error).__name__}")
    if not isinstance(error, SlackApiError):
        return Unclear(f"{method}: {type(error).__name__}")
    reply = cast(object, getattr(error, "response", None))
    return _refusal(method, _code(reply), _status(reply), _headers(reply))


def code_of(error: PlatformError) -> str:
    """Slack's own word for the refusal behind an error; "" where Slack did not refuse."""
    return _code(getattr(error.__cause__, "response", None))


def _refusal(method: str, code: str, status: int, headers: Mapping[str, str]) -> PlatformError:
    text = f"{method}: {code or f'status {status}'}"
    if status == 429 or code in _LIMITED:
        return RateLimited(text, retry_after_s=_retry_after_s(headers))
    if kind := _ERROR_OF.get(code):
        return kind(text)
    if status >= 500 or not code:
        return Unclear(text)
    return Rejected(text)


def _sent_amiss(what: str, status: int, headers: Mapping[str, str], said: str) -> PlatformError:
    text = f"{what}: {said if _REFUSAL.fullmatch(said) else f'status {status}'}"
    if status == 429:
        return RateLimited(text, retry_after_s=_retry_after_s(headers))
    if status >= 500:
        return Unclear(text)
    return Gone(text) if status in (404, 410) else Rejected(text)


def _is_slacks(url: str, api_url: str) -> bool:
    """Whether an address is Slack's, or on the host where its Web API was set to be."""
    try:
        given, api = urlsplit(url), urlsplit(api_url)
    except ValueError:
        return False
    if (given.scheme, given.netloc) == (api.scheme, api.netloc):
        return True
    host = given.hostname or ""
    # A name before the host is never Slack's, and parsers do not agree on where it ends.
    return (
        given.scheme == "https"
        and "@" not in given.netloc
        and any(host == own or host.endswith(f".{own}") for own in _OWN_HOSTS)
    )


def _code(reply: object) -> str:
    data = getattr(reply, "data", None)
    code = cast(Json, data).get("error") if isinstance(data, dict) else None
    return code if isinstance(code, str) else ""


def _status(reply: object) -> int:
    # An AsyncSlackResponse, or aiohttp's own response where the SDK could not read the body.
    status = getattr(reply, "status_code", None) or getattr(reply, "status", None)
    return status if isinstance(status, int) else 0


def _headers(reply: object) -> Mapping[str, str]:
    return cast(Mapping[str, str], getattr(reply, "headers", None) or {})


def _retry_after_s(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After") or headers.get("retry-after") or ""
    return float(value) if value.isascii() and value.isdigit() else _RETRY_AFTER_S
