"""The app as it stands in the developer portal: how it is invited, and whether it can work."""
