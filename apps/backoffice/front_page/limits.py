"""The numbers of the front page."""

# What is shown of each kind; a link leads to the rest.
CONCERTS_MAX = 12
PERFORMANCES_MAX = 20
ROOMS_MAX = 6
FINDINGS_MAX = 20

MONEY_HOURS = 24
LAPSE_HOURS = 12

# The lines of a room: so many points, so far apart.
POINTS = 120
POINT_S = 90

# The page asks this often. What one member of staff was shown is good for others for this long;
# while one computes it anew, others are shown the last, unless it is older than they would accept.
REFRESH_S = 5
FRESH_S = 2
STALE_S = 10
