"""What Discord sends, as facts of the core's. Pure: no I/O, no clock."""
