"""The homeserver: requests out as the bot, pushed events in."""
