"""Wallets and their ledger in the admin: looked at, found, adjusted, and never written by hand."""

from typing import Any

from babel.numbers import get_currency_precision
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.timezone import localtime
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action
from unfold.utils import display_for_label

from apps.accounts.customer_rows import CustomerRowsAdmin, viewer_of
from apps.accounts.models import User
from apps.core.admin import actor_of, staff_permission
from apps.core.clock import read_clock
from apps.core.confirmation import Confirmation, confirm
from apps.core.errors import InvalidRequest
from apps.core.money import format_money
from apps.core.searching import read_number, read_reference
from apps.core.subjects import describe_records, link_to, make_table, may_see
from apps.wallet.adjusting import AdjustForm, make_reference
from apps.wallet.errors import BalanceLimitExceeded, InsufficientBalance
from apps.wallet.models import Wallet, WalletEntry
from apps.wallet.selectors import get_wallet
from apps.wallet.services import adjust_wallet

Kind = WalletEntry.Kind
LABELS = {
    Kind.CHARGE: "success",
    Kind.PAYMENT: "info",
    Kind.REFUND: "warning",
    Kind.ADJUSTMENT: "danger",
}
ENTRIES_SHOWN = 20
LEDGER = "wallet.walletentry"


def label_kind(entry: WalletEntry) -> SafeString:
    """Return the kind of an entry as a label with a word."""
    kind = Kind(entry.kind)
    return display_for_label((kind, capfirst(kind.label)), "-", LABELS)


def link_to_reference(request: HttpRequest, entry: WalletEntry) -> SafeString | str:
    """Return what an entry was for, with a link where it was a payment."""
    match read_reference(entry.reference):
        case ("payment", number):
            return link_to(request, "payments.payment", number, entry.reference)
    return entry.reference or "-"


def describe_entries(request: HttpRequest, entries: QuerySet[WalletEntry]) -> SafeString | str:
    """Return entries of a ledger as a table, the latest first; who may not see the ledger is told so."""
    if not may_see(request, LEDGER):
        return str(_("You may not see the ledger."))
    rows = entries.select_related("wallet").order_by("-pk")[:ENTRIES_SHOWN]
    return make_table(
        [
            str(title)
            for title in (_("at"), _("kind"), _("amount"), _("balance after"), _("reference"))
        ],
        [
            (
                link_to(request, LEDGER, entry.pk, localize(localtime(entry.created_at))),
                label_kind(entry),
                format_money(entry.amount, entry.wallet.currency),
                format_money(entry.balance_after, entry.wallet.currency),
                link_to_reference(request, entry),
            )
            for entry in rows
        ],
    )


@admin.register(Wallet)
class WalletAdmin(CustomerRowsAdmin):
    """Balances."""

    list_display = ("customer", "money", "updated_at")
    list_select_related = ("customer",)
    search_help_text = _("E-mail, or the customer's number")
    customer_path = "pk"
    fieldsets = (
        (None, {"fields": ("customer", "money", "updated_at")}),
        (_("Latest entries"), {"fields": ("entries",)}),
    )
    readonly_fields = ("money", "entries")
    actions_detail = (*CustomerRowsAdmin.actions_detail, "adjust")
    has_adjust_permission = staff_permission("wallet.adjust_wallet")

    def find_rows(self, request: HttpRequest, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the wallet of “wallet:5”, of a customer's number, or of an address."""
        match read_reference(text):
            case ("wallet", number):
                return rows.filter(pk=number)
        return super().find_rows(request, rows, text)

    @admin.display(description=_("balance"))
    def money(self, wallet: Wallet) -> str:
        """The balance."""
        return format_money(wallet.balance, wallet.currency)

    @admin.display(description=_("entries"))
    def entries(self, wallet: Wallet) -> SafeString | str:
        """The latest of its entries, and where the others are."""
        request = viewer_of(wallet)
        ledger = reverse("admin:wallet_walletentry_changelist") + f"?q=wallet:{wallet.pk}"
        return format_html(
            '{}<p><a class="text-link" href="{}">{}</a></p>',
            describe_entries(request, WalletEntry.objects.filter(wallet=wallet)),
            ledger,
            _("All entries of this wallet"),
        )

    @action(
        description=_("Adjust the balance"),
        url_path="adjust",
        permissions=["view", "adjust"],
        icon="currency_exchange",
    )
    def adjust(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for an amount and a reason, and book it once. Customers without a wallet get one."""
        customer = User.objects.filter(pk=read_number(object_id) or 0).first()
        if customer is None:
            raise Http404
        wallet = get_wallet(customer.pk)

        def act(cleaned: dict[str, Any]) -> Any:
            return self._adjust(request, wallet, cleaned)

        answer = confirm(
            request,
            Confirmation(
                title=_("Adjust the balance"),
                subject=customer,
                consequences=[
                    _("The balance is %(balance)s now.")
                    % {"balance": format_money(wallet.balance, wallet.currency)},
                    _(
                        "An entry of your amount is written to the ledger at once; it never falls below 0."
                    ),
                    _(
                        "Entries are never changed or deleted: a mistake is put right by another one."
                    ),
                ],
                button=_("Book it"),
                act=act,
                done=find_page(wallet),
                form_class=AdjustForm,
                initial={"reference": make_reference(), "currency": wallet.currency},
                dangerous=True,
            ),
        )
        if isinstance(answer, TemplateResponse):
            answer.template_name = "admin/wallet/adjust.html"
            answer.context_data = {
                **(answer.context_data or {}),
                "preview": describe_preview(wallet),
            }
        return answer

    def _adjust(self, request: HttpRequest, wallet: Wallet, cleaned: dict[str, Any]) -> Any:
        try:
            entry = adjust_wallet(
                customer_id=wallet.pk,
                amount=cleaned["amount"],
                reference=cleaned["reference"],
                actor=actor_of(request),
                reason=cleaned["reason"],
                now=read_clock(),
            )
        except InsufficientBalance as error:
            holds = format_money(error.fields["balance"], wallet.currency)
            told = _("The wallet holds %(balance)s; no more can be taken out.") % {"balance": holds}
            raise InvalidRequest.of("amount", "below_zero", told) from error
        except BalanceLimitExceeded as error:
            told = _("A wallet holds no more than %(limit)s.") % {
                "limit": format_money(error.fields["limit"], wallet.currency)
            }
            raise InvalidRequest.of("amount", "over_limit", told) from error
        return _("Booked: %(amount)s; the balance is %(balance)s.") % {
            "amount": format_money(entry.amount, wallet.currency),
            "balance": format_money(entry.balance_after, wallet.currency),
        }


def find_page(wallet: Wallet) -> str:
    """Return the address of a wallet: of one that is not there yet, that of the search for it."""
    if wallet._state.adding:
        return reverse("admin:wallet_wallet_changelist") + f"?q=wallet:{wallet.pk}"
    return reverse("admin:wallet_wallet_change", args=[wallet.pk])


def describe_preview(wallet: Wallet) -> dict[str, Any]:
    """Return what the page needs to show the balance that an amount would leave."""
    return {
        "balance": wallet.balance,
        "currency": wallet.currency,
        "digits": get_currency_precision(wallet.currency),
        "language": get_language() or "en",
    }


class KindFilter(DropdownFilter):
    """Kinds of entries. Each but charges, which are common, asks an index."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return what there is to choose."""
        return [(value, capfirst(label)) for value, label in Kind.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of what is chosen."""
        kind = self.value()
        if kind not in Kind.values:
            return queryset
        # Every payment has a reference, and references have an index.
        named = ~Q(reference="") if kind == Kind.PAYMENT else Q()
        return queryset.filter(named, kind=kind)


@admin.register(WalletEntry)
class WalletEntryAdmin(CustomerRowsAdmin):
    """The ledger."""

    list_display = (
        "number", "customer", "label", "money", "balance", "reference", "created_at",
    )  # fmt: skip
    list_filter = (KindFilter,)
    list_select_related = ("wallet__customer",)
    search_help_text = _("Number, e-mail, payment:42 or wallet:5")
    customer_path = "wallet"
    fieldsets = (
        (
            None,
            {"fields": ("number", "owner", "label", "money", "balance", "what_for", "created_at")},
        ),
        (_("What staff did"), {"fields": ("records",)}),
    )
    readonly_fields = ("number", "owner", "label", "money", "balance", "what_for", "records")

    def case_of(self, row: Any) -> tuple[str, int]:
        """Return the story of the wallet's customer."""
        return "customer_case", row.wallet_id

    def find_rows(self, request: HttpRequest, rows: QuerySet[Any], text: str) -> QuerySet[Any]:
        """Return the entry of a number, those of a reference or a wallet, or those of an address."""
        match read_reference(text):
            case ("wallet", number):
                return rows.filter(wallet=number)
            case ("payment", number):
                # The kinds first: so begins the index of references.
                return rows.filter(kind__in=Kind.values, reference=f"payment:{number}")
        return super().find_rows(request, rows, text)

    @admin.display(description=_("number"))
    def number(self, entry: WalletEntry) -> int:
        """The number of the entry."""
        return entry.pk

    @admin.display(description=_("customer"))
    def customer(self, entry: WalletEntry) -> str:
        """Whose wallet it is."""
        return str(entry.wallet.customer)

    @admin.display(description=_("wallet"))
    def owner(self, entry: WalletEntry) -> SafeString | str:
        """Whose wallet it is, with a link to it."""
        return link_to(viewer_of(entry), "wallet.wallet", entry.wallet_id, entry.wallet.customer)

    @admin.display(description=_("kind"))
    def label(self, entry: WalletEntry) -> SafeString:
        """What kind of entry it is."""
        return label_kind(entry)

    @admin.display(description=_("amount"))
    def money(self, entry: WalletEntry) -> str:
        """The amount, negative for money out of the wallet."""
        return format_money(entry.amount, entry.wallet.currency)

    @admin.display(description=_("balance after"))
    def balance(self, entry: WalletEntry) -> str:
        """What the wallet held afterwards."""
        return format_money(entry.balance_after, entry.wallet.currency)

    @admin.display(description=_("reference"))
    def what_for(self, entry: WalletEntry) -> SafeString | str:
        """What it was for, with a link."""
        return link_to_reference(viewer_of(entry), entry)

    @admin.display(description=_("what staff did"))
    def records(self, entry: WalletEntry) -> SafeString | str:
        """Who of staff booked it, and why."""
        return describe_records(viewer_of(entry), [f"walletentry:{entry.pk}"])
