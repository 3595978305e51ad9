"""Uploads, ephemeral lines and private answers against a fake Slack."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from adapters.slack.adapter import SlackPlatform
from adapters.slack.answers.files import file_name
from adapters.slack.settings import SlackSettings
from adapters.slack.workspace import Workspace
from bot.errors import Ambiguous, Forbidden, PlatformError, RateLimited, Rejected, Unreachable
from bot.events import Author, Mention, Place
from tests.fakes.slack import FakeSlack
from tests.fakes.slack.records import Reply, Trigger
from tests.settings_of import settings_of


async def at_once(_: float) -> None:
    """Lets others run, and takes no time."""
    await asyncio.sleep(0)


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(clock=lambda: 0.0) as fake:  # no trigger id expires
        yield fake


@pytest.fixture
async def platform(slack: FakeSlack) -> AsyncIterator[SlackPlatform]:
    made = SlackPlatform(
        settings_of(
            SlackSettings,
            slack_bot_token=SecretStr(slack.bot_token),
            slack_app_token=SecretStr(slack.app_token),
            slack_api_url=slack.api_url,
        ),
        pause=at_once,
        call_within_s=30.0,
    )
    await made.open()
    yield made
    await made.aclose()


def asked(slack: FakeSlack, **private: str) -> Mention:
    ts = slack.store("C1", "U01", "a question")
    place = Place("slack", "T1", "C1", ts, "channel")
    mention = Mention(f"slack:T1:C1:{ts}", place, Author("U01", "Ana"), "a question", ts, float(ts))
    return replace(mention, private=True, **private) if private else mention


async def uploaded(platform: SlackPlatform, mention: Mention, *, recover: bool = False) -> str:
    return await platform.upload(mention, "# All\n\nÄ", name="answer.md", key="e/file", recover=recover)


# Files


async def test_a_file_stands_in_the_thread_with_a_hash_of_its_key_in_its_name(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    file = await uploaded(platform, mention)
    [upload] = slack.uploads
    assert (upload.id, upload.channel, upload.thread_ts) == (file, "C1", mention.message_id)
    assert upload.data == "# All\n\nÄ".encode()
    assert upload.name == file_name("answer.md", "e/file")
    assert upload.title == "answer.md"
    assert "e/file" not in upload.name
    assert upload.name.endswith(".md")


async def test_a_file_is_found_again_instead_of_sent_twice(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    file = await uploaded(platform, mention)
    assert await uploaded(platform, mention, recover=True) == file
    other = await platform.upload(mention, "x", name="answer.md", key="other", recover=True)
    assert other != file
    assert len(slack.uploads) == 2


@pytest.mark.parametrize("fault", ["reset_after", "after:500", "after:garbage"])
async def test_a_file_whose_outcome_is_unclear_is_looked_for(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    mention = asked(slack)
    slack.fail("files.completeUploadExternal", fault)
    assert await uploaded(platform, mention) == slack.uploads[0].id
    assert len(slack.uploads) == 1


async def test_a_file_that_is_not_seen_may_still_stand(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    slack.fail("files.completeUploadExternal", "reset_before")
    with pytest.raises(Ambiguous):
        await uploaded(platform, mention)
    await uploaded(platform, mention, recover=True)
    assert len(slack.uploads) == 1


FAILURES: list[tuple[str, str, type[PlatformError]]] = [
    ("files.getUploadURLExternal", "missing_scope", Forbidden),
    ("files.getUploadURLExternal", "429:3", RateLimited),
    ("files.getUploadURLExternal", "500", Unreachable),
    ("files.getUploadURLExternal", "ok", Unreachable),
    ("files.completeUploadExternal", "missing_scope", Forbidden),
    ("files.completeUploadExternal", "429:3", RateLimited),
    ("files.completeUploadExternal", "invalid_arguments", Rejected),
    ("upload", "500", Unreachable),
]


@pytest.mark.parametrize(("step", "fault", "error"), FAILURES)
async def test_an_upload_that_failed_shows_nothing_and_may_be_repeated(
    slack: FakeSlack, platform: SlackPlatform, step: str, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    slack.fail(step, fault)
    with pytest.raises(error) as caught:
        await uploaded(platform, mention)
    assert not isinstance(caught.value, Ambiguous)
    assert not slack.answers("C1")
    await uploaded(platform, mention)
    assert len(slack.uploads) == 1


async def test_a_file_is_removed_and_may_be_removed_again(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    file = await uploaded(platform, mention)
    slack.fail("files.delete", "reset_after")
    with pytest.raises(Unreachable):
        await platform.remove(mention, file)
    assert not slack.uploads
    await platform.remove(mention, file)
    slack.fail("files.delete", "file_deleted")
    await platform.remove(mention, file)
    [message] = slack.answers("C1")
    assert message["files"] == [{"id": file, "mode": "tombstone"}]


@pytest.mark.parametrize(
    ("fault", "error"),
    [("missing_scope", Forbidden), ("cant_delete_file", Rejected), ("file_deleting_disabled", Rejected)],
)
async def test_a_file_that_slack_will_not_remove_stands_and_that_is_said(
    slack: FakeSlack, platform: SlackPlatform, fault: str, error: type[PlatformError]
) -> None:
    mention = asked(slack)
    file = await uploaded(platform, mention)
    slack.fail("files.delete", fault)
    with pytest.raises(error):
        await platform.remove(mention, file)
    assert [one.id for one in slack.uploads] == [file]


async def test_an_answer_is_attached_again_after_its_file_was_removed(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack)
    first = await uploaded(platform, mention)
    await platform.remove(mention, first)
    second = await uploaded(platform, mention, recover=True)
    assert [one.id for one in slack.uploads] == [second]


async def test_a_workspace_without_the_scope_says_so(slack: FakeSlack, platform: SlackPlatform) -> None:
    slack.scopes.discard("files:write")
    with pytest.raises(Forbidden):
        await uploaded(platform, asked(slack))


# Private answers


async def workspace(platform: SlackPlatform, mention: Mention) -> Workspace:
    return await platform._workspace(mention)  # pyright: ignore[reportPrivateUsage]


async def test_a_line_is_whispered_to_one_person(slack: FakeSlack, platform: SlackPlatform) -> None:
    mention = asked(slack)
    line = "Not here, <!channel>."
    slack.store("C1", "U02", "a reply, without which nobody would see it", thread_ts=mention.message_id)
    await (await workspace(platform, mention)).whisper("C1", "U02", line, thread_ts=mention.message_id)
    [said] = slack.ephemerals
    assert (said["user"], said["channel"], said["thread_ts"]) == ("U02", "C1", mention.message_id)
    assert said["text"] == "Not here, &lt;!channel>."
    [args] = slack.calls("chat.postEphemeral")
    assert (args["unfurl_links"], args["unfurl_media"]) == (False, False)
    assert not slack.answers("C1")


async def test_a_private_answer_goes_where_its_gesture_left_an_address(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    slack.replies["R1"] = Reply("C1", "U01", "T1", slack.now())
    mention = asked(slack, reply_ref=f"http://127.0.0.1:{slack.port}/response/R1")
    await platform.post(mention, "**only** you <@U02>", key="k", first=True)
    [said] = slack.ephemerals
    assert (said["user"], said["via"], said["markdown_text"]) == ("U01", "response_url", "**only** you &lt;@U02>")
    assert not slack.answers("C1")


@pytest.mark.parametrize("fault", ["404", "used_url", "expired_url"])
async def test_a_used_up_address_gives_way_to_an_ephemeral_message(
    slack: FakeSlack, platform: SlackPlatform, fault: str
) -> None:
    slack.replies["R1"] = Reply("C1", "U01", "T1", slack.now() - 1_801)
    mention = asked(slack, reply_ref=f"http://127.0.0.1:{slack.port}/response/{'R1' if fault != '404' else 'none'}")
    await platform.post(mention, "hi", key="k", first=True)
    [said] = slack.ephemerals
    assert (said["user"], said["via"]) == ("U01", "chat.postEphemeral")


async def test_nothing_is_sent_to_an_address_outside_slack(slack: FakeSlack, platform: SlackPlatform) -> None:
    async with FakeSlack() as stranger:
        mention = asked(slack, reply_ref=f"http://127.0.0.1:{stranger.port}/response/R1")
        await platform.post(mention, "secret", key="k", first=True)
        assert not stranger.ledger
    assert len(slack.ephemerals) == 1


async def test_a_private_answer_without_an_address_is_ephemeral_and_never_edited(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    mention = asked(slack, reply_ref="")
    message_id = await platform.post(mention, "hi", key="k", first=True)
    assert len(slack.ephemerals) == 1
    with pytest.raises(Rejected):
        await platform.edit(mention, message_id, "other")
    await platform.delete(mention, message_id)
    with pytest.raises(Forbidden):
        await uploaded(platform, mention)
    slack.fail("chat.postEphemeral", "reset_after")
    with pytest.raises(Ambiguous):
        await platform.post(mention, "hi", key="k2", first=True)


async def test_a_private_answer_stands_in_the_thread_in_which_it_was_asked_for(
    slack: FakeSlack, platform: SlackPlatform
) -> None:
    asked_at_the_top = asked(slack, reply_ref="")
    in_thread = replace(
        asked_at_the_top, message_id=slack.store("C1", "U01", "!ask", thread_ts=asked_at_the_top.message_id)
    )
    for number, mention in enumerate((in_thread, asked_at_the_top)):
        await platform.post(mention, "hi", key=f"k{number}", first=True)
    assert [said.get("thread_ts") for said in slack.ephemerals] == [asked_at_the_top.message_id, None]


async def test_a_modal_holds_a_whole_answer_as_one_part(slack: FakeSlack, platform: SlackPlatform) -> None:
    trigger = await opened(slack, platform)
    mention = asked(slack, reply_ref=f"view:{trigger}")
    whole = "# One\n\n**two** & [there](https://x.example/a)\n\n```py\nx = '<@U02>'\n```"
    assert platform.limits(mention).parts_max == 1
    assert platform.limits(mention).text_max > 12 * len(whole)
    await platform.post(mention, whole, key="k/0", first=True)
    shown = "\n".join(block["text"]["text"] for block in slack.views[trigger].body["blocks"])
    assert "*One*" in shown
    assert "*two* &amp; <https://x.example/a|there" in shown
    assert "&lt;@U02&gt;" in shown
    assert "```py" not in shown
    assert not slack.ephemerals


async def test_a_closed_modal_gives_way_to_an_ephemeral_message(slack: FakeSlack, platform: SlackPlatform) -> None:
    trigger = await opened(slack, platform)
    slack.views[trigger].open = False
    await platform.post(asked(slack, reply_ref=f"view:{trigger}"), "hi", key="k", first=True)
    assert [said["text"] for said in slack.ephemerals] == ["hi"]


async def opened(slack: FakeSlack, platform: SlackPlatform) -> str:
    """The id of a modal that a person has open."""
    slack.triggers["t"] = Trigger("U01", "T1", slack.now())
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": "Reading…"}}]
    view = {"type": "modal", "title": {"type": "plain_text", "text": "Summary"}, "blocks": blocks}
    answer = await (await workspace(platform, asked(slack))).api.write("views.open", trigger_id="t", view=view)
    return str(answer.data["view"]["id"])
