"""What is done after a commit may fail; what was committed is acknowledged all the same."""

import pytest

from apps.core.errors import Busy
from apps.queue import transitions
from apps.queue.models import QueueEntry


@pytest.mark.django_db(transaction=True)
def test_the_database_lost_right_after_the_commit_is_no_error(buyer, admitted, monkeypatch):
    def fail(*_args, **_options):
        raise Busy

    monkeypatch.setattr(transitions, "fill_freed_place", fail)
    answer = buyer.delete("/api/v1/queue/tokens/current")
    admitted.refresh_from_db()
    assert admitted.state == QueueEntry.State.ENDED
    assert answer.status_code == 204
