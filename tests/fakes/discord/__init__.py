"""A Discord that works, on loopback: servers, channels, threads and messages behind the real REST and gateway forms.

Rules are those of the developer docs (read November 2026) and of what `discord.md` measured: nonces, mention
allowances, references, content that is withheld, buckets, permissions. Everything that happens stands in `ledger`
with its time. Faults are switched on per call (`fail`) or by chance (`mishaps`).

    async with FakeDiscord() as discord:
        settings = DiscordSettings(discord_token=discord.token, discord_api_url=discord.api_url)
        question = discord.mention(discord.channel, discord.ann, "hello")

Layers, lowest first: `world` (state), `people` (what they do), `serving` (what stands before every call), `methods`
(what each call does); `fake` is all of it, `gateway` the other half.
"""

from tests.fakes.discord.facts import CONTENT_FLAG, Entry, Fault, Payload, Refusal
from tests.fakes.discord.fake import FakeDiscord

__all__ = ["CONTENT_FLAG", "Entry", "FakeDiscord", "Fault", "Payload", "Refusal"]
