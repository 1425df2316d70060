"""What every app stands on: the clock, transactions and locks, the categories of errors and their HTTP answers."""
