"""Installing by OAuth and rotating tokens: oauth.v2.access, and whose token a call carries; reference 2.8.

With rotation a token lives 12 hours, a refresh token is used once, and the old token ends at its expiry or as soon as
its successor is used.
"""

from tests.fakes.slack.facts import APP_ID, Call, Installation, Json, SlackError, Token
from tests.fakes.slack.records import Grant
from tests.fakes.slack.world import World

TOKEN_LIVES_S = 43_200
CODE_LIVES_S = 600.0


def resolve(slack: World, value: str) -> Installation:
    """The installation of a bot token. SlackError not_authed, invalid_auth, token_expired, account_inactive."""
    if not value:
        raise SlackError("not_authed")
    token = slack.tokens.get(value)
    if not token:
        raise SlackError("not_allowed_token_type" if value == slack.app_token else "invalid_auth")
    if not token.installation.alive:
        raise SlackError("account_inactive")
    if token.dead or (token.expires_at is not None and slack.now() >= token.expires_at):
        raise SlackError("token_expired")
    if token.predecessor:
        token.predecessor.dead = True
    return token.installation


def access(slack: World, call: Call) -> Json:
    """oauth.v2.access: a code, or a refresh token, for a bot token."""
    args = call.args
    if args.get("client_id") != slack.client_id:
        raise SlackError("invalid_client_id")
    if args.get("client_secret") != slack.client_secret:
        raise SlackError("bad_client_secret")
    match args.get("grant_type") or "authorization_code":
        case "authorization_code":
            return _exchanged(slack, args)
        case "refresh_token":
            return _refreshed(slack, str(args.get("refresh_token") or ""))
        case _:
            raise SlackError("invalid_grant_type")


def grant(slack: World, given: Grant) -> str:
    """A code for what a person has allowed."""
    code = f"code-{next(slack.numbers)}"
    slack.grants[code] = given
    return code


def revoke(slack: World, installation: Installation) -> None:
    """End an installation: all its tokens are inactive."""
    installation.alive = False
    slack.refreshes = {name: one for name, one in slack.refreshes.items() if one.installation is not installation}


def expire(slack: World) -> None:
    """Let every rotating token end now; refresh tokens stay."""
    for token in slack.tokens.values():
        if token.expires_at is not None:
            token.expires_at = slack.now()


def _exchanged(slack: World, args: Json) -> Json:
    found = slack.grants.pop(str(args.get("code") or ""), None)
    if not found or slack.now() - found.made_at >= CODE_LIVES_S:
        raise SlackError("invalid_code")
    if args.get("redirect_uri", "") not in ("", found.redirect_uri):
        raise SlackError("bad_redirect_uri")
    installation = _installed(slack, found)
    return _answer(slack, _issue(slack, installation, None), user=found.user)


def _refreshed(slack: World, refresh_token: str) -> Json:
    used = slack.refreshes.pop(refresh_token, None)
    if not used or not used.installation.alive:
        raise SlackError("invalid_refresh_token")
    return _answer(slack, _issue(slack, used.installation, used), user="")


def _installed(slack: World, found: Grant) -> Installation:
    """A new installation, or the one that stands, with the scopes of both."""
    key = found.team or found.enterprise or ""
    standing = slack.installations.get(key)
    if standing and standing.alive:
        standing.scopes |= found.scopes
        return standing
    number = next(slack.numbers)
    made = Installation(found.team, found.enterprise, "", f"UBOT{number}", f"BBOT{number}", set(found.scopes))
    if standing:
        made.bot_user, made.bot_id = standing.bot_user, standing.bot_id
    if standing is slack.home:
        slack.home = made
    slack.installations[key] = made
    return made


def _issue(slack: World, installation: Installation, predecessor: Token | None) -> Token:
    number = next(slack.numbers)
    value = f"{'xoxe.' if slack.rotation else ''}xoxb-{installation.key}-{number}"
    expires_at = slack.now() + TOKEN_LIVES_S if slack.rotation else None
    token = Token(value, installation, expires_at, predecessor=predecessor)
    slack.tokens[value] = token
    installation.bot_token = value
    if slack.rotation:
        installation.refresh_token = f"xoxe-1-{installation.key}-{number}"
        slack.refreshes[installation.refresh_token] = token
    return token


def _answer(slack: World, token: Token, *, user: str) -> Json:
    installation = token.installation
    team, enterprise = installation.team, installation.enterprise
    found: Json = {
        "access_token": token.value,
        "token_type": "bot",
        "scope": ",".join(sorted(installation.scopes)),
        "bot_user_id": installation.bot_user,
        "app_id": APP_ID,
        "team": {"id": team, "name": slack.teams[team].name} if team else None,
        "enterprise": {"id": enterprise, "name": f"Fake {enterprise}"} if enterprise else None,
        "is_enterprise_install": team is None,
        "authed_user": {"id": user} if user else {},
    }
    if slack.rotation:
        found |= {"expires_in": TOKEN_LIVES_S, "refresh_token": installation.refresh_token}
    return found
