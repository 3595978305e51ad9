"""CommonMark as Discord shows it. Pure: no I/O, no clock."""
