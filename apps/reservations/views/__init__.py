"""Dates and seats of a concert, holds, reservations: one module each."""
