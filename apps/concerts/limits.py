"""Limits of what can be put on sale."""

# Seats of one performance; the largest stadiums have fewer.
SEATS_PER_PERFORMANCE_MAX = 100_000
PERFORMANCES_PER_CONCERT_MAX = 500
SEATS_PER_CUSTOMER_MAX = 100
PRICE_MAX = 1_000_000_000
CANCEL_UNTIL_HOURS_DEFAULT = 24
CANCEL_UNTIL_HOURS_MAX = 8_760
# The room that serves every concert that has none of its own.
MAIN_ROOM = "main"
