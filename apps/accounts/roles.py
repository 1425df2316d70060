"""What roles and permissions are called. Who may what is data: groups, which a migration of the back office
makes and staff may change."""

from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import User

# The names of the groups that are made, which stay as they are in the database, and what each is for.
ROLES: dict[str, tuple[str | Promise, str | Promise]] = {
    "Box office": (_("Box office"), _("sells, moves, refunds, takes seats off sale")),
    "Promoter": (_("Promoter"), _("looks at concerts and their sales, and changes nothing")),
    "Support": (
        _("Support"),
        _("helps customers: places in line, reservations, payments, wallets"),
    ),
    "Operations": (_("Operations"), _("sets concerts up and steers the waiting rooms")),
}
# What one may do with any model, and what only with one.
ACTIONS: dict[str, str | Promise] = {
    "view": _("look at"),
    "add": _("add"),
    "change": _("change"),
    "delete": _("delete"),
    "publish_concert": _("put on sale, or take off"),
    "resume_sale": _("let a stopped sale go on"),
    "call_off_performance": _("call off"),
    "block_seat": _("take off sale, and put back"),
    "release_reservation": _("end before it is paid for"),
    "move_reservation": _("move to other seats"),
    "refund_payment": _("give back"),
    "adjust_wallet": _("adjust the balance"),
    "steer_waitingroom": _("open, pause, drain, close, and change the limits"),
    "remove_queueentry": _("take out of the line"),
}


def name_role(group: Group) -> str:
    """Return what a role is called in the language in use."""
    return str(ROLES[group.name][0]) if group.name in ROLES else group.name


def describe_role(group: Group) -> str:
    """Return what a role is for; nothing of those that staff made."""
    return str(ROLES[group.name][1]) if group.name in ROLES else ""


def describe_permission(permission: Permission) -> str:
    """Return what a permission allows: “concerts: look at”."""
    model = permission.content_type.model_class()
    subject = model._meta.verbose_name_plural if model else permission.content_type.model
    codename = permission.codename
    verb = ACTIONS.get(codename) or ACTIONS.get(codename.partition("_")[0])
    return f"{subject}: {verb or permission.name}"


def permissions_of(user: User) -> QuerySet[Permission]:
    """Return what an account may do, or would, were it active."""
    if user.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def may_govern(actor: User, user: User) -> bool:
    """Say whether `actor` may change an account: none that may do what they may not themselves. Whoever
    changes its password could sign in as it."""
    if actor.is_superuser:
        return True
    beyond = permissions_of(user).exclude(pk__in=permissions_of(actor).values("pk"))
    return not user.is_superuser and not beyond.exists()


def roles_to_give(actor: User) -> QuerySet[Group]:
    """Return the roles that allow nothing that `actor` may not do."""
    beyond = Permission.objects.exclude(pk__in=permissions_of(actor).values("pk"))
    return Group.objects.exclude(permissions__in=beyond).order_by("name")
