"""What the chart renders runs, answers, is upgraded and stops as real containers, under all that manifests restrict."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.rolling import WORDS
from tests.fakes.completions import Text
from tests.fakes.slack import FakeSlack
from tests.pods import external
from tests.pods.kubelet import Unstartable, node
from tests.pods.podman import eventually, outside_address
from tests.pods.release import (
    ANSWERED_WITHIN_S,
    BOT,
    answers,
    ask,
    ask_on,
    installed,
    manifests,
    posted,
    texts,
)
from tests.releases import HELM_TEST, SECRET, STORE, secrets
from tests.running import Services, always, services
from tests.until import until

pytestmark = pytest.mark.timeout(600)

ALL_IN_ONE: dict[str, Any] = {"discord": {"enabled": True}}
SPLIT: dict[str, Any] = {"mode": "split", "discord": {"enabled": True}, "store": {"type": "bundled"}}
HTTP: dict[str, Any] = {
    "slack": {"mode": "http"},
    "store": {"type": "bundled"},
    "ingress": {"enabled": True, "host": "bot.example.org"},
}
MODES = {
    "all-in-one": ALL_IN_ONE,
    "all-in-one as another user": {**ALL_IN_ONE, "runAsUser": 1_000_680_000},
    "all-in-one on discord": {**ALL_IN_ONE, "slack": {"enabled": False}},
    "all-in-one on slack over http": HTTP,
    "split": SPLIT,
}

REFUSALS = {
    "ENCRYPTION_KEY": ("too short", "ENCRYPTION_KEY must be"),
    "SLACK_APP_TOKEN": ("xoxb-the-other-token", "SLACK_APP_TOKEN must start with xapp-"),
}
"""A secret that is wrong, and what the pod says of it."""


@pytest.fixture
async def outside() -> AsyncGenerator[Services]:
    async with services(host=outside_address(), slack=FakeSlack(rates=False, echoes=False)) as found:
        found.discord.limits = False
        found.completions.default = always(Text(WORDS, tokens_per_s=100))
        yield found


@pytest.mark.parametrize("mode", MODES)
async def test_each_mode_answers_and_finishes_its_answers_within_its_grace_period(
    mode: str, outside: Services, tmp_path: Path
) -> None:
    values = MODES[mode]
    async with installed(values, outside, folder=tmp_path) as release:
        tested = await release.node.pod(HELM_TEST)
        assert await tested.ended() == 0, await tested.logs()
        outside.completions.may_end.clear()
        asked = await ask(outside, values)
        await until(lambda: outside.completions.open_now == asked and len(texts(outside)) == asked)
        stopping = [asyncio.create_task(pod.terminate()) for pod in release.bots]
        for pod in release.bots:
            if "gateway" not in pod.container["args"]:
                await eventually(pod.unready)
                assert await pod.passes("liveness")
        outside.completions.may_end.set()
        took = await asyncio.gather(*stopping)
        assert texts(outside) == [WORDS] * asked
        assert all(seconds < pod.grace_s for seconds, pod in zip(took, release.bots, strict=True))
        assert [line for pod in release.bots for line in (await pod.logs()).splitlines() if '"error"' in line] == []
        if STORE in release.pods:
            await release.pods[STORE].terminate()


@pytest.mark.parametrize("user", [65532, 1_000_680_000])
async def test_a_pod_may_do_nothing_that_it_need_not_do(user: int, outside: Services, tmp_path: Path) -> None:
    async with installed({**SPLIT, "runAsUser": user}, outside, folder=tmp_path) as release:
        for pod in release.pods.values():
            code, status = await pod.inside("cat", "/proc/1/status")
            facts = dict(line.split(":", 1) for line in status.splitlines())
            assert code == 0
            assert {str(user)} == {*facts["Uid"].split(), *facts["Gid"].split(), *facts["Groups"].split()}
            assert [int(facts[name], 16) for name in ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp")] == [0, 0, 1, 2]
            _, mounts = await pod.inside("cat", "/proc/mounts")
            options = {line.split()[1]: line.split()[3].split(",") for line in mounts.splitlines()}
            assert "ro" in options["/"]
            assert "ro" in options["/secrets"]
            assert "rw" in options["/tmp"]
            _, environment = await pod.inside("cat", "/proc/1/environ")
            assert [one for one in secrets(outside)[SECRET].values() if one in environment] == []


async def test_the_one_pod_remembers_over_an_upgrade(outside: Services, tmp_path: Path) -> None:
    async with installed(ALL_IN_ONE, outside, folder=tmp_path) as release:
        thread = await outside.slack.mention("C1", "U01", "my word is marmalade")
        await until(lambda: answers(outside)[thread])
        await release.bot.terminate()
        waiting = await outside.slack.mention("C2", "U01", "somebody there?")
        new = await release.node.pod(BOT)
        await new.ready()
        await until(lambda: answers(outside)[waiting], within_s=ANSWERED_WITHIN_S)
        await outside.slack.mention("C1", "U01", "what was it?", thread_ts=thread)
        await until(lambda: answers(outside)[thread] == 2)
        assert "marmalade" in str(outside.completions.requests[-1].body["messages"])
        await new.terminate()


@pytest.mark.parametrize("end", ["replaced", "killed"])
async def test_nothing_is_lost_or_doubled_while_the_stores_pod_is_replaced(
    end: str, outside: Services, tmp_path: Path
) -> None:
    async with installed(SPLIT, outside, folder=tmp_path) as release:
        await until(lambda: outside.discord.gateway.live)
        store, replaced = release.pods[STORE], 0
        asking = asyncio.create_task(ask_on(outside, seconds=30.0, per_second=5.0))
        while not asking.done():
            await asyncio.sleep(2.0)
            await (store.terminate() if end == "replaced" else store.remove())
            store = await release.node.pod(STORE)
            await store.ready()
            replaced += 1
        asked = await asking
        await until(lambda: not set(asked) - answers(outside).keys(), within_s=ANSWERED_WITHIN_S)
        print(f"{len(asked)} asked, the store {end} {replaced} times")
        assert replaced
        assert posted(outside) == len(asked)
        assert not any(pod.overdue for pod in release.bots)


async def test_a_renewed_key_is_taken_up_where_it_is(outside: Services, tmp_path: Path) -> None:
    async with installed(ALL_IN_ONE, outside, folder=tmp_path) as release:
        outside.completions.key = "sk-another-key-of-the-model"
        release.node.secrets[SECRET]["COMPLETIONS_API_KEY"] = outside.completions.key
        release.bot.renew()
        await eventually(lambda: release.bot.said("settings_taken"))
        asked = await ask(outside, ALL_IN_ONE)
        await until(lambda: texts(outside) == [WORDS] * asked)


async def test_the_store_takes_a_renewed_password_when_it_is_restarted_and_the_bot_at_once(
    outside: Services, tmp_path: Path
) -> None:
    async with installed(HTTP, outside, folder=tmp_path) as release:
        release.node.secrets[SECRET]["REDIS_PASSWORD"] = "another password"
        for pod in release.pods.values():
            pod.renew()
        await eventually(lambda: release.bot.said("settings_taken"))
        assert await release.pods[STORE].passes("readiness")
        await release.pods[STORE].terminate()
        store = await release.node.pod(STORE)
        await store.ready()
        await release.bot.ready()
        asked = await ask(outside, HTTP)
        await until(lambda: texts(outside) == [WORDS] * asked, within_s=ANSWERED_WITHIN_S)


async def test_a_redis_with_tls_and_an_authority_of_its_own_is_reached(outside: Services, tmp_path: Path) -> None:
    values = {**ALL_IN_ONE, "store": {"type": "redis", "redis": {"caSecret": {"name": "redis-ca"}}}}
    objects = manifests(values, outside)
    async with (
        node(objects, secrets(outside, REDIS_URL=external.URL), folder=tmp_path) as machine,
        external.redis(image="valkey/valkey:9.1.2", network=machine.network, folder=tmp_path) as authority,
    ):
        machine.secrets["redis-ca"] = {"ca.crt": authority}
        pod = await machine.pod(BOT)
        await pod.ready()
        asked = await ask(outside, values)
        await until(lambda: texts(outside) == [WORDS] * asked)
        await pod.terminate()


async def test_a_secret_without_a_key_keeps_the_pod_from_starting_and_names_it(
    outside: Services, tmp_path: Path
) -> None:
    incomplete = secrets(outside)
    del incomplete[SECRET]["SLACK_APP_TOKEN"]
    async with node(manifests(ALL_IN_ONE, outside), incomplete, folder=tmp_path) as machine:
        with pytest.raises(Unstartable, match="SLACK_APP_TOKEN"):
            await machine.pod(BOT)


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_wrong_secret_ends_the_pod_with_a_line_that_says_which(
    name: str, outside: Services, tmp_path: Path
) -> None:
    value, said = REFUSALS[name]
    objects = manifests({**ALL_IN_ONE, "store": {"encrypted": True}}, outside)
    async with node(objects, secrets(outside, **{name: value}), folder=tmp_path) as machine:
        pod = await machine.pod(BOT)
        assert await pod.ended() == 2
        [line] = (await pod.logs()).splitlines()
        assert said in line
        assert f"/secrets/{name}" in line
        assert value not in line
