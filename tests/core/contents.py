"""What the database holds, so that a test can say that a refusal has written nothing."""

from django.apps import apps
from django.db import connection


def read_contents():
    """Return a digest of the rows of every table, by table."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True)})
    query = " UNION ALL ".join(
        f"SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return dict(cursor.fetchall())
