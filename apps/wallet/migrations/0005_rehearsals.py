"""The ledger lets go of entries in wallets of customers whom a rehearsal made, and of nothing else."""

from django.db import migrations

# `CREATE OR REPLACE` leaves the triggers as they are: nothing is unguarded for a moment.
LET_REHEARSALS_GO = """
CREATE OR REPLACE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM FROM accounts_user WHERE id = OLD.wallet_id AND rehearsal IS NOT NULL;
        IF FOUND THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'ledger entries are never changed or deleted'
        USING ERRCODE = 'check_violation';
END $$;
"""

REFUSE_ALL = """
CREATE OR REPLACE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are never changed or deleted'
        USING ERRCODE = 'check_violation';
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("wallet", "0004_staff_lists"), ("accounts", "0004_rehearsals")]

    operations = [migrations.RunSQL(LET_REHEARSALS_GO, REFUSE_ALL)]
