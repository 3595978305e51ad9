"""One folder per chat platform; none of them knows another."""
