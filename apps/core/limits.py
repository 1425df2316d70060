"""Limits that hold for every endpoint."""

# PostgreSQL's bigint, which holds every id and amount.
ID_MAX = 2**63 - 1

PAGE_SIZE = 50
PAGE_SIZE_MAX = 200

IDEMPOTENCY_KEY_LENGTH_MAX = 255

# Why staff did something, in words.
REASON_LENGTH_MAX = 500

# The least that `IDEMPOTENCY_HOURS` may be: history is never pruned sooner.
HISTORY_KEPT_HOURS = 24

# A client that was told "busy" waits this long.
BUSY_RETRY_SECONDS = 1

# The sweeps beat every `SWEEP_SECONDS`; a heart that is silent for this many beats, and for this long
# at the least, has stopped.
HEARTBEAT_MISSED_BEATS = 10
HEARTBEAT_SILENCE_MIN_S = 15
