"""How much one case page shows."""

EVENTS_PER_PAGE = 60
# Reservations that ended, and places in line that ended, which the top of a page explains.
ANSWERS_MAX = 10
LINE_ANSWERS_MAX = 3
# What a search may find before it has to be narrowed.
HITS_MAX = 10
# Performances that a search by seat offers, from so many days ago on.
PERFORMANCES_MAX = 100
PERFORMANCES_SINCE_DAYS = 30
CHANGES_TOLD_MAX = 6
QUERY_LENGTH_MAX = 254
