"""What a reader takes for one sign: an emoji with its skin tone, a flag, a letter with its marks, an escape.

Knows code points, which of them nobody sees, and Markdown's backslash; knows no lines, no blocks and no limits.
"""

import unicodedata

UNSEEN = (
    r" \x00-\x09\x0b-\x1f\x7f-\xa0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff"
)
"""Within a line, what a platform or a reader may not show: spaces, controls, joiners; for a pattern's `[...]`."""


_VIRAMA = 9  # the combining class of signs that join two consonants of Indic scripts into one
_HALF_MAX = 8  # code points dropped from a text's end at most
_TAIL = 300  # characters of a text's end that are read to tell an escape from an escaped backslash, a flag from half


def utf8_length(text: str) -> int:
    """The length in bytes of UTF-8; half a surrogate pair counts as the three it takes alone."""
    return len(text.encode("utf-8", "surrogatepass"))


def splits_word(text: str, at: int) -> bool:
    """Whether a cut before `at` parts a word of ASCII letters and digits, a name from its `@` or `#`, or a sign."""
    before, behind = text[at - 1 : at], text[at : at + 1]
    word = behind.isascii() and behind.isalnum() and before.isascii() and (before.isalnum() or before in "@#")
    return word or splits_sign(text, at)


def splits_sign(text: str, at: int) -> bool:
    """Whether a cut before `at` parts what is read as one sign."""
    before, behind = text[at - 1], text[at : at + 1]
    if not behind:
        return False
    if before in "\\\u200d" or _joins(behind):
        return True
    if before > "\u0900" and unicodedata.combining(before) == _VIRAMA and behind.isalpha():
        return True
    if _is_flag_half(behind):
        return _flag_halves_before(text, at) % 2 == 1
    return _is_high_surrogate(before) and "\udc00" <= behind <= "\udfff"


def without_half_sign(text: str) -> str:
    """The text without what the next characters may turn into another sign: a joiner, half a flag, a lone escape."""
    end = len(text)
    while end and len(text) - end < _HALF_MAX and _is_half_sign(text, end):
        end -= 1
    return text[:end]


def _joins(sign: str) -> bool:
    """Whether a code point belongs to the one before it: marks, joiners, skin tones, tags, Hangul vowels."""
    return sign >= "\u0300" and (
        sign == "\u200d"
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\U000e0020" <= sign <= "\U000e007f"
        or "\u1160" <= sign <= "\u11ff"
        or unicodedata.category(sign).startswith("M")
    )


def _is_half_sign(text: str, end: int) -> bool:
    """Whether the code point before `end` waits for another one."""
    last, tail = text[end - 1], text[max(0, end - _TAIL) : end]
    if last == "\\":
        return (len(tail) - len(tail.rstrip("\\"))) % 2 == 1
    if _is_flag_half(last):
        return _flag_halves_before(tail, len(tail)) % 2 == 1
    return last == "\u200d" or _is_high_surrogate(last)


def _is_flag_half(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _flag_halves_before(text: str, at: int) -> int:
    start = at
    while start and _is_flag_half(text[start - 1]):
        start -= 1
    return at - start


def _is_high_surrogate(sign: str) -> bool:
    return "\ud800" <= sign <= "\udbff"
