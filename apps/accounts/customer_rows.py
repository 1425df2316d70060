"""Long lists of what customers have: fast at a million rows, and searched by one box."""

from typing import Any

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action
from unfold.paginator import InfinitePaginator

from apps.accounts.models import User, normalise_email
from apps.core.admin import ReadOnlyAdmin, staff_permission
from apps.core.searching import read_number

# An address that is typed in part finds the rows of so many customers.
CUSTOMERS_FOUND_MAX = 100


def find_customers(text: str) -> list[int]:
    """Return the ids of the customers whose e-mail address is or begins with `text`, or whom an identity
    provider calls so: up to one more than `CUSTOMERS_FOUND_MAX`."""
    address = normalise_email(text)
    found = list(User.objects.filter(email=address).values_list("pk", flat=True))
    found = found or list(User.objects.filter(subject=text).values_list("pk", flat=True))
    if not found:
        begins = User.objects.filter(email__startswith=address).values_list("pk", flat=True)
        found = list(begins[: CUSTOMERS_FOUND_MAX + 1])
    return found


def viewer_of(row: Model) -> HttpRequest:
    """Return the request for whose page `CustomerRowsAdmin` has read this row."""
    request: HttpRequest = row.viewer  # type: ignore[attr-defined]
    return request


class CustomerRowsAdmin(ReadOnlyAdmin):
    """Rows of customers, the newest first. Pages are not numbered, as counting them would read them all;
    columns are not sorted, as only the order of ids has an index."""

    paginator = InfinitePaginator
    list_per_page = 50
    sortable_by = ()
    ordering = ("-pk",)
    # That there is a box; what is typed is read by `find_rows`.
    search_fields = ("pk",)
    customer_path = "customer"
    actions_detail: tuple[str, ...] = ("open_case",)
    has_open_case_permission = staff_permission("accounts.view_user")

    class Media:
        """The style sheet of their pages."""

        css = {"all": ("backoffice/money.css",)}

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row that knows for whom it was read: what it links to depends on that, and an admin
        serves many at once."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.viewer = request
        return row

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return the rows that are searched for, each once."""
        text = " ".join(search_term.split())
        return (self.find_rows(request, queryset, text) if text else queryset), False

    def find_rows(self, request: HttpRequest, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the row of a number, or the rows of the customers whose address begins so."""
        number = read_number(text)
        if number is not None:
            return rows.filter(pk=number)
        customers = find_customers(text)
        if len(customers) > CUSTOMERS_FOUND_MAX:
            told = _("Many addresses begin so; these are the rows of %(count)d of them. Type more.")
            messages.warning(request, told % {"count": CUSTOMERS_FOUND_MAX})
        return rows.filter(**{f"{self.customer_path}__in": customers[:CUSTOMERS_FOUND_MAX]})

    def case_of(self, row: Any) -> tuple[str, int]:
        """Return the page that tells the story of a row, and the number that it takes."""
        return "customer_case", row.customer_id

    @action(
        description=_("Open the case"),
        url_path="case",
        permissions=["view", "open_case"],
        icon="support_agent",
    )
    def open_case(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the whole story of which this row is a part."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        page, number = self.case_of(row)
        return HttpResponseRedirect(reverse(f"admin:{page}", args=[number]))
