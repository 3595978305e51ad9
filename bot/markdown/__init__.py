"""CommonMark text as chat messages: cut where a reader would cut, with every code fence closed.

Knows CommonMark's blocks and a unit of length; knows no platform, no I/O and no clock. `parts` splits a text into
messages, `settled` says how much of a growing text is fit to be shown. Each file imports only files above it:

    characters   what a reader takes for one sign
    lines        what a single line is
    fences       where code fences begin and end
    inline       links, addresses and code within a line
    boundaries   where a message is best cut
    fitting      how much text fits into a message
    splitting    `parts`: message after message, and what one hands to the next
    live         `settled`: the end of a text that is still being written
"""

from bot.markdown.live import settled
from bot.markdown.splitting import parts

__all__ = ["parts", "settled"]
