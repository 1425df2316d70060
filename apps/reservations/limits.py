"""The numbers of holds and reservations."""

# Seats that one request may name; a concert's own limit is lower.
SEATS_PER_REQUEST_MAX = 100

# What is offered to somebody who was not the first.
ALTERNATIVES_MAX = 3
# Free seats that are looked at for each seat wanted, the nearest first.
ALTERNATIVE_CANDIDATES_PER_SEAT = 40
ALTERNATIVE_CANDIDATES_MIN = 120

# Rows that one statement of a sweep touches, and how many of those one run makes.
SWEEP_BATCH = 1_000
SWEEP_BATCHES_PER_RUN = 200
