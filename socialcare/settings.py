"""All settings, from the environment only. `manage.py up` provides what is missing; in production DATABASE_URL,
REDIS_URL, SECRET_KEY, SEAL_KEYS and PUBLIC_URL are given (each also as NAME_FILE)."""

from pathlib import Path
from urllib.parse import urlsplit

from django.utils.csp import CSP

from socialcare import __version__, environment, logs

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = __version__
DEBUG = environment.flag("DEBUG")
TESTING = environment.flag("TESTING")
# Decides time limits and pooling of database connections.
ROLE = environment.choice("ROLE", "web", ("web", "worker", "sweep", "listen", "migrate"))

SECRET_KEY = environment.text("SECRET_KEY")
SEAL_KEYS = environment.words("SEAL_KEYS")
PUBLIC_URL = environment.page("PUBLIC_URL", "http://127.0.0.1:8000")
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = [_public.hostname or "127.0.0.1", *environment.words("ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
FETCH_ALLOW = environment.networks("FETCH_ALLOW")  # what may be fetched although it is private
DATA_DIR = Path(environment.text("DATA_DIR", str(BASE_DIR / "var")))

INSTALLED_APPS = [
    "socialcare",
    "inbox",
    "routing",
    "connectors",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "allauth",
    "allauth.account",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "socialcare.pages.ResponseHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "socialcare.pages.PlainInput",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "socialcare.idle.SignOutIdle",
    "socialcare.sign_in.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "socialcare.first_run.SendToWizard",
]
ROOT_URLCONF = "socialcare.urls"
ASGI_APPLICATION = "socialcare.asgi.application"
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
                "socialcare.pages.frame",
                "connectors.alarm.banner",
            ],
            "builtins": [f"inbox.templatetags.{name}" for name in ("care", "kept", "rows")],
        },
    }
]

_usual = (3, 5, 60)
_seconds = {"web": (3, 5, 10), "worker": _usual, "sweep": _usual, "listen": _usual, "migrate": (60, 2, 0)}[ROLE]
_timeouts = " ".join(
    f"-c {name}={seconds * 1000}"
    for name, seconds in zip(
        ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout"), _seconds, strict=True
    )
)
_database = environment.database(environment.text("DATABASE_URL"))
DATABASES = {
    "default": {
        **_database,
        "ENGINE": "socialcare.postgres" if ROLE == "web" else "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0 if ROLE == "web" else 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": 3,
            "tcp_user_timeout": 15000,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": _timeouts,
            **_database["OPTIONS"],  # type: ignore[dict-item]
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = environment.redis("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 2, "socket_connect_timeout": 2}]},
    }
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 1_000_000},  # beyond it rows go that are not over, limits on passwords among them
    }
}
SESSION_ENGINE = "socialcare.sessions"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"

if _public.scheme == "https":
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 365 * 86400
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if environment.flag("BEHIND_PROXY") else None
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
_socket_origin = f"{'wss' if _public.scheme == 'https' else 'ws'}://{_public.netloc}"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    **{f"{kind}-src": [CSP.SELF] for kind in ("script", "style", "img", "font", "media", "manifest")},
    "connect-src": [CSP.SELF, _socket_origin],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "object-src": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

AUTH_USER_MODEL = "inbox.Agent"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
if TESTING:  # a cast of eight signs in in every test; Argon2 is slow on purpose
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "socialcare.accounts.Adapter"
ACCOUNT_FORMS = {
    "login": "socialcare.account_forms.LoginForm",
    "change_password": "socialcare.account_forms.ChangePasswordForm",
    "set_password": "socialcare.account_forms.SetPasswordForm",
    "reset_password": "socialcare.account_forms.ResetPasswordForm",
    "reset_password_from_key": "socialcare.account_forms.ResetPasswordKeyForm",
    "reauthenticate": "socialcare.account_forms.ReauthenticateForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PREVENT_ENUMERATION = "strict"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ALLAUTH_TRUSTED_PROXY_COUNT = environment.number("TRUSTED_PROXY_COUNT", 0)
MAILERS = {"default": environment.mailer(environment.text("MAIL_URL", "console:"))}
DEFAULT_FROM_EMAIL = environment.text("MAIL_FROM", f"socialcare@{_public.hostname}")

LANGUAGE_CODE = "en"
TIME_ZONE = environment.zone("TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = environment.text("STATIC_ROOT", str(DATA_DIR / "static"))
BUNDLED = not (DEBUG or TESTING)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "socialcare.bundles.Bundled" if BUNDLED else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not BUNDLED
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20

WORKER_PROCESSES = environment.number("WORKER_PROCESSES", 2, 1, 256)
UNDO_SECONDS = environment.number("UNDO_SECONDS", 10)  # how long a reply waits in the outbox before it leaves
LEASE_SECONDS = environment.number("LEASE_SECONDS", 30)  # longer than a whole call to a network (15 s)
SETTLE_SECONDS = environment.number(
    "SETTLE_SECONDS", 30
)  # a call may be under way for 15 s, a network shows a post 15 s late
SILENCED_SYSTEM_CHECKS = [
    *(
        ["security.W004", "security.W012", "security.W016"] if _public.scheme != "https" else []
    ),  # plain http, on one machine
    "security.W005",  # whether subdomains speak https is not ours to promise
    "security.W008",  # the proxy in front redirects; we would not know our own outside port
    "security.W021",  # nor may we enter a name into browsers' lists for good
]
LOGGING_CONFIG = None
logs.configure(
    environment.choice("LOG_FORMAT", "console", ("console", "json")),
    environment.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")),
)
