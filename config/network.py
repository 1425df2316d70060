"""How long Encore waits for the network: for PostgreSQL, for Celery's broker and for the cache.

A machine that is cut off says nothing, and without a limit the system asks it again for a quarter of an
hour. With these, whoever waits for it learns within half a minute that nobody is there.
"""

from typing import Any

# libpq's names. Packets that nobody acknowledges end the connection after ten seconds; so does silence
# while an answer is awaited, of which the system makes sure by asking after five seconds, then every two.
DATABASE_LIMITS = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# PostgreSQL's names of the same, for its end of a connection.
SERVER_LIMITS = {
    f"tcp_{name}" if name.startswith("keepalives") else name: value
    for name, value in DATABASE_LIMITS.items()
    if name != "connect_timeout"
}
# Customers wait for the cache, which only counts their requests: twice for each of them.
CACHE_LIMITS = {"socket_connect_timeout": 0.5, "socket_timeout": 0.5}
# RabbitMQ and the worker tell each other as often that they are there, in seconds; two times of silence
# end the connection.
BROKER_HEARTBEAT_S = 10
# A killed worker's task is given out again after this many seconds; no sweep runs so long.
VISIBILITY_TIMEOUT_S = 300


def broker_options(url: str) -> dict[str, Any]:
    """Return kombu's transport options for the broker of `url`, which is another than PostgreSQL."""
    if url.startswith(("amqp", "pyamqp")):
        # Its driver gives up after a second of packets that nobody acknowledges, as it is. A message
        # counts as sent when RabbitMQ says that it has it.
        return {"confirm_publish": True}
    if url.startswith("redis"):
        return {
            "socket_connect_timeout": 5,
            "socket_timeout": 5,
            "socket_keepalive": True,
            # The worker asks for messages every second; who stays silent this much longer is gone.
            "health_check_interval": 10,
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
        }
    return {}
