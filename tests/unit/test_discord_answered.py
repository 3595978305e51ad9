"""What a reply answers and a forward carries: all of it reaches the model, and what is withheld is said to be."""

from typing import Any

import pytest

from adapters.discord.payloads.content import UNSEEN
from tests.unit.test_discord_content import REPLY, SOUND
from tests.unit.test_discord_parse import IMAGE, IMAGE_FILE, QUOTED, message, read


def forward(**said: Any) -> dict[str, Any]:
    """What a forward has beside the fields of every message."""
    return {
        "content": "",
        "message_reference": {"type": 1, "message_id": "9"},
        "message_snapshots": [{"message": said}],
    }


class TestAReplyToAForward:
    def test_brings_what_was_forwarded(self) -> None:
        found = read(message(**REPLY, referenced_message=QUOTED | forward(content="far away\nand long ago")))
        assert found.text == "> bob: (forwarded) far away\n> and long ago\n\nhi"

    def test_brings_its_files_but_no_voice_message(self) -> None:
        carried = forward(content="", attachments=[IMAGE])
        assert read(message(**REPLY, referenced_message=QUOTED | carried)).files == (IMAGE_FILE,)
        voice = forward(content="", attachments=[SOUND], flags=1 << 13)
        found = read(message(**REPLY, referenced_message=QUOTED | voice))
        assert (found.files, "cannot hear" in found.text) == ((), True)

    def test_does_not_say_that_nothing_can_be_read_where_a_file_is_all_there_is(self) -> None:
        found = read(message(**REPLY, referenced_message=QUOTED | forward(content="", attachments=[IMAGE])))
        assert UNSEEN not in found.text


@pytest.mark.parametrize("withheld", [{"content": ""}, forward(content=""), {"content": "", "message_snapshots": []}])
def test_a_reply_to_what_is_withheld_says_that_it_is(withheld: dict[str, Any]) -> None:
    assert read(message(**REPLY, referenced_message=QUOTED | withheld)).text == f"> bob: {UNSEEN}\n\nhi"


def test_a_forward_of_which_nothing_is_shown_says_so() -> None:
    payload = message("", **{key: value for key, value in forward(content="").items() if key != "content"})
    del payload["guild_id"]
    assert read(payload).text == f"> forwarded: {UNSEEN}"
