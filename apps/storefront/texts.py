"""What the scripts say, by key. `{name}` is filled in by the script; `.one` and `.other` are plurals."""

from django.utils.translation import gettext_lazy as _

COMMON = {
    "busy": _("Very many people are here right now. We keep trying …"),
    "offline": _("No connection. We go on as soon as it is back."),
    "online": _("Connected again."),
    "failed": _("That did not work. Please try again in a moment."),
    "session_over": _("Your sign-in has ended. Please sign in again; your place is kept."),
    "loading": _("Loading …"),
    "retry": _("Try again"),
    "sign_in": _("Sign in"),
    "sign_out": _("Sign out"),
}

CONCERTS = {
    "on_sale": _("On sale now"),
    "soon": _("Opening soon"),
    "over": _("Sale has ended"),
    "none": _("There are no concerts right now."),
    "none_found": _("No concert matches “{query}”."),
    "opens_at": _("Sale opens {time}"),
    "until": _("On sale until {time}"),
    "price_range": _("{from} – {to}"),
    "enter": _("Book seats"),
    "enter_early": _("Go to the waiting room"),
    "unknown_concert": _("This concert does not exist, or is no longer shown."),
}

SIGN_IN = {
    "wrong": _("E-mail address or password is wrong."),
    "fill_in": _("Please enter your e-mail address and your password."),
}

TICKETS = {
    "seat": _("{section}, row {row}, seat {number}"),
    "total": _("Total {total}"),
    "pending_payment": _("Waiting for payment"),
    "confirmed": _("Booked"),
    "expired": _("Time ran out"),
    "cancelled": _("Cancelled"),
    "deadline": _("Not paid in time; the seats went back on sale"),
    "customer": _("Cancelled by you"),
    "staff": _("Cancelled by the box office"),
    "called_off": _("The performance was called off"),
}

CHECKOUT = {
    "pay": _("Pay {total}"),
    "charge_and_pay": _("Top up and pay"),
    "balance": _("Your balance: {balance}"),
    "too_low": _("{missing} more is needed. Top up here, and pay in the same step."),
    "paying": _("Paying … please stay on this page."),
    "give_back": _("Give the seats back"),
    "over": _("The time to pay is over"),
    "over_detail": _("The seats went back on sale and nothing was charged. You can choose again."),
    "cancelled": _("This booking was cancelled"),
    "choose_again": _("Choose seats again"),
    "unknown": _("There is no booking of yours at this address."),
    "minutes_left.one": _("{count} minute left to pay"),
    "minutes_left.other": _("{count} minutes left to pay"),
    "seconds_left.one": _("{count} second left to pay"),
    "seconds_left.other": _("{count} seconds left to pay"),
}

RECEIPT = {
    "paid": _("Payment {id}, {time}"),
    "refunded": _("This payment was given back to your wallet."),
    "print": _("Print"),
    "bookings": _("My bookings"),
}

RESERVATIONS = {
    "pay": _("Pay now"),
    "receipt": _("Receipt"),
    "cancel": _("Cancel booking"),
    "cancel_title": _("Cancel this booking?"),
    "cancel_paid": _("The seats go back on sale, and {total} goes back to your wallet."),
    "cancel_unpaid": _("The seats go back on sale."),
    "cancel_yes": _("Yes, cancel it"),
    "cancel_no": _("Keep it"),
    "cancelled": _("The booking is cancelled."),
}

PAYMENTS = {
    "succeeded": _("Paid"),
    "refunded": _("Given back"),
}

WALLET = {
    "amount": _("Amount ({currency})"),
    "amount_wrong": _("Please enter an amount of up to {most}."),
    "top_up": _("Top up"),
    "charge": _("Top-up"),
    "charged": _("{amount} was added."),
    "payment": _("Payment"),
    "refund": _("Refund"),
    "adjustment": _("Adjustment"),
}

LINE = {
    "title": _("Waiting room"),
    "title_waiting": _("No. {position} in line"),
    "title_opening": _("Opens in {left}"),
    "title_turn": _("It is your turn!"),
    "people.one": _("{count} person"),
    "people.other": _("{count} people"),
    "next": _("Nobody. You are next!"),
    "about": _("about {time}"),
    "days.one": _("{count} day"),
    "days.other": _("{count} days"),
    "hours.one": _("{count} hour"),
    "hours.other": _("{count} hours"),
    "minutes.one": _("{count} minute"),
    "minutes.other": _("{count} minutes"),
    "wait_short": _("less than a minute"),
    "wait_long": _("a day or more"),
    "wait_unknown": _("not known at the moment"),
    "told": _("You are no. {position} in line. Estimated wait: {wait}."),
    "told_paused": _(
        "You are no. {position} in line. Nobody is let in at the moment; your place is kept."
    ),
    "opens_at": _("The waiting room opens {time}."),
    "session_until": _("You have until {time} to choose your seats and pay."),
    "out": _("You are no longer in line"),
    "not_yet": _("It is not your turn yet"),
    "closed": _("The waiting room is closed"),
    "out_reissued": _(
        "You have joined this line again in another browser or on another device, and only the "
        "latest place counts. Please go on there: joining again here ends that place."
    ),
    "out_idle": _(
        "We heard nothing from this browser for a while, so your place was given to the next in line."
    ),
    "out_session_over": _("Your time inside is over, so that others can come in."),
    "out_paid": _("Your payment is made, and your turn has ended with it."),
    "out_left": _("You have left the line."),
    "out_removed": _("Our staff have taken you out of the line."),
    "out_invalid": _("This browser has no place in line any more."),
    "out_waiting": _("Your place is kept. Please wait until you are let in."),
    "out_signed_out": _(
        "You are signed out. If it was only your sign-in that ended, your place is kept for a short "
        "while: please sign in again."
    ),
    "out_closed": _("It takes nobody at the moment. Please try again later."),
    "end_of_line": _("You can join again; you start at the end of the line."),
    "again": _("Join the line again"),
    "back": _("Back to the line"),
    "leave_title": _("Leave the line?"),
    "leave_text": _("Your place is given to the next. Whoever joins again starts at the end."),
    "leave_yes": _("Leave the line"),
    "leave_no": _("Keep my place"),
}

SEATS = {
    "title": _("Choose seats"),
    "short": _("{section} {row}-{number}"),
    "free": _("free"),
    "taken": _("taken"),
    "chosen": _("chosen"),
    "left.one": _("{count} left"),
    "left.other": _("{count} left"),
    "none_left": _("sold out"),
    "row_of": _("Section {section}, row {row}"),
    "choose_date": _("Choose a date"),
    "choose_time": _("Choose a performance"),
    "total.one": _("{count} seat, {total}"),
    "total.other": _("{count} seats, {total}"),
    "remove": _("Deselect"),
    "remove_one": _("Deselect {seat}"),
    "holding": _("Holding your seats …"),
    "lost": _("Taken by somebody else: {seats}. None of your seats is held yet."),
    "alternatives": _("These seats are free nearby, or choose others yourself."),
    "no_alternatives": _("Please choose other seats."),
    "take": _("Take these: {seats}"),
    "taken_meanwhile": _("Somebody else has just taken {seats}. Please choose others."),
    "limit": _(
        "You can have {limit} seats of this performance at most, those that you hold or have booked "
        "included. Please remove some."
    ),
    "not_bookable": _("This date can no longer be booked. Please choose another."),
    "sale_stopped": _(
        "The sale is paused for a check. Nothing is lost or charged; please try again in a few minutes."
    ),
    "to_checkout": _("Pay for these"),
    "pay_until": _("to be paid by {time}"),
    "minutes_inside.one": _("{count} minute left to choose and pay"),
    "minutes_inside.other": _("{count} minutes left to choose and pay"),
    "seconds_inside.one": _("{count} second left to choose and pay"),
    "seconds_inside.other": _("{count} seconds left to choose and pay"),
}

TEXTS = {
    **{f"common.{key}": text for key, text in COMMON.items()},
    **{f"concerts.{key}": text for key, text in CONCERTS.items()},
    **{f"sign_in.{key}": text for key, text in SIGN_IN.items()},
    **{f"line.{key}": text for key, text in LINE.items()},
    **{f"seats.{key}": text for key, text in SEATS.items()},
    **{f"tickets.{key}": text for key, text in TICKETS.items()},
    **{f"checkout.{key}": text for key, text in CHECKOUT.items()},
    **{f"receipt.{key}": text for key, text in RECEIPT.items()},
    **{f"reservations.{key}": text for key, text in RESERVATIONS.items()},
    **{f"payments.{key}": text for key, text in PAYMENTS.items()},
    **{f"wallet.{key}": text for key, text in WALLET.items()},
}
