"""How answers are shown: native streams, posts and edits, buttons, files, private lines, sessions."""
