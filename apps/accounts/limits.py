"""The numbers of signing in."""

# Failed sign-ins with one e-mail address in one window, which begins with the first of them. The next
# is refused unheard until the window is over.
FAILURES_MAX = 10
FAILURES_WINDOW_S = 15 * 60

# An address from which a customer signed in this lately has its failures counted apart.
KNOWN_ADDRESS_S = 30 * 24 * 3_600

# Tallies over that one failure of a sign-in clears away.
TALLIES_CLEARED = 10
