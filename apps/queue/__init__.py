"""Waiting rooms: who stands where in line, and who may go in."""
