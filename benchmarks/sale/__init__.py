"""`make bench`: what each step of a sale costs, beside an endpoint that does nothing."""
