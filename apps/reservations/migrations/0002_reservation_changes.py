"""Note in which transaction a reservation changed last, for `?since=`."""

from django.db import migrations

NOTE_CHANGES = """
CREATE TRIGGER reservation_changes_noted BEFORE INSERT OR UPDATE ON reservations_reservation
    FOR EACH ROW EXECUTE FUNCTION note_change();
"""

UNDO = "DROP TRIGGER reservation_changes_noted ON reservations_reservation;"


class Migration(migrations.Migration):
    dependencies = [("reservations", "0001_initial"), ("concerts", "0002_seat_changes")]

    operations = [migrations.RunSQL(NOTE_CHANGES, UNDO)]
