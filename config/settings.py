"""Django's settings. The environment is read here and nowhere else."""

import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from kombu.transport import TRANSPORT_ALIASES

from config.embedded import postgres as embedded_postgres
from config.environment import (
    is_set,
    read_cache,
    read_choice,
    read_database,
    read_flag,
    read_integer,
    read_list,
    read_text,
    read_time_zone,
    read_url,
)
from config.logs import FORMATS as LOG_FORMATS
from config.logs import describe_logging
from config.network import (
    BROKER_HEARTBEAT_S,
    DATABASE_LIMITS,
    SERVER_LIMITS,
    VISIBILITY_TIMEOUT_S,
    broker_options,
)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(read_text("DATA_DIR", str(BASE_DIR / "data"))).resolve()

# Without DATABASE_URL the database is the embedded one under DATA_DIR: a developer's or a visitor's
# machine, where DEBUG and a generated key are right. With it this is a deployment.
EMBEDDED_DATABASE = not is_set("DATABASE_URL")
DEBUG = read_flag("DEBUG", EMBEDDED_DATABASE)


def _local_secret_key(path: Path) -> str:
    """Return the key kept in `path`, made at first need, readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(fresh)
        except FileExistsError:
            pass  # another process was first; its key is the one
        finally:
            fresh.unlink()
    return path.read_text()


SECRET_KEY = read_text("SECRET_KEY")
# As many as Django's own deployment check asks for.
SECRET_KEY_LENGTH_MIN = 50
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", ["127.0.0.1", "localhost", "[::1]"] if DEBUG else [])
if not DEBUG and len(SECRET_KEY) < SECRET_KEY_LENGTH_MIN:
    raise ImproperlyConfigured(
        f"SECRET_KEY is {'too short' if SECRET_KEY else 'missing'}: with DEBUG off it must be a "
        f"secret text of {SECRET_KEY_LENGTH_MIN} characters or more."
    )
if not SECRET_KEY:
    try:
        SECRET_KEY = _local_secret_key(DATA_DIR / "secret_key")
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR must be a folder that can be written to, not {DATA_DIR}: {error.strerror}."
        ) from error
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured(
        "ALLOWED_HOSTS is missing: with DEBUG off it must name the hosts that are served, "
        "separated by commas."
    )

PORT = read_integer("PORT", 8000, minimum=1, maximum=65_535)
WEB_WORKERS = read_integer("WEB_WORKERS", 2, minimum=1, maximum=256)
CURRENCY = read_choice("CURRENCY", "KRW", ("KRW", "JPY", "USD", "EUR", "GBP", "TWD"))
TIME_ZONE = read_time_zone("TIME_ZONE", "Asia/Seoul")
HOLD_SECONDS = read_integer("HOLD_SECONDS", 300, minimum=1, maximum=86_400)
# More holds of one concert than this, run out unpaid in so many minutes, and a customer has to wait.
HOLD_LAPSES_MAX = read_integer("HOLD_LAPSES_MAX", 5, minimum=0, maximum=1_000)
HOLD_LAPSE_MINUTES = read_integer("HOLD_LAPSE_MINUTES", 60, minimum=0, maximum=1_440)
SEATS_PER_CUSTOMER = read_integer("SEATS_PER_CUSTOMER", 4, minimum=1, maximum=100)
SWEEP_SECONDS = read_integer("SWEEP_SECONDS", 1, minimum=1, maximum=3_600)
IDEMPOTENCY_HOURS = read_integer("IDEMPOTENCY_HOURS", 24, minimum=24, maximum=8_760)
ROOM_CAPACITY = read_integer("ROOM_CAPACITY", 500, minimum=1, maximum=1_000_000)
ROOM_ADMIT_PER_MINUTE = read_integer("ROOM_ADMIT_PER_MINUTE", 0, minimum=0, maximum=1_000_000)
ROOM_SESSION_SECONDS = read_integer("ROOM_SESSION_SECONDS", 600, minimum=10, maximum=86_400)
ROOM_IDLE_SECONDS = read_integer("ROOM_IDLE_SECONDS", 60, minimum=3, maximum=86_400)
ACCESS_TOKEN_MINUTES = read_integer("ACCESS_TOKEN_MINUTES", 30, minimum=1, maximum=1_440)
JWT_JWKS_URL = read_url("JWT_JWKS_URL", "", ("http", "https"))
JWT_ISSUER = read_text("JWT_ISSUER")
JWT_AUDIENCE = read_text("JWT_AUDIENCE")
if any((JWT_JWKS_URL, JWT_ISSUER, JWT_AUDIENCE)) and not all(
    (JWT_JWKS_URL, JWT_ISSUER, JWT_AUDIENCE)
):
    raise ImproperlyConfigured(
        "JWT_JWKS_URL, JWT_ISSUER and JWT_AUDIENCE must be set together or not at all."
    )
THROTTLE_ENABLED = read_flag("THROTTLE_ENABLED", True)
THROTTLE_CUSTOMER_PER_MINUTE = read_integer(
    "THROTTLE_CUSTOMER_PER_MINUTE", 600, minimum=1, maximum=1_000_000
)
THROTTLE_ADDRESS_PER_MINUTE = read_integer(
    "THROTTLE_ADDRESS_PER_MINUTE", 12_000, minimum=1, maximum=1_000_000
)
THROTTLE_LOGIN_PER_MINUTE = read_integer(
    "THROTTLE_LOGIN_PER_MINUTE", 60, minimum=1, maximum=1_000_000
)
# How many proxies of ours stand in front and write X-Forwarded-For; 0 believes none of that header.
PROXY_COUNT = read_integer("PROXY_COUNT", 0, minimum=0, maximum=10)
# Whether staff must sign in with a code of an authenticator after the password, or may.
STAFF_TWO_STEP = read_choice("STAFF_TWO_STEP", "optional", ("required", "optional"))
# Whoever reads the metrics shows it; without one they are for this machine alone.
METRICS_TOKEN = read_text("METRICS_TOKEN")
# Where the web processes of one machine count requests together; prometheus_client reads it too.
PROMETHEUS_MULTIPROC_DIR = read_text("PROMETHEUS_MULTIPROC_DIR")
HTTPS_ONLY = read_flag("HTTPS_ONLY", not DEBUG and not EMBEDDED_DATABASE)

INSTALLED_APPS = [
    "config.apps.EncoreConfig",
    "apps.core",
    "apps.accounts",
    "apps.concerts",
    "apps.wallet",
    "apps.queue",
    "apps.reservations",
    "apps.payments",
    "apps.storefront.apps.StorefrontConfig",
    "apps.backoffice.apps.BackOfficeConfig",
    # Unfold's templates stand before the admin's.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.import_export",
    "import_export",
    "apps.backoffice.apps.EncoreAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "apps.core.request_ids.answer_with_id",
    "config.health.answer_probes",
    "config.metrics.http.CountRequests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "apps.core.locale.AnswerLocaleMiddleware",
    "apps.core.throttles.count_addresses",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Asks nothing before somebody asks who signs in: the API never does.
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Locks are waited for this long before the answer is "busy"; a statement that runs longer is cut off.
LOCK_TIMEOUT_MS = 3_000
STATEMENT_TIMEOUT_MS = 30_000
# A process that stands still in the middle of a transaction loses it, and its locks, after this long.
IDLE_IN_TRANSACTION_TIMEOUT_MS = 15_000

_database: dict[str, Any]
if EMBEDDED_DATABASE:
    _database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": embedded_postgres.DATABASE_NAME,
        "USER": embedded_postgres.ROLE,
        "HOST": str(embedded_postgres.socket_directory(DATA_DIR)),
    }
else:
    _database = read_database("DATABASE_URL")

# Plans of prepared statements are kept, also where a new one each time would look better for the values at
# hand: to make one for a hold took longer than the hold. And one that was made while a table was new and small must not
# read all of it when it has grown, minutes into a sale: whatever has an index goes by it. A plan that
# can't is counted as so dear by PostgreSQL before 18 that it would be compiled each time.
PLANNER = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}

# A pooler that hands out connections by the transaction, such as PgBouncer, keeps nothing of a session:
# it takes no `options`, so the limits above are set by the pooler itself or by ALTER ROLE, of which
# `check --database default` makes sure. `none` is also right for one that hands them out by the session.
DATABASE_POOLER = read_choice("DATABASE_POOLER", "none", ("none", "transaction"))
# PgBouncer knows prepared statements from 1.21 on.
DATABASE_PREPARED_STATEMENTS = read_flag("DATABASE_PREPARED_STATEMENTS", True)
_session_options = {
    "options": f"-c lock_timeout={LOCK_TIMEOUT_MS}"
    f" -c statement_timeout={STATEMENT_TIMEOUT_MS}"
    f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_TIMEOUT_MS}"
    # The server's side of it: what a machine that is gone has left open there.
    + "".join(f" -c {name}={value}" for name, value in {**SERVER_LIMITS, **PLANNER}.items())
}

DATABASES = {
    "default": {
        **_database,
        # Each thread keeps its connection, and there are few: a pool would hand it out and take it
        # back for every request, which is a tenth of what a poll costs.
        "CONN_MAX_AGE": None,
        "DISABLE_SERVER_SIDE_CURSORS": DATABASE_POOLER == "transaction",
        "OPTIONS": {
            **DATABASE_LIMITS,
            **_database.get("OPTIONS", {}),
            **(_session_options if DATABASE_POOLER == "none" else {}),
            # For the few statements that ask to be prepared; the ORM's never are.
            "prepare_threshold": 5 if DATABASE_PREPARED_STATEMENTS else None,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": read_cache("CACHE_URL", "locmemcache://encore?max_entries=20000")}

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

LANGUAGE_CODE = "ko"
LANGUAGES = [("ko", _("Korean")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True

# Whoever opens the sign-in page itself.
LOGIN_REDIRECT_URL = "admin:index"
# What authenticators call the account.
OTP_TOTP_ISSUER = "Encore"
UNFOLD = {
    "SITE_TITLE": "Encore",
    "SITE_HEADER": "Encore",
    "SITE_SYMBOL": "confirmation_number",
    "SITE_URL": None,
    # What was edited stands in the audit log, with what was before and why.
    "SHOW_HISTORY": False,
    "SHOW_LANGUAGES": True,
    "SHOW_BACK_BUTTON": True,
    "DASHBOARD_CALLBACK": "apps.backoffice.front_page.views.show",
    "STYLES": ["apps.backoffice.navigation.style"],
    "SCRIPTS": ["apps.backoffice.navigation.script"],
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": "apps.backoffice.navigation.icon"}
    ],
    "LOGIN": {"form": "apps.accounts.forms.SignInForm"},
    "ACCOUNT": {"navigation": "apps.backoffice.navigation.list_account_links"},
    "SIDEBAR": {"show_search": False, "navigation": "apps.backoffice.navigation.list_navigation"},
}

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# The embedded default serves straight from the packages; an image collects its files when it is built.
WHITENOISE_USE_FINDERS = EMBEDDED_DATABASE
if EMBEDDED_DATABASE:
    STATIC_ROOT.mkdir(exist_ok=True)
WHITENOISE_AUTOREFRESH = False

SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS_ONLY else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS_ONLY
SECURE_HSTS_PRELOAD = HTTPS_ONLY
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXY_COUNT else None
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
X_FRAME_OPTIONS = "DENY"
# A body over this many bytes is refused before it is read.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["apps.accounts.permissions.KnownCustomer"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.media.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.core.media.JsonNegotiation",
    "DEFAULT_PARSER_CLASSES": ["apps.core.media.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.problems.answer_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
    # Times and dates reach the renderer as they are, in UTC, whatever TIME_ZONE the admin shows.
    "DATETIME_FORMAT": None,
    "DATE_FORMAT": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=ACCESS_TOKEN_MINUTES),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "USER_ID_CLAIM": "sub",
    "ISSUER": "encore",
    "UPDATE_LAST_LOGIN": False,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Encore",
    "DESCRIPTION": (
        "Concert tickets, sold fairly: a waiting room, seats held for five minutes, a wallet.\n\n"
        "Errors are `application/problem+json` (RFC 9457) with a stable `code`. Beside those of each "
        "endpoint, any may answer `not_found` (404: no such address), `method_not_allowed` (405), "
        "`request_too_large` (413), `unsupported_media_type` (415), `too_many_requests` (429), "
        "`internal_error` (500) and `busy` (503, with `Retry-After`).\n\n"
        "Every answer has `X-Request-ID`, by which we find it in our logs: yours where you send one of up "
        "to 64 letters, digits and `._:=+/-`, else a new one."
    ),
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "LineStatusEnum": ["waiting", "admitted"],
        "SeatStatusEnum": ["available", "held", "reserved", "sold", "blocked"],
        "ReservationStatusEnum": "apps.reservations.selectors.PUBLIC_STATUSES",
        "PaymentStatusEnum": "apps.payments.models.Payment.Status",
    },
}

# Celery. Without CELERY_BROKER_URL the broker is PostgreSQL itself, through kombu's pgmq transport:
# a database of its own beside the embedded one, or the schema `pgmq` of the external one.
BROKER_IS_PGMQ = not is_set("CELERY_BROKER_URL")
BROKER_CONNINFO = ""
CELERY_BROKER_URL = read_url("CELERY_BROKER_URL", "pgmq://localhost", TRANSPORT_ALIASES)
if BROKER_IS_PGMQ and DATABASE_POOLER == "transaction":
    raise ImproperlyConfigured(
        "CELERY_BROKER_URL is missing: with DATABASE_POOLER=transaction PostgreSQL cannot be the "
        "broker, since LISTEN does not pass such a pooler. Set it to a Redis, Valkey or RabbitMQ."
    )
CELERY_TASK_DEFAULT_QUEUE = "encore"
CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
if BROKER_IS_PGMQ:
    if EMBEDDED_DATABASE:
        BROKER_CONNINFO = embedded_postgres.EmbeddedPostgres(DATA_DIR).conninfo(
            embedded_postgres.BROKER_DATABASE_NAME
        )
    else:
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        BROKER_CONNINFO = make_conninfo(
            "", **{**DATABASE_LIMITS, **conninfo_to_dict(read_text("DATABASE_URL"))}
        )
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "conn_string": BROKER_CONNINFO,
        "init_extension": False,
        "notify_throttle_interval_ms": 0,
        "wait_time_seconds": 0,
        "polling_interval": 1,
        "pool_size": 2,
        "pool_timeout": 5,
        "visibility_timeout": VISIBILITY_TIMEOUT_S,
    }
CELERY_BROKER_HEARTBEAT = BROKER_HEARTBEAT_S
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
# With fewer, pgmq's transport sleeps a polling interval whenever all that it has fetched is running.
CELERY_WORKER_PREFETCH_MULTIPLIER = 8
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_TIMEZONE = TIME_ZONE

DEFAULT_EXCEPTION_REPORTER_FILTER = "apps.core.reports.ReportFilter"
LOG_FORMAT = read_choice("LOG_FORMAT", "console", LOG_FORMATS)
LOGGING = describe_logging(LOG_FORMAT)
# Statements that take as long are logged; 0 logs none.
SLOW_QUERY_MS = read_integer("SLOW_QUERY_MS", 500, minimum=0, maximum=STATEMENT_TIMEOUT_MS)
# OpenTelemetry's own variables: with an address to send traces to, they are made.
TRACING_ENABLED = (
    is_set("OTEL_EXPORTER_OTLP_ENDPOINT") or is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
) and read_text("OTEL_SDK_DISABLED").lower() != "true"
if TRACING_ENABLED:
    for _name in ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        read_choice(_name, "http/protobuf", ("http/protobuf",))
    # Inside the probes, which ask every other second.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("config.health.answer_probes") + 1, "config.tracing.trace_requests"
    )
