"""The SDK's client for one installation: a refused token is replaced by the one that stands now, and the call repeated.

A token ends while answers are being written: another process renewed it, or the app was installed again. Slack did
nothing where it refused the token, so repeating the call once is safe, whatever it was. It does not know where tokens
come from.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.slack.api.calls import Unauthenticated, failure
from adapters.slack.payloads.fields import Json, text

EXPIRED: Final = "token_expired"

_RENEWALS: Final = 2  # the token that another process has stored may itself have ended since

Renew = Callable[[str, str], Awaitable[str]]
"""Gives the token to use instead of a refused one, "" where there is no other; the arguments are the refused token and
Slack's word for the refusal. Raises PlatformError, Forbidden where the app is not installed any more."""


class RenewingClient(AsyncWebClient):
    """An AsyncWebClient whose token may change between two calls."""

    def __init__(self, *, renew: Renew, **given: Any) -> None:
        super().__init__(**given)
        self._renew = renew

    async def api_call(self, api_method: str, **given: Any) -> AsyncSlackResponse:
        """Call a method, again where the token was refused and there is a new one."""
        for _ in range(_RENEWALS):
            used = self.token or ""
            try:
                return await super().api_call(api_method, **given)
            except SlackApiError as error:
                if not await self._replaced(used, api_method, error):
                    raise
        return await super().api_call(api_method, **given)

    async def _replaced(self, used: str, api_method: str, error: SlackApiError) -> bool:
        """Whether the token was what Slack refused, and is another one now."""
        if not isinstance(failure(api_method, error), Unauthenticated):
            return False
        if self.token == used:
            code = text(cast(Json, error.response.data), "error")
            self.token = await self._renew(used, code) or used
        return self.token != used
