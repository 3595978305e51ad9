"""Which form of buttons Slack takes in a workspace: tried from the best downwards, and remembered."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from adapters.slack.answers.blocks import Style
from adapters.slack.api.calls import code_of
from adapters.slack.api.latches import Latches
from bot.errors import PlatformError

log = logging.getLogger(__name__)

T = TypeVar("T")

_STYLES: Final[tuple[Style, ...]] = ("icon", "plain", "none")
_PLAINER: Final[dict[Style, Style]] = {"icon": "plain", "plain": "none"}
_UNLIKED: Final = frozenset({"invalid_blocks", "invalid_blocks_format", "unsupported_block", "invalid_attachments"})
_ABOUT_THE_TEXT: Final = frozenset({"msg_blocks_too_long", "only_one_table_allowed", "block_mismatch"})


class Styles:
    """How the buttons of one workspace are drawn."""

    def __init__(self, latches: Latches) -> None:
        self._latches = latches

    @property
    def best(self) -> Style:
        """The best form that Slack has not refused within the hour."""
        for style in _STYLES:
            if not self._latches.closed(("style", style)):
                return style
        return "none"

    async def write(self, call: Callable[[Style], Awaitable[T]]) -> T:
        """Call with the best form, and with plainer ones where Slack refuses the blocks. Raises PlatformError.

        A form is given up for an hour when a plainer one goes through where it did not; where none goes through, it
        was the text.
        """
        refused: list[Style] = []
        style = self.best
        while True:
            try:
                result = await call(style)
            except PlatformError as error:
                code = code_of(error)
                if style == "none" or code not in _UNLIKED | _ABOUT_THE_TEXT:
                    raise
                if code in _UNLIKED:
                    refused.append(style)
                style = _PLAINER[style] if code in _UNLIKED else "none"
            else:
                self._give_up(refused)
                return result

    def _give_up(self, refused: list[Style]) -> None:
        for style in refused:
            if self._latches.close(("style", style)):
                log.warning("slack_buttons_refused", extra={"style": style})
