"""A worker process as `python -m bot run --role worker`, but with a short lease and short time limits.

Neither is a setting: an operator gains nothing from them, and a run of three minutes cannot wait 30 s per kill. Nor has
it the budgets of Slack's methods: all places lie in one workspace, and each run would wait for its minutes.
"""

import asyncio
import os
import signal

from bot import app, logs, settings
from bot.completions import Completions, Patience
from bot.process import Bot
from tests.unmetered import lift

LEASE_S = 3.0
PATIENCE = Patience(first_byte_s=2.0, chunk_s=2.0)


async def _work() -> None:
    lift()
    config = settings.load(app.ADAPTER_SETTINGS)
    core = config.core
    logs.configure(core.log_level, core.log_format, secrets=config.secrets())
    key = core.completions_api_key
    completions = Completions(
        base_url=core.completions_base_url,
        api_key=key.get_secret_value() if key else None,
        model=core.completions_model,
        patience=PATIENCE,
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    lease_s = float(os.environ.get("CHAOS_LEASE_S") or LEASE_S)
    platforms = app.platforms(config)
    async with Bot(core, platforms, role="worker", completions=completions, lease_s=lease_s) as bot:
        await bot.serve(until=stop)


if __name__ == "__main__":
    asyncio.run(_work())
