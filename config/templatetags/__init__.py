"""What templates need beside what views give them."""
