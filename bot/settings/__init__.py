"""What an operator sets: `core` names every setting, `loading` reads all of them and says all that is wrong."""

from bot.settings.core import ROUTERNESIA, Settings, filled, plain, unfilled
from bot.settings.loading import Config, SettingsError, load

__all__ = ["ROUTERNESIA", "Config", "Settings", "SettingsError", "filled", "load", "plain", "unfilled"]
