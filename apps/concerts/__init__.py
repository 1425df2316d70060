"""What is on sale: venues, concerts, their performances and seats."""
