"""Slack's message text (mrkdwn with `<...>` tokens and entities) as CommonMark. Pure.

Source: docs.slack.dev/messaging/formatting-message-text, read November 2026. Text that only looks like markup is
left alone: a wrong conversion harms more than a missing one. Every pattern is linear in the text.
"""

import re
from collections.abc import Mapping

_CODE = re.compile(r"```(.+?)```|`([^`\n]+)`", re.DOTALL)
_TOKEN = re.compile(r"<([^<>\n]+)>")
_MENTION = re.compile(r"<(?:@([A-Z0-9]+)(?:\|[^<>\n]*)?|#([CG][A-Z0-9]+)\|?)>")
_ENTITY = re.compile(r"&(amp|lt|gt);")
_BOLD = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+)(?<=\S)\*(?![\w*])")
_STRIKE = re.compile(r"(?<![\w~\\])~(?=[^\s~])([^~\n]+)(?<=\S)~(?![\w~])")
_BULLET = re.compile(r"^([ \t]*)[•◦▪] ", re.MULTILINE)
_CHARACTER = {"amp": "&", "lt": "<", "gt": ">"}


def commonmark(text: str, *, without_user: str = "", names: Mapping[str, str] | None = None) -> str:
    """The text as CommonMark, without mentions of `without_user` (the bot); `names` says what ids are called."""
    text = _without(text, without_user) if without_user else text
    text = _named(text, names) if names else text
    out: list[str] = []
    end = 0
    for code in _CODE.finditer(text):
        out.append(_prose(text[end : code.start()]))
        out.append(_code(code, text))
        end = code.end()
    out.append(_prose(text[end:]))
    return "".join(out).strip()


def _without(text: str, user: str) -> str:
    mention = re.compile(rf"<@{re.escape(user)}(?:\|[^<>\n]*)?>")
    if not mention.search(text):
        return text
    text = re.sub(rf"\A\s*{mention.pattern}[ \t]*[,:]?", "", text)
    text = re.sub(rf"(?<!\S){mention.pattern}[ \t]*", "", text)
    return mention.sub(" ", text)


def _named(text: str, names: Mapping[str, str]) -> str:
    """The names as labels of the mentions; a label cannot hold the signs that end it."""

    def labelled(mention: re.Match[str]) -> str:
        name = names.get(mention[1] or mention[2])
        sign = "@" if mention[1] else "#"
        return f"<{sign}{mention[1] or mention[2]}|{_escaped(name)}>" if name else mention[0]

    return _MENTION.sub(labelled, text)


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _prose(text: str) -> str:
    # Markup first, on the escaped text: a literal < or & cannot be mistaken for a token's.
    text = _BULLET.sub(r"\1- ", _STRIKE.sub(r"~~\1~~", _BOLD.sub(r"**\1**", text)))
    return _plain(_TOKEN.sub(lambda token: _shown(token[1]), text))


def _code(code: re.Match[str], text: str) -> str:
    block, inline = code.groups()
    if inline is not None:
        return f"`{_plain(_TOKEN.sub(_raw, inline))}`"
    before = "" if code.start() == 0 or text[code.start() - 1] == "\n" else "\n"
    after = "" if code.end() == len(text) or text[code.end()] == "\n" else "\n"
    body = _plain(_TOKEN.sub(_raw, block)).removeprefix("\n").removesuffix("\n")
    return f"{before}```\n{body}\n```{after}"


def _plain(text: str) -> str:
    """The text with Slack's three entities decoded, once: `&amp;lt;` is the characters `&lt;`."""
    return _ENTITY.sub(lambda entity: _CHARACTER[entity[1]], text) if "&" in text else text


def _raw(token: re.Match[str]) -> str:
    """A token inside code: what the writer typed, without a link around it."""
    target, _, label = token[1].partition("|")
    return (label or target) if target[:1] not in ("@", "#", "!") else _shown(token[1])


def _shown(token: str) -> str:
    target, _, label = token.partition("|")
    match target[:1]:
        case "@":
            return f"@{label or target[1:]}"
        case "#":
            return f"#{label or target[1:]}"
        case "!":
            return _special(target[1:], label)
        case _:
            return _link(target, label)


def _special(target: str, label: str) -> str:
    kind, _, rest = target.partition("^")
    if kind == "date":
        return label or rest.partition("^")[0]
    if kind == "subteam":
        return f"@{(label or rest).lstrip('@')}"
    return f"@{label.lstrip('@') or kind}"


def _link(target: str, label: str) -> str:
    if target.startswith(("mailto:", "tel:")):
        return label or target.partition(":")[2]
    if not label or label == target or target in (f"http://{label}", f"https://{label}"):
        return target
    shown = label.replace("[", "\\[").replace("]", "\\]")
    return f"[{shown}](<{target}>)" if re.search(r"[()\s]", target) else f"[{shown}]({target})"
