"""Payments in the admin: looked at, found, refunded, and never written by hand."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.utils import display_for_label

from apps.accounts.customer_rows import CustomerRowsAdmin, viewer_of
from apps.core.admin import actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.errors import InvalidRequest
from apps.core.money import format_money
from apps.core.searching import read_number, read_reference
from apps.core.subjects import describe_records, link_to
from apps.payments.models import Payment
from apps.payments.services import refund_payment
from apps.reservations.admin import ReservationAdmin, WithdrawForm, list_seats
from apps.reservations.finding import find_by_seat, read_seat
from apps.reservations.models import Reservation
from apps.wallet.admin import describe_entries
from apps.wallet.errors import BalanceLimitExceeded
from apps.wallet.models import WalletEntry
from apps.wallet.selectors import get_wallet

Status = Payment.Status
LABELS = {Status.SUCCEEDED: "success", Status.REFUNDED: "warning"}
PERFORMANCE_PARAMETER = "reservation__performance__id__exact"
may_refund = staff_permission("payments.refund_payment")


def list_entries(payment: Payment) -> QuerySet[WalletEntry]:
    """Return what the ledger has of a payment: its debit, and its refund."""
    kinds = (WalletEntry.Kind.PAYMENT, WalletEntry.Kind.REFUND)
    return WalletEntry.objects.filter(kind__in=kinds, reference=payment.reference)


def confirm_refund(request: HttpRequest, payment: Payment, *, done: str) -> HttpResponse:
    """Ask for a reason, and give a payment back."""
    reservation = payment.reservation
    balance = get_wallet(payment.customer_id).balance
    money = format_money(payment.amount, payment.currency)

    def act(cleaned: dict[str, Any]) -> Any:
        try:
            refund_payment(
                payment_id=payment.pk,
                actor=actor_of(request),
                reason=cleaned["reason"],
                withdraw=cleaned["withdraw"],
                now=read_clock(),
            )
        except BalanceLimitExceeded as error:
            told = _("The customer's wallet is too full for the refund.")
            raise InvalidRequest.of("wallet", "over_limit", told) from error
        return _("Given back: %(money)s.") % {"money": money}

    consequences: list[Any] = [
        _("%(money)s goes back to the wallet of %(customer)s: %(before)s becomes %(after)s.")
        % {
            "money": money,
            "customer": payment.customer,
            "before": format_money(balance, payment.currency),
            "after": format_money(balance + payment.amount, payment.currency),
        },
        _("Reservation %(number)d is cancelled; the customer loses %(seats)s (%(performance)s).")
        % {
            "number": reservation.pk,
            "seats": list_seats(reservation),
            "performance": reservation.performance,
        },
        _("The seats can be bought by others at once, unless you take them off sale."),
    ]
    return confirm(
        request,
        Confirmation(
            title=_("Give the payment back"),
            subject=payment,
            consequences=consequences,
            button=_("Give %(money)s back") % {"money": money},
            act=act,
            done=done,
            form_class=WithdrawForm,
            dangerous=True,
        ),
    )


class RefundedFilter(DropdownFilter):
    """Whether the money went back, and for whom."""

    title = _("status")
    parameter_name = "refunded"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to choose: of the others there are always many."""
        return [("yes", _("Refunded"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of what is chosen."""
        return queryset.filter(status=Status.REFUNDED) if self.value() == "yes" else queryset


@admin.register(Payment)
class PaymentAdmin(CustomerRowsAdmin):
    """Payments."""

    list_display = (
        "number", "customer", "reservation_number", "performance", "state", "money", "paid_at",
        "refunded_at",
    )  # fmt: skip
    list_filter = (RefundedFilter, ("reservation__performance", AutocompleteSelectFilter))
    list_select_related = ("customer", "reservation__performance__concert")
    search_help_text = _("Number, e-mail, seat (A 1-12) or reservation:42")
    fieldsets = (
        (None, {"fields": ("number", "state", "customer", "money", "paid_at", "refunded_at")}),
        (_("What was bought"), {"fields": ("bought", "performance", "seats")}),
        (_("Ledger"), {"fields": ("entries",)}),
        (_("What staff did"), {"fields": ("records",)}),
    )
    readonly_fields = (
        "number", "state", "money", "bought", "performance", "seats", "entries", "records",
    )  # fmt: skip
    actions_detail = (*CustomerRowsAdmin.actions_detail, "refund")
    has_refund_permission = may_refund

    def case_of(self, row: Any) -> tuple[str, int]:
        """Return the story of what it paid for."""
        return "reservation_case", row.reservation_id

    def find_rows(self, request: HttpRequest, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the payment of its number or its reservation's, of a reference, of a seat, or those
        of an address."""
        number = read_number(text)
        if number is not None:
            return rows.filter(Q(pk=number) | Q(reservation=number))
        match read_reference(text):
            case ("payment", number):
                return rows.filter(pk=number)
            case ("reservation", number):
                return rows.filter(reservation=number)
        seat = read_seat(text)
        if seat is not None:
            performance_id = read_number(request.GET.get(PERFORMANCE_PARAMETER, ""))
            return rows.filter(reservation__in=find_by_seat(seat, performance_id=performance_id))
        return super().find_rows(request, rows, text)

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer to give back what has not been given back."""
        return name != "refund" or row.status == Status.SUCCEEDED

    @admin.display(description=_("number"))
    def number(self, payment: Payment) -> int:
        """The number of the payment."""
        return payment.pk

    @admin.display(description=_("reservation"))
    def reservation_number(self, payment: Payment) -> int:
        """The number of what it paid for."""
        return payment.reservation_id

    @admin.display(description=_("reservation"))
    def bought(self, payment: Payment) -> SafeString | str:
        """What it paid for, with a link."""
        page, number = "reservations.reservation", payment.reservation_id
        return link_to(viewer_of(payment), page, number, number)

    @admin.display(description=_("performance"))
    def performance(self, payment: Payment) -> str:
        """The performance of its seats."""
        return str(payment.reservation.performance)

    @admin.display(description=_("seats"))
    def seats(self, payment: Payment) -> str:
        """What was bought."""
        return list_seats(payment.reservation)

    @admin.display(description=_("status"))
    def state(self, payment: Payment) -> SafeString:
        """Whether the money went back."""
        status = Status(payment.status)
        return display_for_label((status, capfirst(status.label)), "-", LABELS)

    @admin.display(description=_("amount"))
    def money(self, payment: Payment) -> str:
        """What was paid."""
        return format_money(payment.amount, payment.currency)

    @admin.display(description=_("ledger"))
    def entries(self, payment: Payment) -> SafeString | str:
        """Its debit and its refund."""
        return describe_entries(viewer_of(payment), list_entries(payment))

    @admin.display(description=_("what staff did"))
    def records(self, payment: Payment) -> SafeString | str:
        """Who of staff gave it back, and why."""
        subjects = [f"payment:{payment.pk}", f"reservation:{payment.reservation_id}"]
        return describe_records(viewer_of(payment), subjects)

    @action(
        description=_("Give the payment back"),
        url_path="refund",
        permissions=["view", "refund"],
        icon="undo",
        variant=ActionVariant.DANGER,
    )
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and give the payment back."""
        payment = self.get_object(request, object_id)
        if payment is None:
            raise Http404
        done = reverse("admin:payments_payment_change", args=[payment.pk])
        return confirm_refund(request, payment, done=done)


admin.site.unregister(Reservation)


@admin.register(Reservation)
class PaidReservationAdmin(ReservationAdmin):
    """The admin of reservations, with what was paid for them: only here are both known."""

    fieldsets = (
        *ReservationAdmin.fieldsets[:1],
        (_("Payment"), {"fields": ("payment", "entries")}),
        *ReservationAdmin.fieldsets[1:],
    )
    readonly_fields = (*ReservationAdmin.readonly_fields, "payment", "entries")
    actions_detail = (*ReservationAdmin.actions_detail, "refund")
    has_refund_permission = may_refund

    def offers_action(self, name: str, row: Any) -> bool:
        """Offer to give back what a confirmed reservation has cost."""
        if name == "refund":
            return row.status == Reservation.Status.CONFIRMED
        return super().offers_action(name, row)

    @admin.display(description=_("payment"))
    def payment(self, reservation: Reservation) -> SafeString | str:
        """Its payment, with a link."""
        number = reservation.payment_id
        return link_to(viewer_of(reservation), "payments.payment", number, number or "-")

    @admin.display(description=_("ledger"))
    def entries(self, reservation: Reservation) -> SafeString | str:
        """What the ledger has of its payment."""
        entries = list_entries(Payment(pk=reservation.payment_id))
        return describe_entries(viewer_of(reservation), entries)

    @action(
        description=_("Give the payment back"),
        url_path="refund",
        permissions=["view", "refund"],
        icon="undo",
        variant=ActionVariant.DANGER,
    )
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason, and give back what was paid for a reservation."""
        reservation = self.get_object(request, object_id)
        payment = Payment.objects.filter(reservation=reservation).first() if reservation else None
        if payment is None:
            raise Http404
        done = reverse("admin:reservations_reservation_change", args=[payment.reservation_id])
        return confirm_refund(request, payment, done=done)
