"""The roles of staff, as groups. Made once: afterwards they are staff's, who may change them."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEW = ("view",)
WRITE = ("view", "add", "change")

# role → what it may do with each model: these verbs, and the permissions that a model has of its own
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "Box office": {
        "accounts.user": VIEW,
        "concerts.concert": VIEW,
        "concerts.concertprice": VIEW,
        "concerts.performance": VIEW,
        "concerts.seat": (*VIEW, "block_seat"),
        "concerts.seatingplan": VIEW,
        "concerts.venue": VIEW,
        "queue.waitingroom": VIEW,
        "queue.queueentry": VIEW,
        "reservations.reservation": (*VIEW, "release_reservation", "move_reservation"),
        "reservations.reservationseat": VIEW,
        "payments.payment": (*VIEW, "refund_payment"),
        "wallet.wallet": VIEW,
    },
    "Promoter": {
        "concerts.concert": VIEW,
        "concerts.concertprice": VIEW,
        "concerts.performance": VIEW,
        "concerts.seat": VIEW,
        "concerts.seatingplan": VIEW,
        "concerts.venue": VIEW,
        "queue.waitingroom": VIEW,
        "reservations.reservation": VIEW,
        "reservations.reservationseat": VIEW,
        "payments.payment": VIEW,
    },
    "Support": {
        "accounts.user": VIEW,
        "concerts.concert": VIEW,
        "concerts.performance": VIEW,
        "concerts.seat": VIEW,
        "concerts.venue": VIEW,
        "queue.waitingroom": VIEW,
        "queue.queueentry": (*VIEW, "remove_queueentry"),
        "reservations.reservation": (*VIEW, "release_reservation"),
        "reservations.reservationseat": VIEW,
        "payments.payment": (*VIEW, "refund_payment"),
        "wallet.wallet": (*VIEW, "adjust_wallet"),
        "wallet.walletentry": VIEW,
        "core.staffaction": VIEW,
    },
    "Operations": {
        "concerts.concert": (*WRITE, "publish_concert", "resume_sale"),
        "concerts.concertprice": (*WRITE, "delete"),
        "concerts.performance": (*WRITE, "call_off_performance"),
        # Made from plans.
        "concerts.seat": (*VIEW, "add"),
        "concerts.seatingplan": (*WRITE, "delete"),
        "concerts.venue": WRITE,
        "queue.waitingroom": (*WRITE, "steer_waitingroom"),
        "queue.queueentry": (*VIEW, "remove_queueentry"),
        "core.staffaction": VIEW,
        "core.integrityfinding": VIEW,
        "django_celery_beat.periodictask": WRITE,
        "django_celery_beat.intervalschedule": WRITE,
        "django_celery_beat.crontabschedule": WRITE,
    },
}
VERBS = ("view", "add", "change", "delete")


def make_roles(apps: Any, schema_editor: Any) -> None:
    """Make the roles that do not exist yet; leave those that do as they are."""
    labels = {label.partition(".")[0] for may in ROLES.values() for label in may}
    for label in sorted(labels):
        # Django makes permissions only once all migrations are over.
        create_permissions(installed.get_app_config(label), verbosity=0)
    groups = apps.get_model("auth", "Group").objects
    permissions = apps.get_model("auth", "Permission").objects
    for name, may in ROLES.items():
        group, is_new = groups.get_or_create(name=name)
        if is_new:
            for model, verbs in may.items():
                group.permissions.add(*permissions.filter(**_named(model, verbs)))


def _named(model: str, verbs: tuple[str, ...]) -> dict[str, Any]:
    app, _, name = model.partition(".")
    return {
        "content_type__app_label": app,
        "content_type__model": name,
        "codename__in": [f"{verb}_{name}" if verb in VERBS else verb for verb in verbs],
    }


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("accounts", "0003_staff_lists"),
        ("concerts", "0005_seating_plans"),
        ("core", "0002_staff_actions"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
        ("payments", "0003_staff_lists"),
        ("queue", "0006_staff_permissions"),
        ("reservations", "0005_staff_lists"),
        ("wallet", "0004_staff_lists"),
    ]

    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
