"""Customers, staff and roles in the admin. Accounts are switched off, never deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apps.accounts.models import User, normalise_email
from apps.accounts.roles import (
    describe_permission,
    describe_role,
    may_govern,
    name_role,
    roles_to_give,
)
from apps.core.admin import RecordsPasswords, StaffAdmin

CUSTOMERS, STAFF = "customers", "staff"


class KindFilter(admin.SimpleListFilter):
    """Customers, or staff."""

    title = _("customer or staff")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        """Return the two kinds."""
        return [(CUSTOMERS, _("Customers")), (STAFF, _("Staff"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        """Return the accounts of a kind."""
        if self.value() not in (CUSTOMERS, STAFF):
            return queryset
        return queryset.filter(is_staff=self.value() == STAFF)


class RoleField(forms.ModelMultipleChoiceField):
    """Offers roles by name, each with what it is for."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, obj: Any) -> str:
        """Return a role's name and purpose."""
        purpose = describe_role(obj)
        return f"{name_role(obj)}: {purpose}" if purpose else name_role(obj)


class PermissionField(forms.ModelMultipleChoiceField):
    """Offers permissions in words."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def label_from_instance(self, obj: Any) -> str:
        """Return what a permission allows."""
        return describe_permission(obj)


@admin.register(User)
class UserAdmin(RecordsPasswords, DjangoUserAdmin, StaffAdmin):  # type: ignore[misc]
    """Customers and staff, found by how their e-mail address or name begins, or by their subject.

    Rights are given by roles alone, and by nobody who does not have them: only superusers make and
    change superusers, nobody changes what they may do themselves.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("address", "name", "kind", "roles", "is_active", "created_at")
    list_display_links = ("address",)
    list_filter = (KindFilter, "is_active")
    sortable_by = ()
    search_fields = ("email",)
    search_help_text = _("The beginning of the e-mail address or of the name, or the whole subject")
    ordering = ("-id",)
    filter_horizontal = ()
    readonly_fields = ("created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "password", "name", "subject", "is_active")}),
        (_("Staff"), {"fields": ("is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("created_at", "last_login")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
    )
    actions_detail = ("open_case",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """Return the accounts with their roles."""
        return super().get_queryset(request).prefetch_related("groups")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Return the accounts that are searched for; each way of searching has an index."""
        text = search_term.strip()
        if not text:
            return queryset, False
        begins = Q(email__startswith=normalise_email(text)) | Q(name__startswith=text)
        return queryset.filter(begins | Q(subject=text)), False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Refuse: an account with history is switched off instead."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Let staff change customers, and staff who may do no more than they."""
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_govern(_user_of(request), obj))

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Leave out what is no use to those who only look: the line about the password."""
        fieldsets = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fieldsets
        (title, options), *others = fieldsets
        fields = tuple(name for name in options["fields"] if name != "password")
        return [(title, {**options, "fields": fields}), *others]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Keep one's own rights from oneself, and the superuser flag from all but superusers."""
        fields = super().get_readonly_fields(request, obj)
        if obj is not None and obj.pk == request.user.pk:
            return (*fields, "is_active", "is_staff", "is_superuser", "groups")
        return fields if request.user.is_superuser else (*fields, "is_superuser")

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer the roles that whoever asks may give."""
        if db_field.name == "groups":
            return RoleField(queryset=roles_to_give(request.user), label=_("Roles"), required=False)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @action(
        description=_("Everything about this customer"),
        url_path="case",
        permissions=["view"],
        icon="person_search",
    )
    def open_case(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Go to the page of a customer's whole story, which says itself who may see it."""
        return HttpResponseRedirect(reverse("admin:customer_case", args=[object_id]))

    @admin.display(description=_("e-mail"))
    def address(self, user: User) -> str:
        """The e-mail address, or whatever else the account goes by."""
        return str(user)

    @display(description=_("customer or staff"), label={STAFF: "info", CUSTOMERS: None})
    def kind(self, user: User) -> tuple[str, str | Promise]:
        """Whether it is a customer, staff, or staff who may do everything."""
        if user.is_superuser:
            return STAFF, _("Superuser")
        return (STAFF, _("Staff")) if user.is_staff else (CUSTOMERS, _("Customer"))

    @admin.display(description=_("Roles"))
    def roles(self, user: User) -> str:
        """The roles of staff."""
        return ", ".join(name_role(group) for group in user.groups.all())


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(DjangoGroupAdmin, StaffAdmin):  # type: ignore[misc]
    """Roles: who may what. They are for superusers to change, or staff could give themselves any right."""

    list_display = ("role", "purpose")
    list_display_links = ("role",)
    filter_horizontal = ()
    ordering = ("name",)
    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let superusers alone."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Let superusers alone."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        """Let superusers alone."""
        return bool(request.user.is_superuser)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest | None = None, **kwargs: Any
    ) -> Any:
        """Offer the permissions for what the admin shows, in words."""
        if db_field.name != "permissions":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        shown = Q()
        for model in self.admin_site._registry:
            meta = model._meta
            shown |= Q(content_type__app_label=meta.app_label, content_type__model=meta.model_name)
        return PermissionField(
            queryset=Permission.objects.filter(shown)
            .select_related("content_type")
            .order_by("content_type__app_label", "content_type__model", "pk"),
            label=_("May"),
            required=False,
        )

    @admin.display(description=_("Role"), ordering="name")
    def role(self, group: Group) -> str:
        """What it is called."""
        return name_role(group)

    @admin.display(description=_("What it is for"))
    def purpose(self, group: Group) -> str:
        """What it is for."""
        return describe_role(group)


def _user_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "the admin lets nobody else in"
    return request.user
