"""The ledger's rules, kept by the database: entries post themselves, and stay as they are."""

from django.db import migrations

POST_ENTRY = """
CREATE FUNCTION wallet_post_entry() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    posted bigint;
BEGIN
    UPDATE wallet_wallet
       SET balance = balance + NEW.amount, updated_at = NEW.created_at
     WHERE customer_id = NEW.wallet_id
    RETURNING balance INTO posted;
    IF posted IS DISTINCT FROM NEW.balance_after THEN
        RAISE EXCEPTION 'wallet % holds % after this entry, not %',
            NEW.wallet_id, posted, NEW.balance_after
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER wallet_entry_posts BEFORE INSERT ON wallet_walletentry
    FOR EACH ROW EXECUTE FUNCTION wallet_post_entry();
"""

GUARD_BALANCE = """
CREATE FUNCTION wallet_guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Depth 1 is a statement of somebody's own; the posting of an entry is deeper.
    IF TG_OP = 'INSERT' AND NEW.balance <> 0 THEN
        RAISE EXCEPTION 'a wallet begins at 0' USING ERRCODE = 'check_violation';
    ELSIF TG_OP = 'UPDATE' AND NEW.balance <> OLD.balance AND pg_trigger_depth() = 1 THEN
        RAISE EXCEPTION 'a balance changes only by a ledger entry'
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER wallet_balance_guarded BEFORE INSERT OR UPDATE ON wallet_wallet
    FOR EACH ROW EXECUTE FUNCTION wallet_guard_balance();
"""

APPEND_ONLY = """
CREATE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are never changed or deleted'
        USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER wallet_entry_append_only BEFORE UPDATE OR DELETE ON wallet_walletentry
    FOR EACH ROW EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER wallet_entry_no_truncate BEFORE TRUNCATE ON wallet_walletentry
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
"""

UNDO = """
DROP TRIGGER wallet_entry_no_truncate ON wallet_walletentry;
DROP TRIGGER wallet_entry_append_only ON wallet_walletentry;
DROP FUNCTION wallet_refuse_change();
DROP TRIGGER wallet_balance_guarded ON wallet_wallet;
DROP FUNCTION wallet_guard_balance();
DROP TRIGGER wallet_entry_posts ON wallet_walletentry;
DROP FUNCTION wallet_post_entry();
"""


class Migration(migrations.Migration):
    dependencies = [("wallet", "0001_initial")]

    operations = [migrations.RunSQL(POST_ENTRY + GUARD_BALANCE + APPEND_ONLY, UNDO)]
