"""Customers' balances and the ledger that they sum up."""
