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

# The concert file. Its texts are as long as the columns that they go into.
FILE_BYTES_MAX = 50_000_000
CONCERTS_PER_FILE_MAX = 1_000
SEATS_PER_FILE_MAX = 500_000
SECTIONS_PER_PERFORMANCE_MAX = 1_000
ROWS_PER_SECTION_MAX = 1_000
SEATS_PER_ROW_MAX = 1_000
COORDINATE_MAX = 1_000_000
DESCRIPTION_LENGTH_MAX = 20_000
YEAR_MIN = 2_000
YEAR_MAX = 2_199

# Seating plans. The form's fields are counted by Django, which takes no more than 1,000.
PLAN_SEATS_MAX = 50_000
PLAN_SECTIONS_MAX = 60
PLAN_FILE_BYTES_MAX = 8_000_000
PLAN_FILE_PROBLEMS_MAX = 20
CURVE_MAX = 180
