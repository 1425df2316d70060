"""What belongs to no single app: answers kept for retries, and the sweeps' heartbeats."""

from django.db import models


class IdempotencyKey(models.Model):
    """The answer to the first request with a customer's key, written in the commit of its effect."""

    customer_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    request_digest = models.BinaryField(
        max_length=32, help_text="SHA-256 of method, path and body."
    )
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer_id", "key"], name="idempotency_key_once"),
        ]

    def __str__(self) -> str:
        return self.key


class Heartbeat(models.Model):
    """When a sweep last finished without an error."""

    name = models.CharField(max_length=50, primary_key=True)
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
