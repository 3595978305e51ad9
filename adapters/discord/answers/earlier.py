"""Which of the bot's own messages an earlier try of a post has made, where the nonce can no longer tell. Pure."""

from collections.abc import Sequence
from itertools import takewhile

from adapters.discord.payloads.fields import Payload


def earlier(
    own: Sequence[Payload], question: str, content: str, *, nonce: str, first: bool, begins: bool = False
) -> Payload | None:
    """Which of the bot's own messages an earlier try of a post has made.

    The first message of an answer refers to the question. A later one carries no mark that Discord would show, so
    it is known by its text: it refers to nothing, stands between the first and the bot's next answer to somebody
    else, and one of the two texts is how the other begins. Rather a part twice than one that overwrites another's.
    A thread that `begins` with the question may hold it elsewhere: the bot's first message there answers it.
    """
    for message in own:
        if str(message.get("nonce") or "") == nonce:
            return message
    starts = [index for index, message in enumerate(own) if _answers(message) == question]
    if first:
        found = own[starts[0]] if starts else None
        return own[0] if found is None and begins and own and _answers(own[0]) is None else found
    later = takewhile(lambda one: _answers(one) in (None, question), own[starts[0] + 1 :] if starts else own)
    alike = [one for one in later if _answers(one) is None and _alike(str(one.get("content") or ""), content)]
    return alike[-1] if alike else None


def _answers(message: Payload) -> str | None:
    reference: Payload = message.get("message_reference") or {}
    return str(reference["message_id"]) if reference.get("message_id") else None


def _alike(one: str, other: str) -> bool:
    """Whether one text is how the other begins; a fence closed behind an unfinished text is none of its words."""
    short, long = sorted((one.strip(), other.strip()), key=len)
    begun = short.removesuffix("```").rstrip()
    return bool(begun) and long.startswith((short, begun))
