"""An answer: the story of a mention, its prompt, and the messages in which it grows."""
