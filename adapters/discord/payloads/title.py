"""A thread's name from the question that it begins with, or in a model's words. Pure.

Rule of the platform (developer docs, Start Thread from Message, read November 2026): 1 to 100 characters. They are
counted here in UTF-16 units, which are never fewer than what Discord counts.
"""

import re
from collections.abc import Iterable
from typing import Final

from bot.platform import utf16_length

TITLE_MAX: Final = 100

_QUOTE: Final = re.compile(r"^\s*>.*$", re.MULTILINE)
_FENCE: Final = re.compile(r"^\s*(?:```|~~~)[\w+-]*\s*$", re.MULTILINE)
_LINK: Final = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
_MENTION: Final = re.compile(r"<(?:@[!&]?|#|a?:\w+:|/[^:>\n]*:)\d+>")
_OPENING: Final = re.compile(r"^\s*(?:#{1,3}\s|-#\s|[-*+]\s|\d+[.)]\s)", re.MULTILINE)
_MARKS: Final = re.compile(r"[*_~`|\\]+|(?<!\w)[@#](?=\w)")
_LABEL: Final = re.compile(r"^\W*title\W*:\W*", re.IGNORECASE)
_QUOTED: Final = re.compile(r"[\"'“„«‘「《](.*\w.*)[\"'”“»’」》]")
_END: Final = re.compile(r"(?<=[.!?])\s|(?<=[。!?])|\n")


def title(question: str, *, author: str) -> str:
    """The question's first sentence without mentions and Markdown, never empty."""
    return _first(_END.split(_plain(question))) or _cut(f"Question from {' '.join(author.split()) or 'somebody'}")


def models_title(words: str) -> str:
    """A title in a model's words: their first line, without Markdown and quotation marks; "" where there is none."""
    name = _first(_plain(_LABEL.sub("", words)).split("\n"))
    quoted = _QUOTED.fullmatch(name)
    return quoted[1].strip().removesuffix(".").rstrip() if quoted else name


def _plain(text: str) -> str:
    own = _QUOTE.sub("", text)
    for pattern, instead in ((_FENCE, ""), (_LINK, r"\1"), (_MENTION, ""), (_OPENING, ""), (_MARKS, "")):
        own = pattern.sub(instead, own)
    return own


def _first(pieces: Iterable[str]) -> str:
    """The first in which there is a word."""
    lines = (" ".join(piece.split()) for piece in pieces)
    return _cut(next((one for one in lines if re.search(r"\w", one)), "").removesuffix(".").rstrip())


def _cut(text: str) -> str:
    """At most 100 characters, at a word's end where one is near."""
    if utf16_length(text) <= TITLE_MAX:
        return text
    while utf16_length(text) >= TITLE_MAX:
        text = text[:-1]
    whole = text.rpartition(" ")[0]
    return (whole if utf16_length(whole) > TITLE_MAX // 2 else text).rstrip() + "…"
