"""The apps, lowest first: core, accounts, concerts and wallet, queue, reservations, payments."""
