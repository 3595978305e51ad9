"""The tokens of the fakes, apart from them: whoever is measured must not load a fake server to know them."""

BOT_TOKEN = "xoxb-fake-bot"
APP_TOKEN = "xapp-fake-app"
DISCORD_TOKEN = "a.fake.token"
