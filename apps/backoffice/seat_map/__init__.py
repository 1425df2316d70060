"""The live seat map of a performance: what staff see of its seats, and do to them."""
