"""The durable inbox: one lane per conversation in Redis, worked by one holder of a lease at a time."""
