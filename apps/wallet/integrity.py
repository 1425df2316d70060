"""Which rows of wallets break an invariant."""

from apps.core.integrity import Check, expect_constraints, expect_functions, expect_triggers

_WRONG_BALANCES = """
SELECT 'wallet:' || customer_id,
       'holds ' || balance || ', but its entries add up to ' || posted, NULL::bigint
  FROM (SELECT w.customer_id, w.balance, COALESCE(e.posted, 0) AS posted
          FROM wallet_wallet w
          LEFT JOIN (SELECT wallet_id, sum(amount) AS posted FROM wallet_walletentry
                      GROUP BY wallet_id) AS e ON e.wallet_id = w.customer_id) AS wallets
 WHERE balance <> posted
 UNION ALL
SELECT 'wallet:' || customer_id, 'holds ' || balance || ', which is less than nothing', NULL
  FROM wallet_wallet WHERE balance < 0
"""

# Entries are written under their wallet's lock, so ids tell their order. It is that of the index.
_BROKEN_CHAIN = """
SELECT 'walletentry:' || id,
       'leaves ' || balance_after || ' after ' || amount || ', but the balance before it was ' || before,
       NULL::bigint
  FROM (SELECT id, amount, balance_after,
               lead(balance_after, 1, 0::bigint) OVER (PARTITION BY wallet_id ORDER BY id DESC) AS before
          FROM wallet_walletentry) AS entries
 WHERE balance_after <> before + amount OR balance_after < 0
"""

_TRIGGERS = (
    ("wallet_wallet", "wallet_balance_guarded", "wallet_guard_balance"),
    ("wallet_walletentry", "wallet_entry_posts", "wallet_post_entry"),
    ("wallet_walletentry", "wallet_entry_append_only", "wallet_refuse_change"),
    ("wallet_walletentry", "wallet_entry_no_truncate", "wallet_refuse_change"),
    ("accounts_user", "user_rehearsal_fixed", "accounts_refuse_marking"),
)
# The ledger lets go of the entries of rehearsals alone. That its rule is this one, word for word, and
# makes no other exception, is proven by the MD5 of its source.
_FUNCTIONS = (("wallet_refuse_change", "06b85f447a49bf3f4ca0cec1bb4e6c4e"),)
_CONSTRAINTS = (
    ("wallet_wallet", "wallet_balance"),
    ("wallet_walletentry", "wallet_entry_sign"),
    ("wallet_walletentry", "wallet_entry_reference"),
    ("wallet_walletentry", "wallet_entry_once_for_each_reference"),
)

_UNKNOWN_CHARGES = """
SELECT 'idempotencykey:' || k.id, 'answers with an entry that is not there: ' || left(k.body, 90),
       NULL::bigint
  FROM core_idempotencykey k
  LEFT JOIN wallet_walletentry e
    ON e.wallet_id = k.customer_id AND e.kind = 'charge'
   AND e.id::text = split_part(split_part(k.body, '"entry":{"id":', 2), ',', 1)
 WHERE k.path = '/api/v1/wallet/charges' AND e.id IS NULL
"""

_UNRECORDED = """
SELECT 'walletentry:' || e.id, 'was booked by staff, and nobody recorded who and why', NULL::bigint
  FROM wallet_walletentry e
 WHERE e.kind = 'adjustment'
   AND NOT EXISTS (SELECT FROM core_staffaction a WHERE a.subject = 'walletentry:' || e.id)
   AND NOT EXISTS (SELECT FROM core_staffaction a
                    WHERE a.subject = 'wallet:' || e.wallet_id AND a.at = e.created_at)
"""

CHECKS = (
    Check(invariant=2, sql=_WRONG_BALANCES),
    Check(invariant=2, sql=_BROKEN_CHAIN),
    expect_triggers(2, _TRIGGERS),
    expect_functions(2, _FUNCTIONS),
    expect_constraints(2, _CONSTRAINTS),
    Check(invariant=8, sql=_UNKNOWN_CHARGES),
    Check(invariant=9, sql=_UNRECORDED),
)
