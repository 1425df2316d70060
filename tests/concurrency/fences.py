"""The map of races: which two meet, what stands between them, and which tests see it stand and fall.

`python -m tests.concurrency.fences` prints it as the table of docs/reliability.md; `test_fences.py` keeps
the two together, and every name in it true.
"""

from typing import NamedTuple


class Fence(NamedTuple):
    """A fence between two who meet.

    `made_of` names functions by their modules, and what the database has by `index:` or `trigger:`.
    The `races` go well, in both orders; the `controls` go wrong as soon as the fence is taken away.
    """

    between: tuple[str, str]
    keeps: str
    made_of: tuple[str, ...]
    races: tuple[str, ...]
    controls: tuple[str, ...]


# Who can meet whom over seats and money. Each pair has a fence, a race and a control.
PAIRS = {
    ("hold", "hold"),
    ("hold", "sweep"),
    ("reserve", "sweep"),
    ("pay", "sweep"),
    ("pay", "pay with the same key"),
    ("pay", "pay with another key"),
    ("pay", "cancel"),
    ("cancel", "cancel"),
    ("charge", "pay"),
    ("pay", "take over"),
    ("load concerts", "hold"),
    ("release by staff", "pay"),
    ("refund by staff", "cancel"),
    ("call off", "pay"),
    ("adjust by staff", "pay"),
}

FENCES = (
    # Seats
    Fence(
        ("hold", "hold"),
        "a seat is held once",
        ("apps.reservations.services.ask_seats",),
        (
            "test_seats.test_the_second_waits_and_is_told_which_seat_is_lost",
            "test_seats.test_one_of_twenty_gets_the_seat",
        ),
        (
            "test_seats.test_the_second_waits_without_fences_both_get_the_seat",
            "test_seats.test_one_of_twenty_gets_the_seat_without_fences_all_do",
        ),
    ),
    Fence(
        ("hold", "hold"),
        "a seat is held once, were every lock forgotten",
        ("index:reservation_seat_claimed_once",),
        ("test_seats.test_the_index_alone_is_fence_enough",),
        ("test_seats.test_the_second_waits_without_fences_both_get_the_seat",),
    ),
    Fence(
        ("hold", "hold"),
        "seats asked for in opposite order do not deadlock",
        ("apps.core.db.lock_rows",),
        ("test_seats.test_sets_in_opposite_order_never_deadlock",),
        ("test_seats.test_sets_in_opposite_order_locked_as_asked_for_deadlock",),
    ),
    Fence(
        ("hold", "hold"),
        "who wants other seats does not wait",
        ("apps.reservations.services.ask_seats",),
        ("test_seats.test_who_wants_different_seats_never_waits",),
        ("test_seats.test_who_wants_different_seats_waits_where_a_lock_is_too_wide",),
    ),
    Fence(
        ("hold", "hold"),
        "one customer's limit",
        ("apps.queue.transitions.lock_admitted_entry",),
        (
            "test_seats.test_two_requests_of_one_customer_keep_the_limit",
            "test_seats.test_many_requests_of_one_customer_keep_the_limit",
        ),
        (
            "test_seats.test_two_requests_of_one_customer_exceed_the_limit"
            "_without_the_lock_on_the_entry",
        ),
    ),
    Fence(
        ("block a seat", "hold"),
        "a blocked seat is not held",
        ("apps.reservations.services.ask_seats",),
        ("test_seats.test_a_seat_that_staff_block_meanwhile_is_not_held",),
        ("test_seats.test_a_seat_that_staff_block_meanwhile_is_held_without_a_lock",),
    ),
    Fence(
        ("load concerts", "hold"),
        "what is held is neither changed nor removed, and at the price that it has",
        ("apps.reservations.seating.lock_rows", "apps.reservations.services.ask_seats"),
        (
            "test_load_concerts.test_the_file_first_and_the_seats_are_gone",
            "test_load_concerts.test_the_file_first_and_the_new_price_is_held",
            "test_load_concerts.test_a_hold_first_and_the_file_is_refused",
        ),
        (
            "test_load_concerts.test_without_the_lock_the_old_price_is_held",
            "test_load_concerts.test_without_the_lock_a_taken_seat_would_be_changed",
        ),
    ),
    Fence(
        ("make seats", "hold"),
        "what is held keeps its price and its place",
        ("apps.reservations.seating.lock_rows",),
        (
            "test_plan_seats.test_a_hold_first_and_its_seats_keep_their_price",
            "test_plan_seats.test_the_plan_first_and_the_new_price_is_held",
        ),
        ("test_plan_seats.test_without_the_lock_a_taken_seat_would_be_changed",),
    ),
    Fence(
        ("hold", "pay"),
        "one customer's limit, by clocks that differ",
        ("apps.reservations.transitions.release_overdue_claims",),
        ("test_deadlines.test_what_was_not_counted_against_the_limit_is_not_paid",),
        ("test_deadlines.test_what_was_not_counted_is_paid_where_nobody_writes_it_down",),
    ),
    # Deadlines
    Fence(
        ("hold", "sweep"),
        "an overdue hold is ended once, and the sweep waits for nobody",
        (
            "apps.reservations.transitions.release_overdue_claims",
            "apps.reservations.services.expire_holds",
        ),
        (
            "test_deadlines.test_a_take_over_and_then_the_sweep",
            "test_deadlines.test_the_sweep_and_then_a_take_over",
            "test_deadlines.test_many_take_over_while_sweeps_run",
        ),
        ("test_deadlines.test_a_take_over_and_then_a_sweep_that_does_not_pass_over",),
    ),
    Fence(
        ("reserve", "sweep"),
        "what is reserved in time is not swept, what is swept not reserved",
        (
            "apps.reservations.transitions.lock_reservation",
            "apps.reservations.services.expire_holds",
        ),
        (
            "test_deadlines.test_reserving_and_then_the_sweep",
            "test_deadlines.test_the_sweep_and_then_reserving",
        ),
        (
            "test_deadlines.test_reserving_and_then_a_sweep_that_does_not_pass_over",
            "test_deadlines.test_the_sweep_and_then_reserving_without_a_lock",
        ),
    ),
    Fence(
        ("pay", "sweep"),
        "what is paid in time is not swept, what is swept not paid",
        (
            "apps.reservations.transitions.lock_reservation",
            "apps.reservations.services.expire_holds",
        ),
        (
            "test_deadlines.test_paying_and_then_the_sweep",
            "test_deadlines.test_the_sweep_and_then_paying",
        ),
        (
            "test_deadlines.test_paying_and_then_a_sweep_that_does_not_pass_over",
            "test_deadlines.test_the_sweep_and_then_paying_without_a_lock",
        ),
    ),
    Fence(
        ("pay", "take over"),
        "a seat is paid for or taken over",
        ("apps.reservations.transitions.lock_reservation",),
        (
            "test_deadlines.test_paying_and_then_a_take_over",
            "test_deadlines.test_a_take_over_and_then_paying",
        ),
        (
            "test_deadlines.test_paying_and_then_a_take_over_without_a_lock",
            "test_deadlines.test_a_take_over_and_then_paying_without_a_lock",
        ),
    ),
    # Money
    Fence(
        ("pay", "pay with the same key"),
        "one outcome for a key",
        ("apps.core.idempotency.claim_key",),
        (
            "test_money.test_one_key_while_the_first_is_in_flight",
            "test_money.test_one_key_sent_many_times_at_once",
        ),
        ("test_money.test_one_key_while_the_first_is_in_flight_without_the_lock_on_the_key",),
    ),
    Fence(
        ("pay", "pay with another key"),
        "a reservation is paid once",
        (
            "apps.queue.transitions.lock_admitted_entry",
            "apps.reservations.transitions.lock_reservation",
        ),
        (
            "test_money.test_two_keys",
            "test_money.test_the_second_payment_waits_and_is_refused",
            "test_money.test_many_payments_at_once",
        ),
        ("test_money.test_the_second_payment_without_fences_is_made",),
    ),
    Fence(
        ("pay", "pay with another key"),
        "a reservation is paid once, were every lock forgotten",
        ("index:payments_payment_reservation_id_key",),
        ("test_money.test_the_unique_payment_alone_is_fence_enough",),
        ("test_money.test_the_second_payment_without_fences_is_made",),
    ),
    Fence(
        ("pay", "pay with another key"),
        "two reservations do not overdraw one wallet",
        ("apps.wallet.transitions.lock_wallet", "trigger:wallet_entry_posts"),
        ("test_money.test_two_reservations_from_one_wallet_never_overdraw_it",),
        ("test_money.test_two_reservations_from_one_wallet_without_a_lock",),
    ),
    Fence(
        ("pay", "cancel"),
        "seats are paid for or free",
        ("apps.reservations.transitions.lock_reservation",),
        (
            "test_money.test_paying_and_then_cancelling",
            "test_money.test_cancelling_and_then_paying",
        ),
        (
            "test_money.test_paying_and_then_cancelling_without_a_lock",
            "test_money.test_cancelling_and_then_paying_without_a_lock",
        ),
    ),
    Fence(
        ("cancel", "cancel"),
        "money is given back once",
        ("apps.reservations.transitions.lock_reservation",),
        ("test_money.test_the_second_cancellation_waits_and_is_refused",),
        ("test_money.test_the_second_cancellation_without_fences_pays_twice",),
    ),
    Fence(
        ("cancel", "cancel"),
        "money is given back once, were every lock forgotten",
        ("index:wallet_entry_once_for_each_reference",),
        ("test_money.test_the_ledgers_index_alone_is_fence_enough",),
        ("test_money.test_the_second_cancellation_without_fences_pays_twice",),
    ),
    Fence(
        ("charge", "pay"),
        "a balance is the sum of its entries",
        ("apps.wallet.transitions.lock_wallet", "trigger:wallet_entry_posts"),
        (
            "test_money.test_charging_and_then_paying",
            "test_money.test_paying_and_then_charging",
            "test_money.test_many_first_charges_at_once",
        ),
        (
            "test_money.test_charging_and_then_paying_without_a_lock",
            "test_money.test_paying_and_then_charging_without_a_lock",
        ),
    ),
    # Staff
    Fence(
        ("release by staff", "pay"),
        "seats are paid for or free",
        ("apps.reservations.transitions.lock_row",),
        (
            "test_staff.test_releasing_and_then_paying",
            "test_staff.test_paying_and_then_releasing",
        ),
        (
            "test_staff.test_releasing_and_then_paying_without_a_lock",
            "test_staff.test_paying_and_then_releasing_without_a_lock",
        ),
    ),
    Fence(
        ("refund by staff", "cancel"),
        "money is given back once",
        ("apps.reservations.transitions.lock_row",),
        ("test_staff.test_a_refund_and_a_cancellation_give_the_money_once",),
        ("test_staff.test_a_refund_and_a_cancellation_without_fences_give_it_twice",),
    ),
    Fence(
        ("call off", "pay"),
        "who is paying is not refunded half-way",
        ("apps.payments.calling_off.lock_rows",),
        (
            "test_staff.test_refunding_all_passes_over_who_is_paying",
            "test_staff.test_refunding_all_and_then_paying",
        ),
        ("test_staff.test_refunding_all_without_locks_takes_the_seats_of_who_is_paying",),
    ),
    Fence(
        ("adjust by staff", "pay"),
        "no wallet is spent twice",
        ("apps.wallet.transitions.lock_wallet", "trigger:wallet_entry_posts"),
        (
            "test_adjusting.test_adjusting_and_then_paying",
            "test_adjusting.test_paying_and_then_adjusting",
        ),
        (
            "test_adjusting.test_adjusting_and_then_paying_without_a_lock",
            "test_adjusting.test_paying_and_then_adjusting_without_a_lock",
        ),
    ),
    Fence(
        ("adjust by staff", "the same sent again"),
        "one entry for a form",
        ("apps.wallet.services.find_adjustment", "index:wallet_entry_once_for_each_reference"),
        (
            "test_adjusting.test_the_second_click_waits_and_books_nothing",
            "test_adjusting.test_many_clicks_at_once_book_once",
        ),
        ("test_adjusting.test_the_second_click_without_looking_back_is_refused",),
    ),
    Fence(
        ("block by staff", "hold"),
        "a seat is blocked while it is free, or for when it is",
        ("apps.concerts.blocking.lock_rows", "apps.reservations.services.ask_seats"),
        (
            "test_staff_seats.test_blocking_and_then_holding",
            "test_staff_seats.test_holding_and_then_blocking",
        ),
        ("test_staff_seats.test_blocking_and_then_holding_without_a_lock",),
    ),
    Fence(
        ("block by staff", "block by staff"),
        "one record for one blocking",
        ("apps.concerts.blocking.lock_rows",),
        (
            "test_staff_seats.test_a_seat_is_blocked_once_and_recorded_once",
            "test_staff_seats.test_blocking_in_opposite_order_never_deadlocks",
        ),
        ("test_staff_seats.test_a_seat_is_blocked_once_and_recorded_twice_without_a_lock",),
    ),
    Fence(
        ("move by staff", "hold"),
        "a seat is moved to or held",
        ("apps.reservations.moving.lock_rows", "apps.reservations.services.ask_seats"),
        (
            "test_staff_seats.test_moving_and_then_holding_the_new_seat",
            "test_staff_seats.test_holding_and_then_moving_to_it",
        ),
        ("test_staff_seats.test_holding_and_then_moving_to_it_without_fences",),
    ),
    Fence(
        ("move by staff", "hold"),
        "a seat is moved to or held, were every lock forgotten",
        ("index:reservation_seat_claimed_once",),
        ("test_staff_seats.test_the_index_alone_keeps_a_move_from_a_seat_that_is_held",),
        ("test_staff_seats.test_holding_and_then_moving_to_it_without_fences",),
    ),
    Fence(
        ("move by staff", "move by staff"),
        "a reservation is moved from the seats that it has",
        ("apps.reservations.moving.lock_rows",),
        (
            "test_staff_seats.test_two_moves_of_one_reservation",
            "test_staff_seats.test_two_that_want_each_others_seats_never_deadlock",
        ),
        ("test_staff_seats.test_two_moves_of_one_reservation_without_a_lock",),
    ),
    Fence(
        ("move by staff", "release by staff"),
        "what has ended is not moved",
        ("apps.reservations.moving.lock_rows",),
        (
            "test_staff_seats.test_releasing_and_then_moving",
            "test_staff_seats.test_moving_and_then_releasing",
        ),
        ("test_staff_seats.test_releasing_and_then_moving_without_a_lock",),
    ),
    # Keys
    Fence(
        ("any POST", "the same with its key"),
        "one outcome for a key",
        ("apps.core.idempotency.claim_key",),
        (
            "test_keys.test_while_it_is_in_flight_nobody_waits_and_nothing_is_done",
            "test_keys.test_sent_many_times_at_once",
        ),
        ("test_keys.test_while_it_is_in_flight_without_the_lock_on_the_key",),
    ),
    Fence(
        ("an old key", "the same key"),
        "it acts anew once",
        ("apps.core.idempotency.claim_key",),
        ("test_keys.test_an_old_key_acts_anew_once",),
        ("test_keys.test_an_old_key_acts_anew_once_without_the_lock_twice",),
    ),
    Fence(
        ("an old key", "pruning"),
        "what was renewed stays",
        ("apps.core.pruning.list_old_keys",),
        (
            "test_keys.test_an_old_key_is_renewed_and_then_pruned",
            "test_keys.test_an_old_key_is_pruned_and_then_renewed",
        ),
        ("test_keys.test_an_old_key_is_renewed_and_then_pruned_by_id_alone",),
    ),
    # The line
    Fence(
        ("join", "join of the same customer"),
        "one place",
        ("apps.queue.joining.lock_name",),
        (
            "test_line.test_two_joins_of_one_customer_leave_one_place",
            "test_line.test_many_joins_of_one_customer",
        ),
        ("test_line.test_two_joins_of_one_customer_without_fences_leave_two",),
    ),
    Fence(
        ("join", "join of the same customer"),
        "one place, were the lock forgotten",
        ("index:queue_one_live_entry",),
        ("test_line.test_two_joins_of_one_customer_without_the_lock_are_stopped_by_the_index",),
        ("test_line.test_two_joins_of_one_customer_without_fences_leave_two",),
    ),
    Fence(
        ("join", "join"),
        "numbers are seen in their order",
        ("apps.queue.joining._TAKE",),
        (
            "test_line.test_no_number_is_seen_before_a_smaller_one",
            "test_line.test_many_customers_join_in_one_order",
        ),
        (
            "test_line.test_a_number_from_a_sequence_is_seen_before_a_smaller_one",
            "test_line.test_a_number_that_is_read_without_a_lock_is_taken_twice",
        ),
    ),
    Fence(
        ("leave", "count"),
        "who left is counted out",
        ("apps.queue.line.mark_departures", "apps.queue.line.take_marks"),
        (
            "test_line.test_who_leaves_before_the_count_goes_on_is_counted_by_the_next",
            "test_line.test_who_leaves_after_the_count_is_counted_by_the_next",
        ),
        (
            "test_line.test_who_leaves_without_a_mark_is_never_counted",
            "test_line.test_who_leaves_during_a_count_that_takes_the_marks_last_is_never_counted",
        ),
    ),
    Fence(
        ("sweep of the line", "sweep of the line"),
        "each ends once",
        ("apps.queue.services.lock_rows",),
        ("test_line.test_two_sweeps_end_each_once", "test_line.test_many_sweeps_at_once"),
        ("test_line.test_two_sweeps_that_do_not_pass_over",),
    ),
    Fence(
        ("leave", "sweep of the line"),
        "each ends once, for one reason",
        ("apps.queue.transitions.lock_entry", "apps.queue.services.lock_rows"),
        ("test_line.test_leaving_and_then_the_sweep", "test_line.test_the_sweep_and_then_leaving"),
        (
            "test_line.test_leaving_and_then_a_sweep_that_does_not_pass_over",
            "test_line.test_the_sweep_and_then_leaving_without_a_lock",
        ),
    ),
    Fence(
        ("call", "sweep of the line"),
        "a call does not bring back who is out",
        ("apps.queue.presence.note_presence",),
        (
            "test_line.test_a_call_while_the_sweep_is_about_to_end_the_entry",
            "test_line.test_the_sweep_and_then_a_call",
        ),
        ("test_line.test_the_sweep_and_then_a_call_that_makes_its_row",),
    ),
    Fence(
        ("admit", "admit"),
        "capacity and rate",
        ("apps.queue.admission.lock_turnstile",),
        (
            "test_admission.test_two_admitters_let_in_no_more_than_fit",
            "test_admission.test_the_rate_holds_for_two_admitters",
            "test_admission.test_many_admitters_and_joins_at_once",
        ),
        (
            "test_admission.test_two_admitters_without_the_turnstile_let_in_too_many",
            "test_admission.test_the_rate_for_two_admitters_without_the_turnstile",
        ),
    ),
    Fence(
        ("leave", "admit"),
        "nobody enters who left, nobody is overtaken",
        ("apps.queue.admission.lock_head", "apps.queue.transitions.lock_entry"),
        (
            "test_admission.test_leaving_and_then_admission",
            "test_admission.test_who_has_nearly_left_is_not_passed_over",
            "test_admission.test_admission_and_then_leaving",
        ),
        (
            "test_admission.test_leaving_and_then_admission_without_a_lock",
            "test_admission.test_who_has_nearly_left_is_overtaken_where_locked_entries_are_skipped",
            "test_admission.test_admission_and_then_leaving_without_a_lock",
        ),
    ),
    Fence(
        ("join again", "admit"),
        "the earlier place does not enter",
        ("apps.queue.admission.lock_head", "apps.queue.joining.lock_rows"),
        (
            "test_admission.test_asking_again_and_then_admission",
            "test_admission.test_admission_and_then_asking_again",
        ),
        (
            "test_admission.test_asking_again_and_then_admission_without_a_lock",
            "test_admission.test_admission_and_then_asking_again_without_a_lock",
        ),
    ),
    Fence(
        ("draw", "draw"),
        "the order is drawn once",
        ("apps.queue.admission.lock_turnstile",),
        ("test_opening.test_the_order_is_drawn_once",),
        ("test_opening.test_the_order_is_drawn_twice_without_fences",),
    ),
    Fence(
        ("draw", "draw"),
        "the order is drawn once, were the lock forgotten",
        ("index:queue_draw_once",),
        ("test_opening.test_the_unique_draw_alone_is_fence_enough",),
        ("test_opening.test_the_order_is_drawn_twice_without_fences",),
    ),
    Fence(
        ("draw", "admit"),
        "nobody enters before the order is drawn",
        ("apps.queue.admission.lock_turnstile", "apps.queue.admission.is_before_opening"),
        ("test_opening.test_nobody_enters_while_the_order_is_drawn",),
        ("test_opening.test_the_first_to_come_enters_before_the_draw_without_fences",),
    ),
    Fence(
        ("draw", "leave"),
        "who left is not drawn",
        ("apps.queue.opening._DRAW", "apps.queue.transitions.lock_entry"),
        (
            "test_opening.test_leaving_and_then_the_draw",
            "test_opening.test_the_draw_and_then_leaving",
        ),
        (
            "test_opening.test_leaving_and_then_a_draw_that_does_not_look_again",
            "test_opening.test_the_draw_and_then_leaving_without_a_lock",
        ),
    ),
    Fence(
        ("draw", "join"),
        "who joins late is behind",
        ("apps.queue.opening._DRAW",),
        ("test_opening.test_who_joins_while_the_order_is_drawn_is_behind",),
        ("test_opening.test_who_joins_is_in_front_where_the_drawn_take_new_places",),
    ),
    # Staff at the line
    Fence(
        ("steer", "steer"),
        "the record says what a room was, and nobody overwrites what they have not seen",
        ("apps.queue.steering.lock_row",),
        (
            "test_steering.test_two_changes_are_recorded_as_they_followed_one_another",
            "test_steering.test_who_saw_the_room_as_it_was_before_is_told",
            "test_steering.test_many_changes_at_once_make_one_chain",
        ),
        (
            "test_steering.test_two_changes_without_a_lock_are_recorded_wrongly",
            "test_steering.test_who_saw_the_room_as_it_was_before_overwrites_it_without_a_lock",
        ),
    ),
    Fence(
        ("steer", "join, poll, admit"),
        "nobody in line waits for staff, nor staff for them",
        ("apps.queue.steering.lock_row",),
        (
            "test_steering.test_nobody_in_line_waits_for_steering",
            "test_steering.test_steering_does_not_wait_for_an_admission",
        ),
        ("test_steering.test_nobody_in_line_waits_for_steering_but_where_it_locks_the_turnstile",),
    ),
    Fence(
        ("remove by staff", "admit"),
        "nobody enters who was removed, and a place inside is the next one's",
        ("apps.queue.steering.lock_rows", "apps.queue.admission.lock_head"),
        (
            "test_steering.test_removing_and_then_admission",
            "test_steering.test_admission_and_then_removing",
        ),
        (
            "test_steering.test_removing_and_then_admission_without_a_lock",
            "test_steering.test_admission_and_then_removing_without_a_lock",
        ),
    ),
    Fence(
        ("remove by staff", "leave"),
        "each ends once, for one reason",
        ("apps.queue.steering.lock_rows", "apps.queue.transitions.lock_entry"),
        (
            "test_steering.test_removing_and_then_leaving",
            "test_steering.test_leaving_and_then_removing",
        ),
        ("test_steering.test_leaving_and_then_removing_without_a_lock",),
    ),
    Fence(
        ("remove by staff", "remove by staff"),
        "it is recorded once",
        ("apps.queue.steering.lock_rows",),
        ("test_steering.test_two_removals_are_one",),
        ("test_steering.test_two_removals_without_a_lock_are_two",),
    ),
    # Customers
    Fence(
        ("make a customer", "make the same"),
        "one customer for an e-mail address",
        ("index:accounts_user_email_key",),
        ("test_customers.test_one_of_many_makes_the_customer_and_the_others_are_told",),
        ("test_customers.test_without_the_fence_all_of_them_do",),
    ),
)


def describe() -> str:
    """Return the map as the table of docs/reliability.md."""
    lines = ["| Between | Keeps | Fence | Red without it |", "|---|---|---|---|"]
    for fence in FENCES:
        made_of = ", ".join(f"`{name.removeprefix('apps.')}`" for name in fence.made_of)
        controls = ", ".join(f"`{name}`" for name in fence.controls)
        lines.append(f"| {' / '.join(fence.between)} | {fence.keeps} | {made_of} | {controls} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(describe())
