"""`/metrics`: what Prometheus reads. The requests that this process and its siblings answered, and the
business as the database has it when asked, so that any number of processes say the same."""
