"""Lists whose rows say how many of their seats are sold, without a query for each."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.views import ChangeList

from apps.backoffice.concerts.counts import SeatCount


class CountingChangeList(ChangeList):
    """A page of a list, each of its rows with its `seat_count`."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows, and count the seats of all of them at once."""
        super().get_results(request)
        rows = list(self.result_list)
        counts = self.model_admin.count_seats([row.pk for row in rows])
        for row in rows:
            row.seat_count = counts[row.pk]
        self.result_list = rows


class SeatCountMixin:
    """Shows the seats sold of all. `count_seats` returns them by the ids of rows."""

    count_seats: Callable[..., dict[int, SeatCount]]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the kind of list that counts."""
        return CountingChangeList

    @display(description=_("sold / seats"))
    def sold(self, row: Any) -> str:
        """The seats sold of all."""
        return str(row.seat_count)
