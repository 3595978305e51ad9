"""One person at a terminal, as a chat platform: the living example of a third one."""
