"""Interactions of any form: what cannot be read is None, and nothing raises."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord.payloads.fields import record
from adapters.discord.payloads.interactions import interaction
from tests.unit.test_discord_parse import CHANNEL, GUILD, user

ODD: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def pressed(**more: Any) -> dict[str, Any]:
    """A button was pressed in a thread."""
    return {
        "id": "1",
        "application_id": "2",
        "type": 3,
        "token": "t",
        "guild_id": GUILD,
        "channel_id": CHANNEL,
        "channel": {"id": CHANNEL, "type": 11, "parent_id": "7", "owner_id": "8"},
        "member": {"user": user("3", "ann"), "roles": [], "permissions": "0"},
        "authorizing_integration_owners": {"0": GUILD},
        "app_permissions": "0",
        "data": {"component_type": 2, "custom_id": "rb:stop:3:4"},
        "message": {"id": "5"},
        **more,
    }


@pytest.mark.parametrize("kind", [[], {}, None, "11", 11.5])
def test_a_channel_of_an_odd_kind_is_no_thread(kind: Any) -> None:
    found = interaction(pressed(channel={"id": CHANNEL, "type": kind, "parent_id": "7"}))
    assert found
    assert (found.source.place.kind, found.source.parent) == ("channel", "")


@given(st.data())
def test_no_odd_field_of_an_interaction_raises(data: st.DataObject) -> None:
    payload = pressed(type=data.draw(st.integers(1, 5)))
    for name in data.draw(st.sets(st.sampled_from(sorted(payload)), max_size=3)):
        payload[name] = data.draw(ODD)
    for name in ("channel", "member", "data"):
        if inside := record(payload, name):
            payload[name] = {**inside} | {data.draw(st.sampled_from(sorted(inside))): data.draw(ODD)}
    interaction(payload)
