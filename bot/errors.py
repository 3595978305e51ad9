"""Every error the bot raises on purpose, grouped by what the caller must do.

    BotError
    ├── ConfigError             stop and tell the operator which setting to change
    │   └── InUse               the data directory belongs to a bot that runs
    ├── StoreError              Redis cannot be reached or refuses; do not acknowledge, try again
    │   └── Unreadable          what is stored cannot be opened: the operator must mend ENCRYPTION_KEY
    ├── PlatformError
    │   ├── RateLimited         wait `retry_after_s`, then do the same again
    │   │   └── Busy            only live text has to wait, the final text need not
    │   ├── Unreachable         nothing was done; try again with back-off
    │   ├── Ambiguous           a post may stand; only ever try again with the same key and `recover=True`
    │   ├── Forbidden           no permission there; give up on this place
    │   ├── Gone                the message, thread or channel no longer exists
    │   └── Rejected            the platform calls the request wrong; a bug or a limit of ours
    └── CompletionError
        ├── Throttled           429; wait `retry_after_s`
        ├── Overloaded          5xx, connection failures, time-outs before the first token; try again
        ├── TooLong             the prompt does not fit; shorten it once
        ├── Unauthorized        401 or 403; the operator must mend the key; do not hammer
        ├── Invalid             400, 404, 422; the same request will fail again
        ├── Broken              the answer was cut, empty or not understood
        │   ├── Spent           nothing visible within the length limit; the same request will end so again
        │   └── Filtered        nothing visible past the service's content filter; the same
        └── Explained           any of these, told to the operator himself in `routernesia-bot chat`

`retryable` says whether the same mention may succeed later; `notice` is the sentence that people read.
"""

from typing import ClassVar


class BotError(Exception):
    """The root. Its text is for operators and logs, never for people in a chat, and holds no message text."""

    retryable: ClassVar[bool] = False
    notice: str = "Sorry, something went wrong on my side and I could not answer this."


class ConfigError(BotError):
    """A setting is missing or wrong. The text says which and what to do."""


class InUse(ConfigError):
    """Another process has the embedded store of this data directory open."""


class StoreError(BotError):
    """Redis could not be reached, or refused, or is not durable."""

    retryable = True


class Unreadable(StoreError):
    """A stored value is sealed with a key that is not there, or was changed. It stays stored; the text says what to do.

    Worth another try: while keys change, another process may have the right one already.
    """


class PlatformError(BotError):
    """A chat platform did not do what it was asked."""


class RateLimited(PlatformError):
    """The platform asks to wait; nothing was done."""

    retryable = True

    def __init__(self, text: str, *, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Busy(RateLimited):
    """No live text now: its share of what the platform takes is spent. The final text need not wait for that."""


class Unreachable(PlatformError):
    """The platform did not take the request; nothing was done."""

    retryable = True


class Ambiguous(PlatformError):
    """A post whose outcome is unknown: the message may stand. `retry_after_s` where the platform asked for it."""

    retryable = True

    def __init__(self, text: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Forbidden(PlatformError):
    """The bot may not write there."""


class Gone(PlatformError):
    """What the request was about no longer exists."""


class Rejected(PlatformError):
    """The platform refused the request as invalid."""


class CompletionError(BotError):
    """The completions API gave no usable answer."""

    notice = "Sorry, I did not get a usable answer from the model service. Please ask again."


class Throttled(CompletionError):
    """The completions API asks to slow down (429)."""

    retryable = True
    notice = "Sorry, the model service is too busy right now. Please ask again in a few minutes."

    def __init__(self, text: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Overloaded(CompletionError):
    """The completions API is down, overloaded or silent."""

    retryable = True
    notice = "Sorry, the model service is not answering right now. Please ask again in a few minutes."


class TooLong(CompletionError):
    """The conversation is longer than the model can read."""

    notice = "Sorry, this is too long for the model. Please ask with less text, or start a new thread."


class Unauthorized(CompletionError):
    """The completions API refused the key."""

    notice = "Sorry, I am not set up correctly: the model service refused my key. Please tell whoever runs me."


class Invalid(CompletionError):
    """The completions API calls the request wrong."""

    notice = "Sorry, the model service refused this request. Please tell whoever runs me if it happens again."


class Broken(CompletionError):
    """The answer was cut, empty or not understood."""


class Spent(Broken):
    """The answer reached its length limit with nothing visible: it was all thinking, say."""

    notice = "Sorry, the model used up its length limit before it came to an answer. Please ask for less at once."


class Filtered(Broken):
    """The service's content filter let nothing of the answer through."""

    notice = "Sorry, the model service's content filter held my answer back. Please ask in other words."


class Explained(CompletionError):
    """Any failure of the completions API, where the one who asked can mend it: its text is for him to read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.notice = text
