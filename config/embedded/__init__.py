"""The embedded default: a real PostgreSQL from a wheel, and a supervisor for Encore's processes.

Nothing here imports Django: settings and test suite read from here before Django is set up.
"""
