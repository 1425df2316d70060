"""Who may what: the whole matrix, compared with the database and with what the admin answers."""

import re
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from apps.accounts.roles import ACTIONS, ROLES, describe_permission, name_role
from tests.backoffice.pages import BEFORE, PARAMETER, list_patterns
from tests.backoffice.rows import make_rows
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("roles")]

migration = import_module("apps.backoffice.migrations.0001_roles")

BOX, PROMOTER, SUPPORT, OPERATIONS = "Box office", "Promoter", "Support", "Operations"
VERBS = ("view", "add", "change", "delete")
# model → role → what it may do with it, in a word: v(iew), a(dd), c(hange), d(elete), and what the model
# has of its own. Every model that the admin shows stands here: whoever adds one decides who may see it,
# and grants that in a migration of the back office.
MATRIX = {
    "accounts.user": {BOX: "v", SUPPORT: "v"},
    "auth.group": {},
    "concerts.concert": {
        BOX: "v", PROMOTER: "v", SUPPORT: "v", OPERATIONS: "vac publish_concert resume_sale",
    },
    "concerts.concertprice": {BOX: "v", PROMOTER: "v", OPERATIONS: "vacd"},
    "concerts.performance": {
        BOX: "v", PROMOTER: "v", SUPPORT: "v", OPERATIONS: "vac call_off_performance",
    },
    "concerts.seat": {BOX: "v block_seat", PROMOTER: "v", SUPPORT: "v", OPERATIONS: "va"},
    "concerts.seatingplan": {BOX: "v", PROMOTER: "v", OPERATIONS: "vacd"},
    "concerts.venue": {BOX: "v", PROMOTER: "v", SUPPORT: "v", OPERATIONS: "vac"},
    "queue.waitingroom": {
        BOX: "v", PROMOTER: "v", SUPPORT: "v", OPERATIONS: "vac steer_waitingroom",
    },
    "queue.queueentry": {
        BOX: "v", SUPPORT: "v remove_queueentry", OPERATIONS: "v remove_queueentry",
    },
    "reservations.reservation": {
        BOX: "v release_reservation move_reservation",
        PROMOTER: "v",
        SUPPORT: "v release_reservation",
    },
    "payments.payment": {BOX: "v refund_payment", PROMOTER: "v", SUPPORT: "v refund_payment"},
    "wallet.wallet": {BOX: "v", SUPPORT: "v adjust_wallet"},
    "wallet.walletentry": {SUPPORT: "v"},
    "core.staffaction": {SUPPORT: "v", OPERATIONS: "v"},
    "core.integrityfinding": {OPERATIONS: "v"},
    "django_celery_beat.periodictask": {OPERATIONS: "vac"},
    "django_celery_beat.intervalschedule": {OPERATIONS: "vac"},
    "django_celery_beat.crontabschedule": {OPERATIONS: "vac"},
}  # fmt: skip
# Shown beside their owners alone.
INLINE = {"reservations.reservationseat": {BOX: "v", PROMOTER: "v", SUPPORT: "v"}}
# Seats are made from plans: to add them is a right without a form.
WITHOUT_FORM = {"concerts.seat"}
EVERYBODY = (*ROLES, None)


def codenames(model, word):
    """Return the permissions that a word of the matrix stands for."""
    verbs, *own = word.split(" ")
    name = model.partition(".")[2]
    return {f"{verb}_{name}" for verb in VERBS if verb[0] in verbs} | set(own)


def expected(role):
    """Return what a role may do, as `app.codename`."""
    return {
        f"{model.partition('.')[0]}.{codename}"
        for model, roles in {**MATRIX, **INLINE}.items()
        if role in roles
        for codename in codenames(model, roles[role])
    }


def granted(group):
    names = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in names}


@pytest.fixture(params=EVERYBODY)
def role(request):
    """Each role, and None: staff without one."""
    return request.param


@pytest.fixture
def member(role):
    """A browser of a member of staff who has the role alone."""
    user = UserFactory(is_staff=True)
    if role:
        user.groups.add(Group.objects.get(name=role))
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user)
    return client


def test_the_matrix_names_every_model_of_the_admin():
    shown = {model._meta.label_lower for model in admin.site._registry}
    undecided = shown - set(MATRIX)
    assert undecided == set(), "no role may see these models: decide"
    assert set(MATRIX) - shown == set()


def test_it_names_every_permission_of_our_own():
    named = {
        codename
        for model, roles in MATRIX.items()
        for word in roles.values()
        for codename in codenames(model, word)
    }
    ours = {
        codename
        for model in apps.get_models()
        if model.__module__.startswith("apps.")
        for codename, _name in model._meta.permissions
    }
    assert ours - named == set(), "no role has these permissions: decide"


def test_each_role_may_exactly_what_the_matrix_says():
    for name in ROLES:
        assert granted(Group.objects.get(name=name)) == expected(name), name
    assert Group.objects.count() == len(ROLES)


def test_what_staff_changed_stays():
    box_office = Group.objects.get(name=BOX)
    box_office.permissions.set(Permission.objects.filter(codename="view_concert"))
    Group.objects.get(name=PROMOTER).delete()
    migration.make_roles(apps, None)
    assert granted(box_office) == {"concerts.view_concert"}
    assert granted(Group.objects.get(name=PROMOTER)) == expected(PROMOTER)


def test_each_role_is_told_in_korean_too(settings):
    settings.LANGUAGE_CODE = "ko"
    names = [name_role(Group(name=name)) for name in ROLES]
    assert not set(names) & set(ROLES)
    assert name_role(Group(name="ushers")) == "ushers"


def test_every_permission_that_can_be_given_has_words():
    for model in admin.site._registry:
        for permission in Permission.objects.filter(
            content_type__app_label=model._meta.app_label,
            content_type__model=model._meta.model_name,
        ):
            codename = permission.codename
            assert codename in ACTIONS or codename.split("_")[0] in VERBS, codename
            assert describe_permission(permission).count(": ") == 1


def answers(client, name, *args):
    return client.get(reverse(f"admin:{name}", args=args)).status_code


@pytest.mark.usefixtures("clock_at_now")
def test_lists_and_forms_answer_as_the_matrix_says(member, role):
    rows = make_rows()
    assert set(rows) == set(MATRIX)
    for model, row in rows.items():
        word = MATRIX[model].get(role, "").split(" ")[0]
        base = model.replace(".", "_")
        sees = 200 if "v" in word else 403
        adds = 200 if "a" in word and model not in WITHOUT_FORM else 403
        assert answers(member, f"{base}_changelist") == sees, model
        assert answers(member, f"{base}_change", row.pk) == sees, model
        assert answers(member, f"{base}_history", row.pk) == sees, model
        assert answers(member, f"{base}_add") == adds, model
        # Nobody writes what the matrix does not say: an empty form is refused before it is read.
        if "c" not in word:
            refused = member.post(reverse(f"admin:{base}_change", args=[row.pk]), {})
            assert refused.status_code == 403, model
        if "d" not in word:
            assert answers(member, f"{base}_delete", row.pk) == 403, model
    for model, row in rows.items():
        assert type(row).objects.filter(pk=row.pk).exists(), model


ANYONE = None
# Every other address of the admin, and the permission without which it is refused.
OTHERS = {
    "index": ANYONE,
    "search": ANYONE,  # of what the side bar shows
    "password_change_done": ANYONE,
    "jsi18n": ANYONE,
    "two_step_manage": ANYONE,
    "front_page_data": ANYONE,  # each part of it asks by itself
    "cases": "accounts.view_user",
    "customer_case": "accounts.view_user",
    "reservation_case": "accounts.view_user",  # whose story it tells
    "seat_map": "concerts.view_seat",
    "seat_map_seats": "concerts.view_seat",
    "seat_map_claim": "reservations.view_reservation",
    "seat_map_preview": "concerts.view_seat",  # what each act takes is asked once the act is read
    "seat_map_act": "concerts.view_seat",
    "core_staffaction_export": "core.view_staffaction",
    "accounts_user_open_case": "accounts.view_user",
    "queue_queueentry_open_case": "accounts.view_user",
    "reservations_reservation_open_case": "accounts.view_user",
    "payments_payment_open_case": "accounts.view_user",
    "wallet_wallet_open_case": "accounts.view_user",
    "wallet_walletentry_open_case": "wallet.view_walletentry",  # and the customer's, as its role has
    "concerts_venue_draw_plan": "concerts.add_seatingplan",
    "concerts_seatingplan_preview": "concerts.add_seatingplan",
    "concerts_concert_import": "concerts.add_concert",
    "concerts_concert_process_import": "concerts.add_concert",
    "concerts_concert_export": "concerts.view_concert",
    "concerts_concert_add_performances": "concerts.add_performance",
    "concerts_concert_publish": "concerts.publish_concert",
    "concerts_concert_unpublish": "concerts.publish_concert",
    "concerts_concert_resume_sale": "concerts.resume_sale",
    "concerts_concertprice_import": "concerts.add_concertprice",
    "concerts_concertprice_process_import": "concerts.add_concertprice",
    "concerts_concertprice_export": "concerts.view_concertprice",
    "concerts_performance_import": "concerts.add_performance",
    "concerts_performance_process_import": "concerts.add_performance",
    "concerts_performance_export": "concerts.view_performance",
    "concerts_performance_open_seat_map": "concerts.view_seat",
    "concerts_performance_make_seats": "concerts.add_seat",
    "concerts_performance_call_off": "concerts.call_off_performance",
    "concerts_seat_export": "concerts.view_seat",
    "concerts_seat_block": "concerts.block_seat",
    "concerts_seat_unblock": "concerts.block_seat",
    "wallet_wallet_adjust": "wallet.adjust_wallet",
    "queue_queueentry_remove": "queue.remove_queueentry",
    "queue_waitingroom_now": "queue.view_waitingroom",
    "queue_waitingroom_forecast": "queue.steer_waitingroom",
    "queue_waitingroom_open_room": "queue.steer_waitingroom",
    "queue_waitingroom_pause_room": "queue.steer_waitingroom",
    "queue_waitingroom_drain_room": "queue.steer_waitingroom",
    "queue_waitingroom_close_room": "queue.steer_waitingroom",
    "queue_waitingroom_change_limits": "queue.steer_waitingroom",
    "payments_payment_refund": "payments.refund_payment",
    "reservations_reservation_release": "reservations.release_reservation",
    "reservations_reservation_refund": "payments.refund_payment",
}
# Answered by Django itself: to whoever has not signed in, by what a list asks for, or as not found.
DJANGOS = {"", "logout", "app_list", "autocomplete", "view_on_site"}
FORMS = re.compile(r"_(changelist|add|change|delete|history|password_change)$")
OWNERS = {
    "performance_id": "concerts.performance",
    "reservation_id": "reservations.reservation",
    "customer_id": "accounts.user",
}


def list_others():
    return {
        name: route
        for name, route in list_patterns()
        if name not in BEFORE | DJANGOS and not FORMS.search(f"_{name}")
    }


def test_every_other_address_is_decided():
    assert set(list_others()) == set(OTHERS), "who may open these? decide"


@pytest.mark.usefixtures("clock_at_now")
def test_every_other_address_answers_as_it_is_decided(member, role):
    rows = make_rows()
    may = expected(role)
    wrong = []
    for name, route in list_others().items():
        base = route.split("/")[2:4]
        own = rows.get(".".join(base))

        def fill(match, own=own):
            return str(rows.get(OWNERS.get(match[1], ""), own).pk)

        address = PARAMETER.sub(fill, route)
        answer = member.get(address)
        if answer.status_code == 405:
            answer = member.post(address)
        allowed = OTHERS[name] is ANYONE or OTHERS[name] in may
        let_in = answer.status_code != 403 and "/login/" not in answer.headers.get("Location", "")
        if let_in != allowed or answer.status_code >= 500:
            wrong.append((name, address, answer.status_code))
    assert wrong == []
