"""What Discord refuses in commands, forms and messages (developer docs, read November 2026)."""

import re
from typing import cast

from tests.fakes.discord.facts import Payload, Refusal

_NAME = re.compile(r"[-_'\w]{1,32}")


def check_message(data: Payload) -> None:
    """A message's content and components."""
    content = str(data.get("content") or "")
    if not content.strip() and not data.get("components"):
        raise Refusal(400, 50006, "Cannot send an empty message")
    require(len(content) <= 2000)
    check_components(cast(list[Payload], data.get("components") or []))


def check_components(rows: list[Payload]) -> None:
    """Five rows of five buttons each, with ids that are short and different."""
    require(len(rows) <= 5)
    ids: list[str] = []
    for row in rows:
        inside = cast(list[Payload], row.get("components") or [])
        require(row["type"] == 1 and 1 <= len(inside) <= 5)
        ids += (str(one.get("custom_id", "")) for one in inside)
        require(all(len(str(one.get("label", ""))) <= 80 for one in inside))
    require(all(1 <= len(one) <= 100 for one in ids) and len(set(ids)) == len(ids))


def check_modal(data: Payload) -> None:
    """A form: one to five labelled inputs."""
    labels = cast(list[Payload], data.get("components") or [])
    require(1 <= len(data["custom_id"]) <= 100 and 1 <= len(data["title"]) <= 45 and 1 <= len(labels) <= 5)
    for label in labels:
        require(label["type"] == 18 and 1 <= len(label["label"]) <= 45)
        typed: Payload = label["component"]
        require(typed["type"] == 4 and typed["style"] in (1, 2) and 1 <= len(typed["custom_id"]) <= 100)
        require(1 <= typed.get("max_length", 4000) <= 4000)


def check_commands(commands: list[Payload]) -> None:
    """All global commands of an application."""
    kinds = [one.get("type", 1) for one in commands]
    require(kinds.count(1) <= 100 and kinds.count(2) <= 15 and kinds.count(3) <= 15)
    require(len({(one.get("type", 1), one["name"]) for one in commands}) == len(commands))
    for one in commands:
        described = len(one.get("description", ""))
        require(set(one["integration_types"]) <= {0, 1} and set(one["contexts"]) <= {0, 1, 2})
        if one.get("type", 1) == 1:
            require(bool(_NAME.fullmatch(one["name"])) and one["name"] == one["name"].lower() and 1 <= described <= 100)
            _check_options(cast(list[Payload], one.get("options") or []))
        else:
            require(1 <= len(one["name"]) <= 32 and described == 0 and not one.get("options"))


def _check_options(options: list[Payload]) -> None:
    require(len(options) <= 25)
    needed = [bool(one.get("required")) for one in options]
    require(needed == sorted(needed, reverse=True))  # required ones come first
    for one in options:
        require(bool(_NAME.fullmatch(one["name"])) and 1 <= len(one["description"]) <= 100)
        require(1 <= one.get("max_length", 6000) <= 6000)


def require(fine: bool) -> None:
    """Raises what Discord answers to a body that it does not take."""
    if not fine:
        raise Refusal(400, 50035, "Invalid Form Body")
