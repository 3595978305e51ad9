"""How many columns a text takes in a fixed-width font. Pure.

After Unicode's East Asian Width (UAX 11) and what terminals do with emoji; Discord's fonts are not documented.
"""

import unicodedata

_JOINER = "\u200d"
_AS_EMOJI = "\ufe0f"


def width(text: str) -> int:
    """Columns of a line: East Asian wide signs and emoji two, what is drawn onto the sign before it none."""
    total = last = 0
    joined = False
    for sign in text:
        if sign == _AS_EMOJI:
            total, last = total + (last == 1), 2 if last else 0
        elif not (joined or _is_drawn_onto(sign)):
            last = 2 if unicodedata.east_asian_width(sign) in "WF" else 1
            total += last
        joined = sign == _JOINER
    return total


def _is_drawn_onto(sign: str) -> bool:
    """Marks, joiners, skin tones, the vowels and ends of a Hangul syllable, and what is not drawn at all."""
    return (
        unicodedata.category(sign) in ("Mn", "Me", "Cf", "Cc")
        or "\U0001f3fb" <= sign <= "\U0001f3ff"
        or "\u1160" <= sign <= "\u11ff"
    )
