"""CommonMark text as chat messages: cut where a reader would cut, with every code fence closed.

Knows CommonMark's blocks and a unit of length; knows no platform, no I/O and no clock. `parts` splits a text into
messages, `settled` says how much of a growing text is fit to be shown, `appendable` how much of it can be shown for
good. Each file imports only files above it:

    hosts        where a link leads
    characters   what a reader takes for one sign, and what nobody sees
    lines        what a single line is
    fences       where code fences begin and end
    ticks        code within a line
    emphasis     emphasis that has begun
    inline       links, addresses and code within a line
    tables       where tables stand, and how many are too many
    kinds        `blocks`: a text as code, tables and all else
    boundaries   where a message is best cut
    fitting      how much text fits into a message
    splitting    `parts`: message after message, and what one hands to the next
    live         `settled`: the end of a text that is still being written
    deciding     what more text may still make of a line
    appending    `appendable`: what stays as it is whatever is appended
    rolling      `closing`, `reopening`: a message that ends although its text goes on
"""

from bot.markdown.appending import appendable
from bot.markdown.characters import UNSEEN, utf8_length
from bot.markdown.deciding import TARGET, TARGET_MAX
from bot.markdown.hosts import ELSEWHERE, host_of, host_told, longest_told
from bot.markdown.kinds import Block, blocks
from bot.markdown.live import settled
from bot.markdown.rolling import closing, reopening
from bot.markdown.splitting import parts
from bot.markdown.ticks import CODE_MAX, Ticks, ticks_of

__all__ = [
    "CODE_MAX",
    "ELSEWHERE",
    "TARGET",
    "TARGET_MAX",
    "UNSEEN",
    "Block",
    "Ticks",
    "appendable",
    "blocks",
    "closing",
    "host_of",
    "host_told",
    "longest_told",
    "parts",
    "reopening",
    "settled",
    "ticks_of",
    "utf8_length",
]
