"""Note in which transaction a seat changed last, for `?since=`."""

from django.db import migrations

NOTE_CHANGES = """
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_in := pg_current_xact_id()::text::bigint;
    RETURN NEW;
END $$;

CREATE TRIGGER seat_changes_noted BEFORE INSERT OR UPDATE ON concerts_seat
    FOR EACH ROW EXECUTE FUNCTION note_change();
"""

UNDO = """
DROP TRIGGER seat_changes_noted ON concerts_seat;
DROP FUNCTION note_change();
"""


class Migration(migrations.Migration):
    dependencies = [("concerts", "0001_initial")]

    operations = [migrations.RunSQL(NOTE_CHANGES, UNDO)]
