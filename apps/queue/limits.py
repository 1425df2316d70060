"""The numbers of the line."""

# 256 bits, as many as the digest that is stored of it.
TOKEN_BYTES = 32

# The last call of a customer is written down at most once in this time: silence is measured with
# this error, which is far below any idle limit.
PRESENCE_WRITE_S = 1

# Polls: at most this fraction of the idle limit apart, so that two may be lost before somebody who
# follows them counts as silent; and oftener the nearer the turn.
POLL_IDLE_FRACTION = 1 / 3
POLL_WAIT_FRACTION = 1 / 10
POLL_MIN_S = 1

# A poll lets the next in when nobody has for this long: beat stands still, or is set to a slower pace.
ADMISSION_OVERDUE_S = 1.5

# The rate of admission is measured over this time, and taken over the shorter one at the least: the
# burst that fills an empty room says nothing about what follows. An estimate never says more than a day.
RATE_WINDOW_S = 300
RATE_WINDOW_MIN_S = 60
ESTIMATE_MAX_S = 86_400

# Rows that one statement of a sweep touches, and how many of those one run makes.
SWEEP_BATCH = 1_000
SWEEP_BATCHES_PER_RUN = 200

IDLE_SECONDS_MIN = 3
IDLE_SECONDS_MAX = 86_400
SESSION_SECONDS_MIN = 10
SESSION_SECONDS_MAX = 86_400
CAPACITY_MAX = 1_000_000
ADMIT_PER_MINUTE_MAX = 1_000_000

# How many batches of the line's head one admission looks at: a million silent people at the head are
# for the sweep, not for the next customer's request.
ADMISSION_BATCHES_MAX = 5
