"""How answers come into a channel or thread."""
