"""The numbers of payments."""

# Reservations of called-off performances: listed so many at a time, and ended so many by one sweep.
CALLED_OFF_BATCH = 500
CALLED_OFF_PER_RUN = 1_000
