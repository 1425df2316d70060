"""Who signs in: customers by the API, staff in the admin."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def normalise_email(email: str) -> str:
    """Return the one spelling under which an e-mail address is stored and looked up."""
    return email.strip().lower()


class UserManager(BaseUserManager["User"]):
    """Makes users under their normalised e-mail address."""

    def get_by_natural_key(self, username: str | None) -> "User":
        """Return the user of an e-mail address, in whatever case it is typed."""
        return self.get(email=normalise_email(username or ""))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a user; without `password` nobody can sign in by password."""
        user = self.model(email=normalise_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a member of staff who may do everything (`manage.py createsuperuser`)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by e-mail, or by an identity provider's subject."""

    email = models.EmailField(_("e-mail"), unique=True, null=True, blank=True)
    name = models.CharField(_("name"), max_length=100, blank=True)
    subject = models.CharField(
        _("subject"),
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        help_text=_("Who this is to the identity provider; empty for those who sign in here."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    # Whom a rehearsal made, by its name. A trigger refuses to give it to anybody who exists: what is
    # theirs may be deleted, the ledger included, and nobody else's.
    rehearsal = models.CharField(max_length=50, null=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email__isnull=True) | models.Q(email=Lower("email")),
                name="user_email_lower",
            ),
        ]
        # For the lists of the back office: names by their beginnings, staff among a million customers.
        indexes = [
            models.Index(
                fields=["name"], opclasses=["varchar_pattern_ops"], name="user_name_begins"
            ),
            models.Index(fields=["id"], condition=models.Q(is_staff=True), name="user_staff"),
            models.Index(fields=["id"], condition=models.Q(is_active=False), name="user_off"),
            models.Index(
                fields=["rehearsal"],
                condition=models.Q(rehearsal__isnull=False),
                name="user_rehearsal",
            ),
        ]

    def __str__(self) -> str:
        return self.email or self.subject or str(self.pk)

    def clean(self) -> None:
        """Normalise the e-mail address that staff typed."""
        if self.email:
            self.email = normalise_email(self.email)


class SignInTally(models.Model):
    """How many sign-ins with an e-mail address have failed lately: from everywhere, or from one address
    from which its customer has signed in. See `attempts`."""

    digest = models.BinaryField(
        primary_key=True,
        max_length=32,
        help_text="SHA-256 of the e-mail address, alone or with where it came from.",
    )
    failures = models.IntegerField()
    since = models.DateTimeField()
    kept_until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return bytes(self.digest).hex()
