"""A whole bot that three customers have installed by OAuth, one of them for an Enterprise Grid organisation."""

import base64

from pydantic import SecretStr
from redis.asyncio import Redis

from tests.distributed import KEY, dump
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.running import always, running, services
from tests.until import until

TEAMS = {"T2": "C2", "T3": "C3", "T4": "C4", "T5": "C5"}
SECRET = "the-merger-is-on-friday"


async def test_every_workspace_is_answered_by_its_own_bot_and_the_store_tells_nothing(
    valkey_url: str, redis: Redis
) -> None:
    slack = FakeSlack(rates=False, rotation=True)
    slack.add_team("T2", channels=["C2"])
    slack.add_team("T3", enterprise="E3", channels=["C3"])
    for team in ("T4", "T5"):
        slack.add_team(team, enterprise="E4", channels=[TEAMS[team]])
    key = SecretStr(base64.b64encode(KEY).decode())
    async with (
        services(slack=slack) as outside,
        running(outside, redis_url=valkey_url, on=["slack"], oauth=True, encryption_key=key) as bot,
    ):
        outside.completions.default = always(Text(f"I agree: {SECRET}."))
        for team, org in (("T2", False), ("T3", False), ("T4", True)):
            assert (await slack.install(bot.url, team=team, org=org)).status == 200
        for number in range(5):
            for team, channel in TEAMS.items():
                await slack.mention(channel, f"U0{team}", f"{number}: {SECRET}?")
            if number == 2:
                slack.expire_tokens()
        await until(lambda: bot.settled == 20)
        assert (bot.answered, bot.failed) == (20, 0)
        stands = await dump(redis)
        for team, channel in TEAMS.items():
            granted = slack.installation(team)
            assert granted
            assert {one["user"] for one in slack.answers(channel)} == {granted.bot_user}
            assert len(slack.answers(channel)) == 5
    assert slack.entries("crossed") == []
    assert stands.count("sealed:1:") > 20
    assert [word for word in (SECRET, "xoxb", "xoxe", slack.client_secret) if word in stands] == []
