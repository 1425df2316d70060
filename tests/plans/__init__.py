"""What the hot paths ask the database, and by which indexes it answers."""
