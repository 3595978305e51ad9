"""The completions API: messages in, a streamed answer out.

From the outside in: `client` decides when to try again; `endpoint` is one request and its time limits, over
`transport`; `answer` turns the bytes into visible text with `sse` and `visible`; `refusals` turns a refused request
into one of our errors. `echo` stands in for a model where there is none; `explained` says to the person at a
terminal why there is no answer.
"""

from bot.completions.client import Completions
from bot.completions.endpoint import ChatMessage, Patience

__all__ = ["ChatMessage", "Completions", "Patience"]
