"""Statements that are written once, instead of by the ORM for each query.

Building a query, writing its SQL and making instances with all their machinery is most of what a small
statement costs: finding and locking a queue entry with its room took 750 µs. The server keeps the plans
too; what keeps them right however the tables grow stands in the settings, at `enable_seqscan`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Expression, Field, Lookup, Model, QuerySet
from django.db.models.base import ModelState
from django.db.models.query import FlatValuesListIterable, ModelIterable
from django.db.models.sql.subqueries import UpdateQuery
from psycopg.sql import Literal

from apps.core.statements import run_wrapped
from apps.core.wire import Parameters, Reply, exchange, exchange_together

RowT = TypeVar("RowT")
ModelT = TypeVar("ModelT", bound=Model)
# What makes of the rows of a query set the same rows, with something more asked of the database.
Asked = Callable[[QuerySet[Any, Any]], QuerySet[Any, Any]]


def run_prepared(sql: str, parameters: Parameters) -> Reply:
    """Run a statement, and return its rows and how many it touched. `%s` or `%(name)s` marks a
    parameter.

    Django's own cursor would send the text with its values in it each time, to be planned each time,
    and get text back.
    """
    # Not `connection`, which looks for the thread's own at each attribute.
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        database.ensure_connection()
    reply = Reply([], 0)

    def execute(sql: str, parameters: Any, _many: bool, _context: dict[str, Any]) -> None:
        nonlocal reply
        reply = exchange(database.connection, sql, parameters)

    with database.wrap_database_errors:
        run_wrapped(database, execute, sql, parameters)
    if database.queries_logged:
        database.queries_log.append({"sql": sql, "time": ""})
    return reply


def run_together(questions: "Sequence[Question[Any]]") -> list[Reply]:
    """Run statements one after the other as `run_prepared` does, and wait for the server once."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.connection is None:
        database.ensure_connection()
    replies: list[Reply] = []
    noted: list[tuple[str, Parameters]] = []

    def execute(sql: str, parameters: Any, _many: bool, _context: dict[str, Any]) -> None:
        # Who watches the connection sees each of them, and with the last one what all took.
        noted.append((sql, parameters))
        if len(noted) == len(questions):
            replies.extend(exchange_together(database.connection, noted))

    with database.wrap_database_errors:
        for question in questions:
            run_wrapped(database, execute, question.sql, question.parameters)
    if database.queries_logged:
        database.queries_log.extend({"sql": question.sql, "time": ""} for question in questions)
    return replies


def fetch_prepared(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Return the rows of a prepared statement."""
    return run_prepared(sql, parameters).rows


def fetch_planned(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    """Return the rows of a statement that is sent with its values in it, and planned for them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def execute_prepared(sql: str, parameters: Parameters) -> int:
    """Run a prepared statement; return how many rows it touched."""
    return run_prepared(sql, parameters).touched


class Parameter(Expression):
    """A value that is given when the statement runs; it stands in a filter where a value would."""

    def __init__(self, name: str, output_field: Field) -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return a placeholder, and itself for what is to stand there."""
        return "%s", [self]


@Field.register_lookup
class AnyOf(Lookup):
    """`pk__any=…`: is one of an array's values. An `IN` would have a placeholder for each value."""

    lookup_name = "any"

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the comparison with the array."""
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} = ANY({right})", [*left_params, *right_params]


@dataclass(frozen=True, slots=True)
class Question(Generic[RowT]):
    """A statement with its values, to be asked beside others, and what makes a result of a row."""

    sql: str
    parameters: Parameters
    load: Callable[[Sequence[Any]], Any] = tuple


def fetch_together(*questions: Question[Any]) -> list[list[Any]]:
    """Return the rows of each of these, asked one after the other in one round trip."""
    if not questions:
        return []
    replies = run_together(questions)
    return [
        [question.load(row) for row in reply.rows]
        for question, reply in zip(questions, replies, strict=True)
    ]


class Prepared(Generic[RowT]):
    """A query set whose SQL is written at its first use.

    `build` is given a `Parameter` for each of `parameters`, named with the field that its value is of;
    the other values that it writes become part of the text. Without `plan_kept` the server makes a plan
    for the values each time: where few rows are few only for them.
    """

    def __init__(
        self,
        build: Callable[..., QuerySet[Any, RowT]],
        *,
        plan_kept: bool = True,
        **parameters: Field,
    ) -> None:
        self._build = build
        self._plan_kept = plan_kept
        self._parameters = parameters
        self._written: dict[Asked | None, _Statement] = {}

    def ask(self, *, asked: Asked | None = None, **values: Any) -> Question[RowT]:
        """Return the question for these values of the parameters."""
        statement = self._written.get(asked)
        if statement is None:
            statement = self._written[asked] = self._write(asked)
        text = statement.text
        return Question(text.sql, text.order(values), statement.load)

    def fetch(self, *, asked: Asked | None = None, **values: Any) -> list[RowT]:
        """Return the rows for these values of the parameters."""
        question = self.ask(asked=asked, **values)
        fetch = fetch_prepared if self._plan_kept else fetch_planned
        return [question.load(row) for row in fetch(question.sql, question.parameters)]

    def _write(self, asked: Asked | None) -> "_Statement":
        rows = self._build(**_make_parameters(self._parameters))
        return _Statement(asked(rows) if asked else rows)


class PreparedUpdate:
    """A change of rows whose SQL is written at its first use. `build` returns the rows and what their
    fields become, and has its values as `Prepared` has."""

    def __init__(
        self,
        build: Callable[..., tuple[QuerySet[Any, Any], dict[str, Any]]],
        **parameters: Field,
    ) -> None:
        self._build = build
        self._parameters = parameters
        self._text: _Text | None = None

    def run(self, **values: Any) -> int:
        """Change the rows for these values of the parameters; return how many."""
        question = self.ask(**values)
        return execute_prepared(question.sql, question.parameters)

    def ask(self, **values: Any) -> Question[Any]:
        """Return the question that changes the rows for these values of the parameters."""
        if self._text is None:
            rows, changes = self._build(**_make_parameters(self._parameters))
            query: Any = rows.query.chain(UpdateQuery)
            query.add_update_values(changes)
            self._text = _Text(*query.get_compiler(using=DEFAULT_DB_ALIAS).as_sql())
        return Question(self._text.sql, self._text.order(values))


def _make_parameters(fields: dict[str, Field]) -> dict[str, Parameter]:
    return {name: Parameter(name, field) for name, field in fields.items()}


class _Text:
    """A statement's SQL, with what is constant in it, so that the planner can use a partial index for
    good; and the names of its parameters in order."""

    def __init__(self, sql: str, params: Sequence[Any]) -> None:
        connection.ensure_connection()
        self.sql = sql % tuple(
            "%s"
            if isinstance(param, Parameter)
            else Literal(param).as_string(connection.connection).replace("%", "%%")
            for param in params
        )
        self._names = [param.name for param in params if isinstance(param, Parameter)]

    def order(self, values: dict[str, Any]) -> list[Any]:
        """Return the values in the order of the text."""
        return [values[name] for name in self._names]


class _Statement:
    """A query set's text, and what makes a result of a row."""

    def __init__(self, rows: QuerySet[Any, Any]) -> None:
        compiler = rows.query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        self.text = _Text(sql, params)
        if rows._iterable_class is ModelIterable:
            columns = [column for column, *_rest in compiler.select or ()]
            assert not compiler.get_converters(columns), "what the driver returns is the value"
            self.load = load_models(compiler.klass_info)
        else:
            self.load = _only if rows._iterable_class is FlatValuesListIterable else tuple


def _only(row: Sequence[Any]) -> Any:
    return row[0]


def load_models(info: Any) -> Callable[[Sequence[Any]], Any]:
    """Return what makes an instance of a row, with those that `select_related` reads along.

    As `from_db` does, in less than half the time, since nobody asks for the signals of what is read
    here, and no field is left out.
    """
    model, columns = info["model"], info["select_fields"]
    names = [field.attname for field in model._meta.concrete_fields]
    start, end = columns[0], columns[0] + len(names)
    assert columns == list(range(start, end)), "all fields in their order"
    pk_at = start + names.index(model._meta.pk.attname)
    related = [
        (load_models(other), other["local_setter"], other["remote_setter"])
        for other in info.get("related_klass_infos", ())
    ]

    def load(row: Sequence[Any]) -> Any:
        if row[pk_at] is None:
            return None
        instance = make_instance(model, names, row[start:end])
        for load_other, set_here, set_there in related:
            other = load_other(row)
            set_here(instance, other)
            if other is not None:
                set_there(other, instance)
        return instance

    return load


def make_instance(model: type[ModelT], names: Sequence[str], values: Sequence[Any]) -> ModelT:
    """Return the instance of a row that is there."""
    instance = model.__new__(model)
    instance.__dict__.update(zip(names, values, strict=True))
    instance._state = state = ModelState()
    state.db = DEFAULT_DB_ALIAS
    state.adding = False
    return instance


def new_instance(model: type[ModelT], **values: Any) -> ModelT:
    """Return a new row that is to be written, as `model(**values)` does for names of columns and all of
    them, in a third of the time. What is not given is None."""
    instance = model.__new__(model)
    instance.__dict__.update(dict.fromkeys(_list_names(model)), **values)
    instance._state = ModelState()
    return instance


def insert_row(instance: Model, *, in_place_of: tuple[str, ...] = ()) -> None:
    """Write a new row, all its fields; its id is then known where the database gives it.

    With `in_place_of`, the columns of a unique constraint, a row that has the same there becomes this.
    """
    question = ask_insert(instance, in_place_of=in_place_of)
    _note_written(instance, fetch_prepared(question.sql, question.parameters)[0][0])


def ask_insert(instance: Model, *, in_place_of: tuple[str, ...] = ()) -> Question[Any]:
    """Return the question that writes a new row as `insert_row` does; its answer is the id."""
    sql, names = _write_insert(type(instance), in_place_of)
    values = instance.__dict__
    return Question(sql, [values[name] for name in names])


def insert_rows(owner: Model, parts: Sequence[Model], *, link: str) -> None:
    """Write a new row and those that belong to it by their foreign key `link`, in one statement."""
    sql, owner_names, names = _write_inserts(type(owner), type(parts[0]), link)
    columns = [[part.__dict__[name] for part in parts] for name in names]
    values = [owner.__dict__[name] for name in owner_names]
    rows = fetch_prepared(sql, [*values, *columns])
    for part, (owner_pk, pk) in zip(parts, rows, strict=True):
        setattr(part, link, owner_pk)
        _note_written(part, pk)
    _note_written(owner, rows[0][0])


def _note_written(instance: Model, pk: Any) -> None:
    instance.pk = pk
    instance._state.db = DEFAULT_DB_ALIAS
    instance._state.adding = False


def update_row(instance: Model, *names: str) -> None:
    """Write these fields of a row that the caller has locked."""
    question = ask_update(instance, *names)
    execute_prepared(question.sql, question.parameters)


def ask_update(instance: Model, *names: str) -> Question[Any]:
    """Return the question that writes these fields as `update_row` does."""
    values = [getattr(instance, name) for name in names]
    return Question(_write_update(type(instance), names), [*values, instance.pk])


@cache
def _list_names(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


def _list_given(model: type[Model]) -> list[Any]:
    """Return the fields that a new row is given: all but the id that the database makes."""
    given = [f for f in model._meta.concrete_fields if f is not model._meta.auto_field]
    assert not any(field.has_db_default() for field in given), "every field is given"
    return given


@cache
def _write_insert(model: type[Model], in_place_of: tuple[str, ...]) -> tuple[str, list[str]]:
    given = _list_given(model)
    columns = [f'"{field.column}"' for field in given]
    pk = model._meta.pk
    assert pk is not None
    replacing = ""
    if in_place_of:
        changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
        replacing = f" ON CONFLICT ({', '.join(in_place_of)}) DO UPDATE SET {changes}"
    sql = (
        f'INSERT INTO "{model._meta.db_table}" ({", ".join(columns)})'  # noqa: S608  names alone
        f' VALUES ({", ".join(["%s"] * len(columns))}){replacing} RETURNING "{pk.column}"'
    )
    return sql, [field.attname for field in given]


@cache
def _write_inserts(
    owner: type[Model], part: type[Model], link: str
) -> tuple[str, list[str], list[str]]:
    owner_sql, owner_names = _write_insert(owner, ())
    given = [field for field in _list_given(part) if field.attname != link]
    columns = ", ".join(f'"{field.column}"' for field in given)
    arrays = ", ".join(f"%s::{field.db_type(connection)}[]" for field in given)
    pk = part._meta.pk
    assert pk is not None
    sql = (
        f"WITH owner AS ({owner_sql})"  # noqa: S608  names alone
        f' INSERT INTO "{part._meta.db_table}" ("{link}", {columns})'
        f' SELECT owner.*, part.* FROM owner, unnest({arrays}) AS part RETURNING "{link}", "{pk.column}"'
    )
    return sql, owner_names, [field.attname for field in given]


@cache
def _write_update(model: type[Model], names: tuple[str, ...]) -> str:
    fields = {field.attname: field.column for field in model._meta.concrete_fields}
    changes = ", ".join(f'"{fields[name]}" = %s' for name in names)
    pk = model._meta.pk
    assert pk is not None
    return f'UPDATE "{model._meta.db_table}" SET {changes} WHERE "{pk.column}" = %s'  # noqa: S608  names alone
