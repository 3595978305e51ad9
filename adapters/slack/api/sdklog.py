"""The one logger that Slack's SDKs get: it says where and what kind, never a payload, a URL or a token.

The SDKs log whole requests, events and socket URLs (with their tickets) in free text. Their debug lines are also
built when nobody reads them, unless the logger itself has a level.
"""

import logging
from typing import Final


class _NoContent(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[0] if record.exc_info else None
        record.msg, record.args, record.exc_info, record.exc_text = "slack_sdk_warning", (), None, None
        record.where = f"{record.module}.{record.funcName}:{record.lineno}"
        record.error = error.__name__ if error else ""
        return True


def sdk_logger() -> logging.Logger:
    """The logger to hand to every SDK object."""
    log = logging.getLogger("adapters.slack.sdk")
    log.setLevel(logging.WARNING)
    if not log.filters:
        log.addFilter(_NO_CONTENT)
    return log


_NO_CONTENT: Final = _NoContent()
