"""What every endpoint for customers who are signed in may answer."""

from apps.accounts.errors import InvalidAccessToken, NotAuthenticated
from apps.core.errors import Busy, TooManyRequests

SIGNED_IN = (NotAuthenticated, InvalidAccessToken, TooManyRequests, Busy)
