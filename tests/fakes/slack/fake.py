"""The whole fake: its life on a port, and what a person does with a browser to install the app."""

import asyncio
import html
import re
import urllib.parse
from typing import Self

import aiohttp
from aiohttp import web

from tests.fakes.slack import files, oauth, replies
from tests.fakes.slack.api import Serving
from tests.fakes.slack.gestures import Interacting
from tests.fakes.slack.records import Grant, Landed
from tests.ports import serve

_AUTHORIZE = re.compile(r"https?://[^\s\"'<>]+/oauth/v2/authorize\?[^\s\"'<>]*")
_BODY_MAX = 2 * 1024 * 1024


class FakeSlack(Serving, Interacting):
    """Workspaces with one app; see the package's docstring and `World.__init__`."""

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_BODY_MAX)
        app.router.add_route("*", "/api/{method}", self.serve_call)
        app.router.add_get("/link", self.serve_link)
        app.router.add_routes([*files.routes(self), *replies.routes(self)])
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        if self.port:
            await web.TCPSite(self.runner, self.host, self.port).start()
        else:
            self.port = await serve(self.runner, self.host)
        self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for link in list(self.links):
            await link.socket.close()
        if self.session:
            await self.session.close()
        if self.runner:
            await self.runner.cleanup()

    @property
    def api_url(self) -> str:
        """What goes into `slack_api_url`."""
        return f"http://{self.host}:{self.port}/api/"

    async def install(
        self,
        base_url: str,
        *,
        team: str | None = None,
        org: bool = False,
        user: str = "U1",
        deny: bool = False,
        state: str | None = None,
        cookies: bool = True,
    ) -> Landed:
        """Install the app as a person does: its install page, Slack's consent, back to the app with a code.

        `org` installs it for the team's whole organisation. `deny` refuses; another `state`, or no `cookies`, is an
        attack. LookupError where the install page leads to no consent.
        """
        assert self.session
        where = self.teams[team or self.team]
        async with self.session.get(f"{base_url}/slack/install", allow_redirects=False) as response:
            page = response.headers.get("Location") or html.unescape(await response.text())
            jar = "; ".join(f"{name}={morsel.value}" for name, morsel in response.cookies.items()) if cookies else ""
        if not (found := _AUTHORIZE.search(page)):
            raise LookupError("the install page does not lead to Slack's consent")
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(found[0]).query))
        if asked.get("client_id") != self.client_id:
            raise LookupError("the install page asks for another app")
        redirect_uri = asked.get("redirect_uri", "")
        back = {"state": state or asked.get("state", "")}
        if deny:
            back["error"] = "access_denied"
        else:
            scopes = set(filter(None, asked.get("scope", "").split(",")))
            key = (None, where.enterprise) if org else (where.id, where.enterprise)
            back["code"] = oauth.grant(self, Grant(*key, user, scopes, redirect_uri, self.now()))
        path = urllib.parse.urlsplit(redirect_uri).path or "/slack/oauth_redirect"
        return await self._land(f"{base_url}{path}?{urllib.parse.urlencode(back)}", {"Cookie": jar} if jar else {})

    async def _land(self, url: str, headers: dict[str, str]) -> Landed:
        assert self.session
        async with self.session.get(url, headers=headers, allow_redirects=False) as response:
            return Landed(response.status, await response.text(), urllib.parse.urlsplit(url).path)

    def expire_tokens(self) -> None:
        """Let every rotating token end now."""
        oauth.expire(self)

    async def uninstall(self, team: str) -> None:
        """Remove the app: both events, in Slack's order of no promise, and its tokens are dead."""
        installation = self.installation(team)
        if not installation:
            raise LookupError("the app is not installed there")
        revoked = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": [installation.bot_user]}}
        await self.deliver_event(revoked, team)
        await self.deliver_event({"type": "app_uninstalled"}, team)
        oauth.revoke(self, installation)
