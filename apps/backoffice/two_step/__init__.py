"""Two-step sign-in of staff: a code of an authenticator after the password."""
