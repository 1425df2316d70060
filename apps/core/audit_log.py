"""Staff's records as staff read them: words for what was done, what it was done to, and what it changed."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin import site
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.timezone import is_aware, localtime, make_aware
from django.utils.translation import gettext_lazy as _

from apps.core.edits import HIDDEN
from apps.core.models import StaffAction
from apps.core.money import format_money

# What staff did, by the names that the services record.
ACTIONS: dict[str, str | Promise] = {
    "add": _("added"),
    "edit": _("edited"),
    "delete": _("deleted"),
    "import": _("imported"),
    "refund_payment": _("gave a payment back"),
    "release_hold": _("ended a hold"),
    "move_reservation": _("moved to other seats"),
    "call_off_performance": _("called a performance off"),
    "resume_sale": _("let a sale go on"),
    "lower_seat_limit": _("lowered the seats per customer"),
    "publish_concert": _("put a concert on sale"),
    "unpublish_concert": _("took a concert off sale"),
    "block_seats": _("took seats off sale"),
    "unblock_seats": _("put seats back on sale"),
    "add_performances": _("added performances"),
    "make_seats": _("made the seats of a performance"),
    "adjust_wallet": _("adjusted a balance"),
    "steer_room": _("steered a waiting room"),
    "remove_from_queue": _("took somebody out of a line"),
    "reset_two_step": _("took two-step sign-in away"),
    "change_password": _("changed a password"),
}
# What is recorded where staff gave no reason of their own.
EDITED = "edited in the admin"
ADDED = "added in the admin"
DELETED = "deleted in the admin"
_REASONS: dict[str, str | Promise] = {
    EDITED: _("edited in the admin"),
    ADDED: _("added in the admin"),
    DELETED: _("deleted in the admin"),
    "the concert was changed": _("the concert was changed"),
}
# Names in records that are no field of the row.
_NAMES: dict[str, str | Promise] = {
    "seats": _("seats"),
    "names": _("seats"),
    "moved": _("moved"),
    "seats_withdrawn": _("seats taken off sale"),
    "reasons": _("reasons"),
    "two_step": _("two-step sign-in"),
    "password": _("password"),
}
# Which rows the ids under these names are of.
_ROWS = {"customer": "user", "performance": "performance", "plan": "seatingplan"}
_ROW_LISTS = {"seats": "seat"}
# What a record says by its seats' names need not be said by their ids.
_SEAT_IDS = frozenset({"seats", "moved"})
_MONEY = frozenset({"amount", "balance", "balance_after", "price", "total", "money"})
_NOTHING = "–"
# More rows than these are told by their number alone.
_NAMED_MAX = 50
# So many differences fit in the row of a list.
_BRIEF = 2
# The invariants, in the words of those who have to see to a broken one.
_INVARIANTS: dict[int, str | Promise] = {
    1: _("A seat is on one live reservation at most"),
    2: _("A balance is the sum of its ledger"),
    3: _("What is confirmed is paid, once"),
    4: _("Payment, debit, seats and line are one commit"),
    5: _("Nobody enters before who came earlier"),
    6: _("No more are inside than the room holds"),
    7: _("No customer has more seats than the limit"),
    8: _("A key has one answer"),
    9: _("What staff do is recorded"),
}

Names = Mapping[tuple[str, Any], str]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field of what an action recorded, as staff read it; None where that side says nothing of it."""

    label: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{self.label}: {self.before or self.after or _NOTHING}"
        return f"{self.label}: {self.before} → {self.after}"


def tell_action(action: str) -> str:
    """Return what was done, in words."""
    return str(ACTIONS.get(action, action.replace("_", " ")))


def tell_reason(reason: str) -> str:
    """Return a reason; those that the system gives itself, in the reader's language."""
    return str(_REASONS.get(reason, reason))


def tell_time(at: datetime) -> str:
    """Return a moment to the second, in the staff's time zone."""
    return f"{date_format(localtime(at), 'DATE_FORMAT')} {localtime(at):%H:%M:%S}"


def tell_invariant(number: int) -> str:
    """Return an invariant in words, with its number."""
    return f"{number}. {_INVARIANTS.get(number, '')}"


def find_midnight(day: Any, *, days: int) -> datetime | None:
    """Return the midnight so many days after the one that a day begins with, in the staff's time zone;
    None where the text is no day."""
    try:
        return make_aware(datetime.fromisoformat(day[:10]) + timedelta(days=days))
    except (TypeError, ValueError, OverflowError):
        return None


@cache
def list_models() -> dict[str, type[Model]]:
    """Return the models by the names that records call them by; the project's own before others'."""
    models = sorted(apps.get_models(), key=lambda model: model.__module__.startswith("apps."))
    return {model._meta.model_name or "": model for model in models}


def split_subject(subject: str) -> tuple[type[Model] | None, str]:
    """Return the model and the key of “reservation:42”; None for what is no row."""
    name, _colon, key = subject.partition(":")
    return list_models().get(name), key


def tell_subject(subject: str) -> str:
    """Return what it was done to: “reservation 42”."""
    model, key = split_subject(subject)
    return f"{capfirst(model._meta.verbose_name)} {key}" if model else subject


def link_subject(subject: str) -> str | None:
    """Return the address of the row's page in the admin, where it has one."""
    model, key = split_subject(subject)
    if model is None or not site.is_registered(model) or not key:
        return None
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[key])


def list_subjects(term: str) -> list[str]:
    """Return what “reservation:42” or “42” may stand for in the log; nothing for other words."""
    model, key = split_subject(term.strip().lower())
    if model is not None and key:
        return [f"{model._meta.model_name}:{key}"]
    number = term.strip()
    return [f"{name}:{number}" for name in list_models()] if number.isdecimal() else []


def list_differences(action: StaffAction, names: Names | None = None) -> list[Difference]:
    """Return what an action changed, field by field, and after it what only one side of the record says;
    rows by their `names`, where these are given."""
    model, _key = split_subject(action.subject)
    before, after = action.before, action.after
    currency = after.get("currency") or before.get("currency") or settings.CURRENCY

    def tell(fields: Mapping[str, Any], name: str) -> str | None:
        if name not in fields:
            return None
        return _tell_value(model, name, fields[name], currency=currency, names=names or {})

    return [
        Difference(
            label=_tell_name(model, name), before=tell(before, name), after=tell(after, name)
        )
        for name in _list_changed(before, after)
    ]


def tell_briefly(differences: Sequence[Difference]) -> str:
    """Return the first few differences in one line."""
    told = [str(row) for row in differences[:_BRIEF]]
    return "; ".join(told) + (" …" if len(differences) > _BRIEF else "")


def find_names(actions: Iterable[StaffAction]) -> dict[tuple[str, Any], str]:
    """Return the names of the rows that the actions' records name by their ids alone."""
    wanted: dict[str, set[int]] = {}
    for action in actions:
        for fields in (action.before, action.after):
            for name, value in fields.items():
                kind, ids = _find_ids(name, value)
                if kind:
                    wanted.setdefault(kind, set()).update(ids[:_NAMED_MAX])
    return {
        (name, row.pk): str(row)
        for name, pks in wanted.items()
        if name in list_models()
        for row in list_models()[name]._base_manager.filter(pk__in=pks).select_related()
    }


def _list_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs, and of secrets, of which the record says only that they do."""
    named = "names" in before or "names" in after
    changed = [
        name
        for name in dict.fromkeys((*before, *after))
        if not (named and name in _SEAT_IDS)
        and (name not in before or name not in after or before[name] != after[name]
             or before[name] == HIDDEN)
    ]  # fmt: skip
    return sorted(changed, key=lambda name: name not in before or name not in after)


def _find_ids(name: str, value: Any) -> tuple[str | None, list[int]]:
    """Return the model and the ids of the rows that a value names; None where it names none."""
    if name in _ROW_LISTS and isinstance(value, list) and all(type(pk) is int for pk in value):
        return _ROW_LISTS[name], value
    if name in _ROWS and type(value) is int:
        return _ROWS[name], [value]
    return None, []


def _find_field(model: type[Model] | None, name: str) -> Field | None:
    try:
        field = model._meta.get_field(name) if model else None
    except FieldDoesNotExist:
        return None
    return field if isinstance(field, Field) else None


def _tell_name(model: type[Model] | None, name: str) -> str:
    field = _find_field(model, name)
    known = field.verbose_name if field else _NAMES.get(name, name.replace("_", " "))
    return capfirst(str(known))


def _tell_value(
    model: type[Model] | None, name: str, value: Any, *, currency: str, names: Names
) -> str:
    field = _find_field(model, name)
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if field is not None and field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if name in _MONEY and isinstance(value, int):
        return format_money(value, currency)
    kind, ids = _find_ids(name, value)
    if kind:
        told = [names.get((kind, pk), str(pk)) for pk in ids[:_NAMED_MAX]]
        return ", ".join(told) + (" …" if len(ids) > _NAMED_MAX else "")
    if name == "names" and isinstance(value, dict):
        return ", ".join(_list_seat_names(value))
    if isinstance(value, list):
        return ", ".join(_tell_plain(item) for item in value)
    return _tell_plain(value)


def _list_seat_names(sections: Mapping[str, Mapping[str, Iterable[str]]]) -> Iterator[str]:
    for section, rows in sections.items():
        for row, numbers in rows.items():
            yield from (f"{section} {row}-{number}" for number in numbers)


def _tell_plain(value: Any) -> str:
    if isinstance(value, str):
        moment = _parse_moment(value)
        return tell_time(moment) if moment else value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _parse_moment(text: str) -> datetime | None:
    """Return the moment that a record wrote down; None where the text is none."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and is_aware(moment) else None
