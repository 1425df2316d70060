"""The numbers of holds and reservations."""

# Seats that one request may name; a concert's own limit is lower.
SEATS_PER_REQUEST_MAX = 100

# What is offered to somebody who was not the first.
ALTERNATIVES_MAX = 3
# Seats that are looked at to each side of those wanted, in house order: some rows before and behind.
ALTERNATIVES_REACH = 128
# Free seats that groups are made of for each seat wanted, the nearest first.
ALTERNATIVE_CANDIDATES_PER_SEAT = 24

# Rows that one statement of a sweep touches, and how many of those one run makes.
SWEEP_BATCH = 200
SWEEP_BATCHES_PER_RUN = 1_000

# What each web process keeps of seat lists: of some 600 bytes a seat, 150 MB at the most.
SEAT_LISTS_KEPT_MAX = 64
SEATS_KEPT_MAX = 250_000
# One look at whether a list still holds serves all that ask for it within this time. A look for each took
# 30 % of the processor time of an unchanged answer, and nobody has held a seat, heard of it through a
# network and asked again as soon as that.
LOOK_SHARED_MS = 10
# A list that has changed is made anew at once, unless that was done less than this ago for each of its
# seats. Making it, plain and packed, takes up to 1 µs a seat: so it takes a tenth of a processor at the
# most. A hall of 2,000 waits for 20 ms, a stadium of 50,000 for half a second.
REBUILD_PAUSE_US_PER_SEAT = 10
# What goes into one packet of a network is not packed.
BODY_PACKED_MIN_BYTES = 1_400
