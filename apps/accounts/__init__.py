"""Customers and staff, and how they sign in."""
