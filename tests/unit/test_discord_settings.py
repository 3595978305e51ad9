"""Settings, the invite link, and the pure parts of posting."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from adapters.discord.answers.earlier import earlier
from adapters.discord.answers.nonces import nonce
from adapters.discord.settings import API_URL, DiscordSettings


def test_without_a_token_discord_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)
    assert not DiscordSettings().enabled
    monkeypatch.setenv("DISCORD_TOKEN", "  ")
    assert not DiscordSettings().enabled


def test_the_environment_is_read_and_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", " abc.def ")
    monkeypatch.setenv("DISCORD_API_URL", "http://127.0.0.1:1/api/v10/")
    settings = DiscordSettings()
    assert settings.enabled
    assert settings.discord_token == SecretStr("abc.def")
    assert settings.discord_api_url == "http://127.0.0.1:1/api/v10"


def test_an_empty_address_is_the_default() -> None:
    assert DiscordSettings(discord_api_url="").discord_api_url == API_URL


@pytest.mark.parametrize("token", ["Bot secret.abc", "secret\nabc", "sécret"])
def test_a_token_in_the_wrong_form_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DiscordSettings(discord_token=SecretStr(token))
    assert token not in str(caught.value)
    assert "DISCORD_TOKEN" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["discord.example", "ftp://x.example", "https://u:hush@x.example", "https://x.example?a=hush"]
)
def test_an_address_in_the_wrong_form_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DiscordSettings(discord_api_url=url)
    assert url not in str(caught.value)
    assert "hush" not in str(caught.value)


@given(st.text(), st.text())
def test_a_nonce_is_short_stable_and_its_keys_own(one: str, other: str) -> None:
    assert nonce(one) == nonce(one)
    assert len(nonce(one)) == 25
    assert (nonce(one) == nonce(other)) == (one == other)


def own(key: str, content: str, answers: str | None = None, **more: str) -> dict[str, object]:
    reference = {"message_reference": {"message_id": answers}} if answers else {}
    return {"id": key, "content": content, **reference, **more}


OWN = [
    own("1", "the first part", "Q"),
    own("2", "the second part, as it began"),
    own("3", "the first part of another", "R"),
    own("4", "the second part of another"),
]


@pytest.mark.parametrize(
    ("content", "first", "found"),
    [
        ("anything", True, "1"),
        ("the second part, as it began and went on", False, "2"),
        ("the second part, as it", False, "2"),
        ("the second part, as it was to be", False, None),
        ("nothing like it", False, None),
        ("the second part of another", False, None),
        ("the first part of another and more", False, None),
    ],
)
def test_an_earlier_message_is_known_by_its_question_or_its_beginning(
    content: str, first: bool, found: str | None
) -> None:
    message = earlier(OWN, "Q", content, nonce="n", first=first)
    assert (message["id"] if message else None) == found


def test_an_answer_that_never_began_is_not_found() -> None:
    assert earlier(OWN, "other question", "anything", nonce="n", first=True) is None
    assert earlier([], "Q", "anything", nonce="n", first=False) is None


def test_a_nonce_that_discord_shows_decides() -> None:
    message = earlier([*OWN, own("5", "x", nonce="n")], "Q", "anything", nonce="n", first=True)
    assert message is not None
    assert message["id"] == "5"


def test_a_later_part_is_found_where_the_first_was_deleted() -> None:
    message = earlier(OWN[1:], "Q", "the second part, as it began to", nonce="n", first=False)
    assert message is not None
    assert message["id"] == "2"


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", None), (" ", None), ("0", (0,)), ("0,2", (0, 2)), ("0-3", (0, 1, 2, 3)), (" 4 - 5, 0 ,4", (0, 4, 5))],
)
def test_shards_are_named_one_by_one_or_as_a_range(text: str, ids: tuple[int, ...] | None) -> None:
    assert DiscordSettings(discord_shard_ids=text).shard_ids == ids


@pytest.mark.parametrize("text", ["a", "1,", "-1", "3-1", "0-99999999", "1;2", "0.5"])
def test_shards_in_another_form_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="DISCORD_SHARD_IDS"):
        DiscordSettings(discord_shard_ids=text)


def test_a_shard_beyond_the_count_is_refused() -> None:
    assert DiscordSettings(discord_shard_count=3, discord_shard_ids="2").shard_count == 3
    with pytest.raises(ValidationError, match="DISCORD_SHARD_IDS"):
        DiscordSettings(discord_shard_count=2, discord_shard_ids="2")


def test_the_number_of_shards_is_discords_advice_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, count in (("", None), ("auto", None), ("AUTO", None), ("4", 4)):
        monkeypatch.setenv("DISCORD_SHARD_COUNT", text)
        assert DiscordSettings().shard_count == count
    for text in ("0", "-1", "many"):
        monkeypatch.setenv("DISCORD_SHARD_COUNT", text)
        with pytest.raises(ValidationError):
            DiscordSettings()


def test_a_public_key_is_64_hex_digits_and_is_not_shown_where_it_is_not() -> None:
    assert DiscordSettings(discord_public_key=" " + "Ab" * 32).discord_public_key == "ab" * 32
    for wrong in ("ab" * 31, "zz" * 32, "secret"):
        with pytest.raises(ValidationError, match="DISCORD_PUBLIC_KEY") as caught:
            DiscordSettings(discord_public_key=wrong)
        assert wrong not in str(caught.value)


def test_a_process_that_could_hear_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="DISCORD_GATEWAY=off needs DISCORD_PUBLIC_KEY"):
        DiscordSettings(discord_gateway="off")
    assert DiscordSettings(discord_gateway="off", discord_public_key="ab" * 32).discord_gateway == "off"
