"""A thread's name from the question that it begins with. Pure.

Rule of the platform (developer docs, Start Thread from Message, read November 2026): 1 to 100 characters. They are
counted here in UTF-16 units, which are never fewer than what Discord counts.
"""

import re
from typing import Final

from bot.platform import utf16_length

TITLE_MAX: Final = 100

_QUOTE: Final = re.compile(r"^\s*>.*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^\s*(?:```|~~~)[\w+-]*\s*$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_MENTION: Final = re.compile(r"<(?:@[!&]?|#|a?:\w+:|/[^:>\n]*:)\d+>")
_OPENING: Final = re.compile(r"^\s*(?:#{1,3}\s|-#\s|[-*+]\s|\d+[.)]\s)", re.MULTILINE)
_MARKS: Final = re.compile(r"[*_~`|\\]+|(?<!\w)[@#](?=\w)")
_END: Final = re.compile(r"(?<=[.!?])\s|(?<=[。!?])|\n")


def title(question: str, *, author: str) -> str:
    """The question's first sentence without mentions and Markdown, never empty."""
    own = _QUOTE.sub("", question)
    for pattern, instead in ((_FENCE, ""), (_LINK, r"\1"), (_MENTION, ""), (_OPENING, ""), (_MARKS, "")):
        own = pattern.sub(instead, own)
    sentences = (" ".join(part.split()) for part in _END.split(own))
    first = next((one for one in sentences if re.search(r"\w", one)), "")
    return _cut(first.removesuffix(".")) or _cut(f"Question from {' '.join(author.split()) or 'somebody'}")


def _cut(text: str) -> str:
    """At most 100 characters, at a word's end where one is near."""
    if utf16_length(text) <= TITLE_MAX:
        return text
    while utf16_length(text) >= TITLE_MAX:
        text = text[:-1]
    whole = text.rpartition(" ")[0]
    return (whole if utf16_length(whole) > TITLE_MAX // 2 else text).rstrip() + "…"
