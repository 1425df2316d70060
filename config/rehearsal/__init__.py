"""Rehearsing an on-sale: a throw-away concert, sold through HTTP to throw-away customers."""
