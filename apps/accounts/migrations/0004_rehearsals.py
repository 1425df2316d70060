"""Whom a rehearsal made is marked when made, and never afterwards."""

from django.db import migrations, models

FIX_MARK = """
CREATE FUNCTION accounts_refuse_marking() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'whom a rehearsal made is marked when made, and never afterwards'
        USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER user_rehearsal_fixed BEFORE UPDATE ON accounts_user
    FOR EACH ROW WHEN (OLD.rehearsal IS DISTINCT FROM NEW.rehearsal)
    EXECUTE FUNCTION accounts_refuse_marking();
"""

UNDO = """
DROP TRIGGER user_rehearsal_fixed ON accounts_user;
DROP FUNCTION accounts_refuse_marking();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_staff_lists")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="rehearsal",
            field=models.CharField(editable=False, max_length=50, null=True),
        ),
        migrations.RunSQL(FIX_MARK, UNDO),
    ]
