"""What container engines ask beside `/healthz` and `/readyz`: scripts of the standard library alone, since they start
every few seconds."""
