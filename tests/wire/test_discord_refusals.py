"""What Discord refuses: each ends in one whole answer or one honest line, and is not asked for again and again."""

import asyncio
import json

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis

from adapters.discord.adapter import DiscordPlatform
from adapters.discord.api.refusals import TOKEN_AGAIN_S, UNAUTHORIZED, Refusals
from adapters.discord.api.rest import Rest
from adapters.discord.settings import DiscordSettings
from bot.errors import Busy, Forbidden, Gone, Rejected, Unreachable
from tests.discord_asking import asked, buttons, shown
from tests.fakes.completions import Text
from tests.fakes.discord import FakeDiscord, Fault
from tests.fakes.discord_bot import Heard, hearing
from tests.fakes.services import FakeServices
from tests.running import always, running, services
from tests.until import until


def calls(fake: FakeDiscord, method: str = "", path: str = "/channels/") -> int:
    return sum(method in one["method"] and path in one["path"] for one in fake.entries("request"))


def told(caplog: pytest.LogCaptureFixture, what: str) -> int:
    return [one.message for one in caplog.records].count(what)


# Permissions, the token, the ban.


@pytest.mark.parametrize("how", ["forbidden", "unseen"])
async def test_a_channel_without_permission_costs_one_call(
    fake: FakeDiscord, platform: DiscordPlatform, how: str
) -> None:
    mention, elsewhere = asked(fake), asked(fake, channel=fake.add_channel("elsewhere"))
    getattr(fake, how).add(fake.channel)
    for _ in range(3):
        with pytest.raises(Forbidden):
            await platform.post(mention, "x", key="k", first=True)
        await platform.working(mention, on=True)
    assert (calls(fake, "POST", "/messages"), calls(fake, "POST", "/typing")) == (1, 1)
    await platform.post(elsewhere, "here", key="e", first=True)
    assert shown(fake, elsewhere.place.channel) == ["here"]


@pytest.mark.parametrize("reset", [False, True])
async def test_calls_that_waited_in_line_are_not_made_once_the_first_was_refused(
    fake: FakeDiscord, platform: DiscordPlatform, reset: bool
) -> None:
    mentions = [asked(fake) for _ in range(10)]
    if reset:
        fake.token = "another token"
    else:
        fake.forbidden.add(fake.channel)
    posts = [platform.post(one, "x", key=one.event_id, first=True) for one in mentions]
    refused = await asyncio.gather(*posts, return_exceptions=True)
    assert {type(error) for error in refused} == {Unreachable if reset else Forbidden}
    assert len(fake.refused) == 1


async def test_other_refusals_of_a_place_are_not_remembered(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    mention = asked(fake, channel=fake.dm_channel(fake.ann))
    fake.closed_dms.add(mention.place.channel)  # 50007
    with pytest.raises(Forbidden):
        await platform.post(mention, "x", key="k", first=True)
    fake.closed_dms.clear()
    await platform.post(mention, "here", key="k", first=True)
    assert shown(fake, mention.place.channel) == ["here"]


async def test_a_token_that_was_reset_stops_the_adapter_and_readiness_says_so(
    fake: FakeDiscord, caplog: pytest.LogCaptureFixture
) -> None:
    async with hearing(fake, Heard()) as platform:
        mention = asked(fake)
        assert platform.connected
        fake.token = "another.fake.token"
        before = calls(fake)
        for _ in range(3):
            with pytest.raises(Unreachable):
                await platform.post(mention, "x", key="k", first=True)
        assert calls(fake) - before == 1
        assert not platform.connected
    assert told(caplog, "discord_token_refused") == 1
    assert "another.fake.token" not in caplog.text


async def test_the_refusal_of_a_token_that_was_renewed_meanwhile_says_nothing_about_the_new_one(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    mention, before = asked(fake), calls(fake)
    fake.latency_s = 1.0
    late = asyncio.create_task(platform.post(mention, "x", key="k", first=True))
    await until(lambda: calls(fake) > before)
    fake.token = "renewed.fake.token"
    platform.renew(DiscordSettings(discord_token=SecretStr(fake.token)))
    fake.latency_s = 0.0
    await late
    assert shown(fake) == ["x"]
    assert [one["status"] for one in fake.refused] == [401]
    assert platform.refusal is None


async def test_a_token_is_good_again_with_the_first_call_that_discord_answers_whatever_it_says(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    clock = [0.0]
    client = platform._client  # pyright: ignore[reportPrivateUsage] -- a clock of its own
    rest = Rest(client, refusals=Refusals(lambda: clock[0]))
    token, fake.token = fake.token, "another token"
    with pytest.raises(Unreachable):
        await rest.get("/users/@me")
    fake.token, clock[0] = token, TOKEN_AGAIN_S
    with pytest.raises(Gone):
        await rest.get("/channels/{channel_id}", channel_id="1")
    assert not rest.token_refused
    await rest.get("/users/@me")


async def test_a_worker_whose_token_was_reset_is_not_ready_and_says_what_to_do(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        services() as outside,
        running(outside, redis_url=valkey_url, on=["discord"], role="worker", drain_seconds=0) as bot,
    ):
        assert (await bot.get("/readyz"))[0] == 200
        outside.discord.token = "another.fake.token"
        await bot.bot.inbox.submit(asked(outside.discord))
        await until(lambda: told(caplog, "discord_token_refused"))
        status, said = await bot.get("/readyz")
        assert status == 503
        assert json.loads(said)["obstacles"] == [f"discord: {UNAUTHORIZED}"]
        assert (await bot.get("/livez"))[0] == 200
        metrics = (await bot.get("/metrics"))[1]
        for status, calls_ in ((401, 1), (403, 0), (429, 0)):
            assert f'bot_refused_calls{{platform="discord",status="{status}"}} {calls_}.0' in metrics


async def test_a_token_that_only_the_gateway_has_refused_yet_turns_readiness_red(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"], role="gateway") as bot:
        assert (await bot.get("/readyz"))[0] == 200
        gateway = outside.discord.gateway
        gateway._token = "another.fake.token"  # pyright: ignore[reportPrivateUsage] -- REST still takes the old one
        gateway.resumable = False
        gateway.cut()
        await until(lambda: 4004 in (getattr(one, "close_code", 0) for one in caplog.records))
        status, said = await bot.get("/readyz")
        assert (status, json.loads(said)["obstacles"]) == (503, ["discord is not connected"])
        assert (await bot.get("/livez"))[0] == 200


async def test_a_refused_token_of_one_platform_leaves_the_other_at_work_and_is_all_that_readiness_names(
    valkey_url: str, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, drain_seconds=0) as bot:
        outside.discord.token = "another.fake.token"
        await bot.bot.inbox.submit(asked(outside.discord))
        await until(lambda: told(caplog, "discord_token_refused"))
        await outside.slack.mention("C1", "U1", "hello")
        await until(lambda: bot.answered == 1)
        status, said = await bot.get("/readyz")
        assert (status, json.loads(said)["obstacles"]) == (503, [f"discord: {UNAUTHORIZED}"])


@pytest.mark.parametrize(("scope", "counted"), [("user", 1), ("shared", 0)])
async def test_answers_that_discord_py_deals_with_itself_are_counted_too(
    fake: FakeDiscord, platform: DiscordPlatform, scope: str, counted: int
) -> None:
    fake.scope = scope
    fake.fail(429)
    await platform.post(asked(fake), "after a moment", key="k", first=True)
    assert platform.refused_calls == {401: 0, 403: 0, 429: counted}


# Threads.


async def test_an_archived_thread_is_opened_for_the_final_text(fake: FakeDiscord, platform: DiscordPlatform) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    mention = asked(fake, thread=thread)
    key = await platform.post(mention, "half", key="k", first=True)
    fake.archived.add(thread)
    await platform.edit(mention, key, "whole")
    assert shown(fake, thread) == ["whole"]
    assert thread not in fake.archived


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("archived", [True, False])
async def test_a_locked_thread_is_named_once_in_its_parent_channel(
    fake: FakeDiscord, platform: DiscordPlatform, redis: Redis, archived: bool, shared: bool
) -> None:
    if shared:
        platform.use(FakeServices(redis))
    thread = fake.create_thread(fake.channel, fake.ann)
    mention = asked(fake, thread=thread)
    key = await platform.post(mention, "half", key="k:0", first=True)
    fake.locked.add(thread)
    if archived:
        fake.archived.add(thread)
    for _ in range(2):
        with pytest.raises(Forbidden):
            await platform.edit(mention, key, "whole")
        with pytest.raises(Forbidden):
            await platform.post(mention, "more", key="k:1", first=False)
        if shared:
            fake.forget_nonces()
    assert shown(fake) == [f"I cannot write in the locked thread <#{thread}>."]
    assert fake.entries("post")[-1]["pings"] == []


@pytest.mark.parametrize("fault", ["reset_after", 503])
async def test_that_a_thread_is_locked_is_said_although_discord_falters(
    fake: FakeDiscord, platform: DiscordPlatform, redis: Redis, fault: Fault
) -> None:
    platform.use(FakeServices(redis))
    thread = fake.create_thread(fake.channel, fake.ann)
    mention = asked(fake, thread=thread)
    fake.locked.add(thread)
    fake.fail(fault, path=f"/channels/{fake.channel}/messages", times=2)
    fake.fail(503, method="GET", path=f"/channels/{thread}")
    with pytest.raises(Forbidden):
        await platform.post(mention, "x", key="k:0", first=True)
    assert shown(fake) == [f"I cannot write in the locked thread <#{thread}>."]


async def test_a_locked_thread_whose_parent_is_closed_as_well_is_only_forbidden(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    thread = fake.create_thread(fake.channel, fake.ann)
    mention = asked(fake, thread=thread)
    fake.locked.add(thread)
    fake.forbidden.add(fake.channel)
    with pytest.raises(Forbidden):
        await platform.post(mention, "x", key="k", first=True)
    assert shown(fake) == []


# Old messages.


@pytest.mark.parametrize("again_s", [600.0, 0.05])
async def test_an_old_message_that_takes_no_more_edits_makes_room_for_a_new_one(
    fake: FakeDiscord, platform: DiscordPlatform, again_s: float
) -> None:
    mention = asked(fake)
    old = fake.message(fake.channel, fake.bot, "the old answer", {"components": []}, age_s=7_200)
    fake.messages[fake.channel][old["id"]] = old
    fake.old_edits_max, fake.old_edit_again_s = 1, again_s
    with pytest.raises(Busy):  # live text would only use up what the final one needs
        await platform.edit(mention, old["id"], "live", stage="growing")
    await platform.edit(mention, old["id"], "the newer answer")
    assert shown(fake) == ["the newer answer"]
    with pytest.raises(Gone):
        await platform.edit(mention, old["id"], "the newest answer")
    assert shown(fake) == []


async def test_an_old_message_is_kept_where_the_network_is_at_fault(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    old = fake.message(fake.channel, fake.bot, "the old answer", {"components": []}, age_s=7_200)
    fake.messages[fake.channel][old["id"]] = old
    fake.fail("cut", method="PATCH")
    with pytest.raises(Unreachable):
        await platform.edit(asked(fake), old["id"], "the newer answer")
    assert shown(fake) == ["the old answer"]


# Texts.


async def test_a_text_that_automod_blocks_is_rejected_with_a_sentence(
    fake: FakeDiscord, platform: DiscordPlatform
) -> None:
    fake.automod.add("forbidden word")
    with pytest.raises(Rejected) as caught:
        await platform.post(asked(fake), "a forbidden word", key="k", first=True)
    assert "AutoMod" in caught.value.notice


async def test_a_whole_bot_says_so_where_automod_blocks_its_answer(valkey_url: str, redis: Redis) -> None:
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        discord.automod.add("swearword")
        outside.completions.default = always(Text(deltas=("It begins well. ", "Then a swearword."), tokens_per_s=2))
        discord.mention(discord.channel, discord.ann, "say it")
        await until(lambda: bot.failed == 1, within_s=40)
        (line,) = shown(discord)
        assert line.startswith("Sorry, the AutoMod of this server blocked my answer.")


async def test_an_answer_that_somebody_removes_while_it_grows_is_posted_anew_once(
    valkey_url: str, redis: Redis
) -> None:
    words = ("A first sentence. ", *(f"word{number} " for number in range(30)))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.default = always(Text(deltas=words, tokens_per_s=8))
        discord.mention(discord.channel, discord.ann, "tell me")
        await until(lambda: discord.answers(discord.channel))
        discord.remove(discord.channel, discord.answers(discord.channel)[0]["id"])
        await until(lambda: bot.answered == 1, within_s=40)
        (answer,) = discord.answers(discord.channel)
        assert answer["content"] == "".join(words).strip()
        assert buttons(answer) == ["Regenerate", "👍", "👎"]


async def test_an_answer_streams_with_stop_and_ends_with_regenerate_and_thumbs(valkey_url: str, redis: Redis) -> None:
    words = ("A first sentence. ", *(f"word{number} " for number in range(30)))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.default = always(Text(deltas=words, tokens_per_s=8))
        discord.mention(discord.channel, discord.ann, "tell me")
        await until(lambda: bot.answered == 1, within_s=40)
        states = [buttons(entry["body"]) for entry in discord.entries("post", "edit")]
        assert states == [["Stop"]] * (len(states) - 1) + [["Regenerate", "👍", "👎"]]
        assert discord.refused == []


async def test_a_half_answer_does_not_stand_as_a_whole_one_where_the_bot_may_write_no_more(
    valkey_url: str, redis: Redis
) -> None:
    """Without Send Messages its own messages can still be edited."""
    words = tuple(f"word{number} " for number in range(600))
    async with services() as outside, running(outside, redis_url=valkey_url, on=["discord"]) as bot:
        discord = outside.discord
        outside.completions.default = always(Text(deltas=words, tokens_per_s=300))
        discord.mention(discord.channel, discord.ann, "tell me")
        await until(lambda: discord.answers(discord.channel))
        discord.muted.add(discord.channel)
        await until(lambda: bot.failed == 1, within_s=40)
        (line,) = discord.answers(discord.channel)
        assert line["content"].startswith("Sorry, ")
        assert buttons(line) == ["Regenerate", "👍", "👎"]
