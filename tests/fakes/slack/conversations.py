"""Who and where: auth.test, bots.info, users.info, conversations.info and open, reactions; reference 2.8 and 4.6."""

from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import APP_ID, Call, Json, Person, SlackError
from tests.fakes.slack.messages import place


def auth_test(slack: Delivering, call: Call) -> Json:
    """auth.test: an org-wide installation is told the organisation's id as its team (2.8)."""
    found = call.installation
    return {
        "url": "https://fake.slack.com/",
        "team": "Fake",
        "user": "bot",
        "team_id": found.key,
        "user_id": found.bot_user,
        "bot_id": found.bot_id,
        "enterprise_id": found.enterprise,
        "is_enterprise_install": found.team is None,
    }


def bots_info(slack: Delivering, call: Call) -> Json:
    """bots.info; an org-wide token must name the team."""
    if call.installation.team is None and not call.args.get("team_id"):
        raise SlackError("missing_argument", response_metadata={"messages": ["team_id"]})
    if call.args.get("bot") not in (None, call.installation.bot_id):
        raise SlackError("bot_not_found")
    return {"bot": {"id": call.installation.bot_id, "app_id": APP_ID, "user_id": call.installation.bot_user}}


def users_info(slack: Delivering, call: Call) -> Json:
    """users.info; people of other workspaces are found, too, as those of shared channels are.

    Where a test says of nobody who they are, everybody is a member without a name.
    """
    user = str(call.args["user"])
    known = slack.known(user)
    person = known or (None if slack.people or slack.names else Person())
    if not person:
        raise SlackError("user_not_found")
    name = (person.name or user) if known else ""
    return {
        "user": {
            "id": user,
            "team_id": person.team or call.installation.team or slack.team,
            "name": user.lower() if known else "",
            "profile": {"display_name": name, "real_name": f"{name} R." if name else ""},
            "deleted": person.deleted,
            "is_bot": person.is_bot,
            "is_restricted": person.is_restricted,
            "is_ultra_restricted": person.is_ultra_restricted,
            "is_stranger": person.is_stranger,
            "tz": person.tz,
        }
    }


def conversations_info(slack: Delivering, call: Call) -> Json:
    """conversations.info. A private channel that the bot is not in does not exist for it."""
    channel = str(call.args["channel"])
    facts = slack.facts(channel)
    kind = slack.kind(channel)
    if channel not in slack.channels and channel not in slack.channel_facts:
        raise SlackError("channel_not_found")
    if slack.installation(slack.team_of(channel)) is not call.installation:
        slack.note("crossed", call.method, channel=channel, installation=call.installation.key)
        raise SlackError("channel_not_found")
    if not facts.is_member and kind != "channel":
        raise SlackError("channel_not_found")
    found: Json = {
        "id": channel,
        "is_channel": kind == "channel",
        "is_group": kind == "group",
        "is_im": kind == "im",
        "is_mpim": kind == "mpim",
        "is_private": kind != "channel",
        "is_shared": facts.is_ext_shared or facts.is_org_shared,
        "is_ext_shared": facts.is_ext_shared,
        "is_org_shared": facts.is_org_shared,
        "is_pending_ext_shared": facts.is_pending_ext_shared,
        "is_member": facts.is_member,
        "is_archived": facts.is_archived,
        "context_team_id": slack.team_of(channel),
    }
    return {"channel": found | ({"user": channel[1:]} if kind == "im" else {"name": facts.name or channel.lower()})}


def conversations_open(slack: Delivering, call: Call) -> Json:
    """conversations.open of a direct message with one person."""
    users = str(call.args.get("users") or "").split(",")
    if len(users) != 1 or not users[0]:
        raise SlackError("invalid_user_combination")
    if (slack.people or slack.names) and not slack.known(users[0]):
        raise SlackError("user_not_found")
    channel = f"D{users[0]}"
    already = channel in slack.channels
    slack.kinds.setdefault(channel, "im")
    slack.channels[channel] = slack.channels[channel]
    return {"channel": {"id": channel}, "already_open": already, "no_op": already}


def react(slack: Delivering, call: Call) -> Json:
    """reactions.add."""
    named = _reaction(slack, call)
    if call.args["name"] in slack.reactions[named]:
        raise SlackError("already_reacted")
    slack.reactions[named].add(str(call.args["name"]))
    return {}


def unreact(slack: Delivering, call: Call) -> Json:
    """reactions.remove."""
    named = _reaction(slack, call)
    if call.args["name"] not in slack.reactions[named]:
        raise SlackError("no_reaction")
    slack.reactions[named].discard(str(call.args["name"]))
    return {}


def _reaction(slack: Delivering, call: Call) -> tuple[str, str]:
    channel, ts = str(call.args["channel"]), str(call.args["timestamp"])
    if ts not in place(slack, call):
        raise SlackError("message_not_found")
    return channel, ts
