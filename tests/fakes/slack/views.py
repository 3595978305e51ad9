"""views.open, push, update, publish: modals and App Homes; reference 2.5, 2.6.

Sizes of a view as docs.slack.dev/reference/views says, November 2026.
"""

import json
from typing import cast

from tests.fakes.slack import blocks as block_kit
from tests.fakes.slack.deliver import Delivering
from tests.fakes.slack.facts import Call, Json, SlackError
from tests.fakes.slack.records import NOTHING_TYPED, View

TRIGGER_LIVES_S = 3.0
STACK_MAX = 3
VIEW_MAX_BYTES = 250_000
TITLE_MAX, METADATA_MAX, CALLBACK_MAX = 24, 3_000, 255


def open_view(slack: Delivering, call: Call) -> Json:
    """views.open: with a trigger id that is less than 3 s old and was not used yet."""
    body = _checked(call.args["view"], kind="modal")
    user, team = _exchange(slack, call)
    return {"view": shown(_made(slack, call, user=user, team=team, body=body))}


def push(slack: Delivering, call: Call) -> Json:
    """views.push: on top of an open one, three at most."""
    body = _checked(call.args["view"], kind="modal")
    user, team = _exchange(slack, call)
    stack = [view for view in slack.views.values() if view.user == user and view.open]
    if not stack or len(stack) >= STACK_MAX:
        raise SlackError("push_limit_reached" if stack else "not_found")
    return {"view": shown(_made(slack, call, user=user, team=team, body=body))}


def update(slack: Delivering, call: Call) -> Json:
    """views.update of an open view, by its id or external id."""
    view = _found(slack, call)
    if not view or not view.open or view.app != call.installation.key:
        raise SlackError("not_found")
    if call.args.get("hash") not in (None, "", view.hash):
        raise SlackError("hash_conflict")
    replace(slack, view, _checked(call.args["view"], kind=str(view.body["type"])))
    return {"view": shown(view)}


def publish(slack: Delivering, call: Call) -> Json:
    """views.publish of a person's Home."""
    user = str(call.args["user_id"])
    person = slack.known(user)
    if (slack.people or slack.names) and not person:
        raise SlackError("user_not_found")
    team = (person and person.team) or call.installation.team or slack.team
    if slack.installation(team) is not call.installation:
        slack.note("crossed", call.method, user=user, installation=call.installation.key)
        raise SlackError("user_not_found")
    body = _checked(call.args["view"], kind="home")
    before = slack.homes.get(user)
    if before and call.args.get("hash") not in (None, "", before.hash):
        raise SlackError("hash_conflict")
    view = before or _made(slack, call, user=user, team=team, body=body)
    replace(slack, view, body)
    slack.homes[user] = view
    return {"view": shown(view)}


def shown(view: View) -> Json:
    """A view as the app sees it."""
    about = {"id": view.id, "hash": view.hash, "team_id": view.team, "root_view_id": view.id, "state": NOTHING_TYPED}
    return {"private_metadata": "", "callback_id": "", "external_id": "", **view.body, **about}


def replace(slack: Delivering, view: View, body: Json) -> None:
    """Give a view new content and a new hash."""
    view.body, view.hash = body, f"hash-{next(slack.numbers)}"


def check_view(body: object) -> Json:
    """The modal of a `response_action`, checked like every other."""
    return _checked(body, kind="modal")


def _made(slack: Delivering, call: Call, *, user: str, team: str, body: Json) -> View:
    view = View(f"V{next(slack.numbers)}", user, team, body, f"hash-{next(slack.numbers)}", call.installation.key)
    slack.views[view.id] = view
    return view


def _found(slack: Delivering, call: Call) -> View | None:
    if named := call.args.get("external_id"):
        return next((view for view in slack.views.values() if view.body.get("external_id") == named), None)
    return slack.views.get(str(call.args.get("view_id")))


def _exchange(slack: Delivering, call: Call) -> tuple[str, str]:
    """Use up a trigger id; gives its person and team."""
    trigger = slack.triggers.get(str(call.args.get("trigger_id")))
    if not trigger:
        raise SlackError("invalid_trigger_id")
    if slack.installation(trigger.team) is not call.installation:
        slack.note("crossed", call.method, installation=call.installation.key)
        raise SlackError("invalid_trigger_id")
    if slack.now() - trigger.made_at > TRIGGER_LIVES_S:
        raise SlackError("expired_trigger_id")
    if trigger.used:
        raise SlackError("exchanged_trigger_id")
    trigger.used = True
    return trigger.user, trigger.team


def _checked(given: object, *, kind: str) -> Json:
    if not isinstance(given, dict) or cast(Json, given).get("type") != kind:
        raise _wrong(f"view is no {kind}")
    view = cast(Json, given)
    if len(json.dumps(view).encode()) > VIEW_MAX_BYTES:
        raise SlackError("view_too_large")
    for name in ("title", "submit", "close") if kind == "modal" else ():
        text = cast(Json, view.get(name) or {})
        if text and (text.get("type") != "plain_text" or not 1 <= len(str(text.get("text", ""))) <= TITLE_MAX):
            raise _wrong(f"{name} must be plain text of 1 to {TITLE_MAX} characters")
    if kind == "modal" and not view.get("title"):
        raise _wrong("a modal needs a title")
    if len(str(view.get("private_metadata", ""))) > METADATA_MAX:
        raise _wrong("private_metadata is too long")
    if len(str(view.get("callback_id", ""))) > CALLBACK_MAX:
        raise _wrong("callback_id is too long")
    blocks = block_kit.check(view.get("blocks"), surface="view")
    if kind == "modal" and any(block["type"] == "input" for block in blocks) and not view.get("submit"):
        raise _wrong("a modal with input needs submit")
    return view


def _wrong(why: str) -> SlackError:
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {why}"]})
