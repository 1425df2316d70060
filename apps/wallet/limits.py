"""Limits of money, in the currency's minor unit."""

CHARGE_MIN = 1
CHARGE_MAX = 10_000_000
# The largest whole number that every JSON reader keeps exact (RFC 8259, section 6).
BALANCE_MAX = 2**53 - 1
