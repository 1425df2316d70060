"""Paying for reservations, and giving the money back."""
