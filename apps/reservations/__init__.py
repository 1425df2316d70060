"""Holds on seats and the reservations that they become: which seats are free, and who has the others."""
