"""The embedded default: a real PostgreSQL from a wheel, and the supervisor that keeps Encore's processes running.

Nothing here imports Django: the settings and the test suite read from here before Django is set up.
"""
