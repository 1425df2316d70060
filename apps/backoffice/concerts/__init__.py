"""Concerts and performances with what only the apps above them know: sales, rooms and money."""
