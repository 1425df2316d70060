"""The numbers of the line."""

# 256 bits, as many as the digest that is stored of it.
TOKEN_BYTES = 32

# Places in one segment of the line. A poll counts those of its own segment and adds what the last
# count found before it: fewer would make more segments to count, more would make each poll dearer.
SEGMENT_PLACES = 256

# The last call of somebody who waits is written down at most once in this fraction of the idle limit;
# that of somebody inside, a person who thinks between two calls, as good as always.
PRESENCE_IDLE_FRACTION = 1 / 4
PRESENCE_INSIDE_S = 1

# Polls: at most this fraction of the idle limit apart, so that one may be lost before somebody who
# follows them counts as silent; and oftener the nearer the turn. Each is drawn from the last fifth of
# its time, so that those who came together do not come together for ever.
POLL_IDLE_FRACTION = 1 / 3
POLL_WAIT_FRACTION = 1 / 3
POLL_JITTER = 1 / 5
POLL_MIN_S = 1
# Nobody chooses, reserves and pays in less.
SESSION_MIN_S = 10

# A position is no older than this: where nobody has counted for so long, because beat stands still
# or is set to a slower pace, the next call counts, and lets in.
COUNT_OVERDUE_S = 1
# The sweep of the silent needs the line counted, and counts it itself where nobody has for so long.
SWEEP_COUNT_OVERDUE_S = 3

# What estimates are made from: the turns of this time, written down at least this often.
RATE_WINDOW_S = 300
SAMPLE_S = 10
# An estimate never says more than a day.
ESTIMATE_MAX_S = 86_400

# What one transaction of a sweep looks at: rows of those inside and of the head of a line, segments of
# the rest. And how many of those one run makes, some seconds' worth; how many each look at a room by
# beat begins with, so that a position leaves out the silent at once; and how many a customer's call
# makes, where it stands in for beat.
SWEEP_BATCH = 1_000
SWEEP_SEGMENTS = 4
SWEEP_BATCHES_PER_RUN = 50
SWEEP_BATCHES_PER_LOOK = 2
SWEEP_BATCHES_PER_CALL = 1
# Between two batches the sweep of a line rests for this share of the time that the batch took: what it
# writes down is true already, and the calls of those who stay come first.
SWEEP_REST = 1.0

# A lobby of more people than this is put in order by beat (100,000 take some seconds), and by a
# customer's call only where that has not happened for so long.
DRAW_IN_CALL_MAX = 10_000
DRAW_PATIENCE_S = 5

IDLE_SECONDS_MIN = 3
IDLE_SECONDS_MAX = 86_400
SESSION_SECONDS_MIN = 10
SESSION_SECONDS_MAX = 86_400
CAPACITY_MAX = 1_000_000
ADMIT_PER_MINUTE_MAX = 1_000_000

# How many batches of the line's head one admission looks at: a million silent people at the head are
# for the sweep, not for the next customer's request.
ADMISSION_BATCHES_MAX = 5
