"""What a plain edit in the admin changes: a row's fields before and after it, as the audit log keeps them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Field, ForeignKey, ManyToManyField, Model

Fields = dict[str, Any]

# What stands in the log for a value that must not be there.
HIDDEN = "•••"
_SECRET = re.compile("password|secret|token|key|seed")
# Kept by triggers and by whoever saves: they say nothing about the edit.
_KEPT_BY_THE_SYSTEM = frozenset({"changed_in", "date_changed"})
_WRITABLE = (str, int, float, bool, list, dict, datetime, date, time, timedelta, Decimal, UUID)
_EMPTY: tuple[Any, ...] = (None, "", frozenset())


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A row as it was at one moment: a copy that no form has touched, and its values."""

    row: Model
    values: Fields


def take_snapshot(row: Model, *, with_relations: bool = True) -> Snapshot:
    """Return a row's values; with `with_relations` also what its many-to-many fields name."""
    fields = [field for field in row._meta.concrete_fields if field.name not in _KEPT_BY_THE_SYSTEM]
    values: Fields = {field.name: field.value_from_object(row) for field in fields}
    if with_relations:
        for relation in row._meta.many_to_many:
            values[relation.name] = frozenset(
                getattr(row, relation.name).values_list("pk", flat=True)
            )
    return Snapshot(row=row, values=values)


def find_changes(before: Snapshot, after: Snapshot) -> tuple[Fields, Fields]:
    """Return the fields that differ, as they were and as they are. Of many-to-many fields: what was
    taken away, and what was added."""
    was: Fields = {}
    now: Fields = {}
    for name, old in before.values.items():
        new = after.values[name]
        if old == new:
            continue
        if isinstance(old, frozenset):
            was[name] = _write(before.row, name, old - new)
            now[name] = _write(after.row, name, new - old)
        else:
            was[name] = _write(before.row, name, old)
            now[name] = _write(after.row, name, new)
    return was, now


def write_all(snapshot: Snapshot) -> Fields:
    """Return every field that says something: of a row that was made, or is about to go."""
    return {
        name: _write(snapshot.row, name, value)
        for name, value in snapshot.values.items()
        if value not in _EMPTY
    }


def _write(row: Model, name: str, value: Any) -> Any:
    """Return a value as the log keeps it: no secret, and rows by their names."""
    field = row._meta.get_field(name)
    if value is None:
        return None
    if _SECRET.search(name) or isinstance(value, bytes | memoryview):
        return HIDDEN
    if isinstance(field, ManyToManyField):
        return _name_all(field, value)
    if isinstance(field, ForeignKey):
        return f"{_name(getattr(row, name))} ({value})"
    return value if isinstance(value, _WRITABLE) else str(value)


def _name_all(field: Field, pks: Collection[Any]) -> list[str]:
    model: Any = field.related_model
    rows = model._base_manager.filter(pk__in=pks).select_related()
    return sorted(_name(row) for row in rows)


def _name(row: Model) -> str:
    """Return a row's name; where it has one that is the same in every language, that one."""
    natural_key = getattr(row, "natural_key", None)
    return " ".join(map(str, natural_key())) if natural_key else str(row)
