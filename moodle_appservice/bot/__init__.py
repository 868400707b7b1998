"""The bot: reads commands, answers them. It changes nothing itself; it makes keys due and reads plans."""
