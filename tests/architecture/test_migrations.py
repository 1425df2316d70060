"""Migrations run while the code of before still serves, under load. What would hurt there is refused.

Squawk reads the SQL of each migration; what it does not know stands here. A change that breaks a rule with
good reason, such as dropping a column that no code has read for a whole release, is excused by name.
"""

import json
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

SQUAWK = Path(sys.executable).parent / "squawk"
POSTGRES_VERSION = "15"  # the oldest that is supported
# Matters of taste, and those that `manage.py migrate` and the settings see to.
NOT_ASKED = (
    "prefer-text-field",
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "require-lock-timeout",
    "require-statement-timeout",
)
# What was there before anybody could upgrade without stopping.
BASELINE = {
    "accounts": "0003_staff_lists",
    "backoffice": "0001_roles",
    "concerts": "0005_seating_plans",
    "core": "0003_staff_action_order",
    "payments": "0003_staff_lists",
    "queue": "0006_staff_permissions",
    "reservations": "0005_staff_lists",
    "wallet": "0004_staff_lists",
}
INSTANT = (
    "dropped in an instant; `migrate` waits half a second for the table at the most, and gives way"
)
# (app, migration): {rule: why it does no harm}
EXCUSED: dict[tuple[str, str], dict[str, str]] = {
    ("concerts", "0008_fewer_indexes"): {"require-concurrent-index-deletion": INSTANT},
    ("payments", "0004_fewer_indexes"): {"require-concurrent-index-deletion": INSTANT},
    ("reservations", "0006_fewer_indexes"): {"require-concurrent-index-deletion": INSTANT},
    ("wallet", "0006_fewer_indexes"): {"require-concurrent-index-deletion": INSTANT},
}

_BODY = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_CREATED = re.compile(r'^CREATE TABLE "?(\w+)"?', re.MULTILINE)
_DROPPED_DEFAULT = re.compile(r'^ALTER TABLE "?(\w+)"? .*DROP DEFAULT', re.MULTILINE)
_WRITE = re.compile(r"^\s*(UPDATE|DELETE FROM|INSERT INTO)\b", re.MULTILINE)
_DEFINITION = re.compile(r"^\s*(ALTER|CREATE|DROP) (TABLE|INDEX|UNIQUE INDEX)\b", re.MULTILINE)


def list_rules_broken(sql, operations, *, atomic=True):
    """Return the rules that a migration breaks, by its SQL and by its operations."""
    command = [str(SQUAWK), "--reporter", "json", "--pg-version", POSTGRES_VERSION]
    command += [part for rule in NOT_ASKED for part in ("--exclude", rule)]
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    # It exits with 1 where it has found something; only then is there anything to read.
    assert done.returncode in (0, 1), done.stderr
    broken = {finding["rule_name"] for finding in json.loads(done.stdout)}
    plain = _BODY.sub("", sql)
    # Old code, which does not know the column, gives it no value.
    if set(_DROPPED_DEFAULT.findall(plain)) - set(_CREATED.findall(plain)):
        broken.add("no-default-in-database")
    moves_data = any(isinstance(done, migrations.RunPython) for done in operations)
    # A table that is locked by its change stays so until all its rows are written.
    if (moves_data or _WRITE.search(plain)) and _DEFINITION.search(plain):
        broken.add("data-and-definition-together")
    # Without a transaction half of it may be done; `migrate` sets no limit to waiting for these alone.
    concurrent = (AddIndexConcurrently, RemoveIndexConcurrently, migrations.RunPython)
    if not atomic and not all(isinstance(done, concurrent) for done in operations):
        broken.add("outside-a-transaction")
    return broken


def list_new_migrations():
    """Return app and name of each migration of ours since the baseline."""
    disk = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    return sorted(
        (app, name)
        for (app, name), migration in disk.items()
        if type(migration).__module__.startswith(("apps.", "config."))
        and name > BASELINE.get(app, "")
    )


@pytest.mark.parametrize(("app", "name"), list_new_migrations())
def test_a_migration_does_no_harm_beside_old_code_and_under_load(
    app, name, django_db_setup, django_db_blocker
):
    out = StringIO()
    # Without a transaction: some of them refuse even to show their SQL in one.
    with django_db_blocker.unblock():
        call_command("sqlmigrate", app, name, stdout=out, no_color=True)
    migration = MigrationLoader(None, ignore_no_migrations=True).disk_migrations[app, name]
    broken = list_rules_broken(out.getvalue(), migration.operations, atomic=migration.atomic)
    assert broken == set(EXCUSED.get((app, name), {})), out.getvalue()


def test_the_baseline_names_migrations_that_are_there():
    disk = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    assert set(BASELINE.items()) <= set(disk)
    assert set(EXCUSED) <= set(list_new_migrations())


def collect(*operations, atomic=True):
    """Return the rules that a migration of core with these operations would break."""
    start = MigrationLoader(connection).project_state(("core", BASELINE["core"]))
    state: ProjectState = start.clone()
    with connection.schema_editor(collect_sql=True, atomic=False) as editor:
        for operation in operations:
            before = state.clone()
            operation.state_forwards("core", state)
            operation.database_forwards("core", editor, before, state)
    sql = "\n".join(editor.collected_sql)
    sql = f"BEGIN;\n{sql}\nCOMMIT;\n" if atomic else sql
    return list_rules_broken(sql, operations, atomic=atomic)


def add(**field):
    return migrations.AddField("heartbeat", "extra", models.IntegerField(**field))


INDEX = models.Index(fields=["beat_at"], name="beat_at_index")
CHECK = models.CheckConstraint(condition=~models.Q(name=""), name="heartbeat_named")


def constrain(**more):
    return migrations.AddConstraint("heartbeat", CHECK, **more)


UNSAFE = {
    "a default in Python alone": ([add(default=0)], "no-default-in-database"),
    "a column dropped": ([migrations.RemoveField("heartbeat", "beat_at")], "ban-drop-column"),
    "a column renamed": (
        [migrations.RenameField("heartbeat", "beat_at", "last_at")],
        "renaming-column",
    ),
    "a table dropped": ([migrations.DeleteModel("Heartbeat")], "ban-drop-table"),
    "a table renamed": ([migrations.RenameModel("Heartbeat", "Pulse")], "renaming-table"),
    "an index that keeps writers out": (
        [migrations.AddIndex("heartbeat", INDEX)],
        "require-concurrent-index-creation",
    ),
    "a constraint that reads all rows": ([constrain()], "constraint-missing-not-valid"),
    "a column's type": (
        [migrations.AlterField("heartbeat", "beat_at", models.TextField())],
        "changing-column-type",
    ),
    "rows written while the table is locked": (
        [add(null=True), migrations.RunSQL("UPDATE core_heartbeat SET extra = 1")],
        "data-and-definition-together",
    ),
    "rows written by Python while the table is locked": (
        [add(null=True), migrations.RunPython(migrations.RunPython.noop)],
        "data-and-definition-together",
    ),
}


@pytest.mark.parametrize("what", UNSAFE)
@pytest.mark.django_db
def test_what_would_hurt_is_refused(what):
    operations, rule = UNSAFE[what]
    assert rule in collect(*operations)


@pytest.mark.django_db
def test_a_column_of_an_index_without_a_transaction_is_refused():
    assert collect(add(null=True), atomic=False) == {"outside-a-transaction"}


SAFE = {
    "a column that may be empty": [add(null=True)],
    "a default in the database": [add(db_default=0)],
    "a new table with all that it needs": [
        migrations.CreateModel(
            "Fresh",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("count", models.IntegerField(default=0)),
            ],
            options={"indexes": [models.Index(fields=["count"], name="fresh_count")]},
        )
    ],
    "a function replaced": [
        migrations.RunSQL(
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN UPDATE core_heartbeat SET name = ''; RETURN NEW; END $$"
        )
    ],
    "rows written by themselves": [migrations.RunSQL("UPDATE core_heartbeat SET beat_at = now()")],
}


@pytest.mark.parametrize("what", SAFE)
@pytest.mark.django_db
def test_what_does_no_harm_is_let_through(what):
    assert collect(*SAFE[what]) == set()


@pytest.mark.django_db(transaction=True)
def test_an_index_built_beside_writers_is_let_through():
    assert collect(AddIndexConcurrently("heartbeat", INDEX), atomic=False) == set()
