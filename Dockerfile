# The image of web, worker, beat, sweep and listen: one image, the command says which. Nothing in it is written at run time except
# /tmp, so that it runs with a read-only root; secrets come by NAME_FILE.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev libpq-dev \
 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir "uv>=0.13"
COPY requirements/image.lock /build/image.lock
# psycopg2 is built here against the system's libpq, which gets security fixes with the base image.
RUN uv venv --python /usr/local/bin/python3 /opt/venv \
 && uv pip sync --python /opt/venv/bin/python --no-cache --compile-bytecode --require-hashes /build/image.lock

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Socialcare" \
      org.opencontainers.image.description="Self-hosted social listening and customer-care inbox" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq5 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 socialcare \
 && useradd --system --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin socialcare
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=socialcare.settings \
    STATIC_ROOT=/app/staticfiles \
    DATA_DIR=/tmp \
    LOG_FORMAT=json
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY manage.py CHANGELOG.md LICENSE ./
COPY templates templates
COPY static static
COPY socialcare socialcare
COPY inbox inbox
COPY routing routing
COPY connectors connectors
COPY insights insights
# The values only satisfy the settings while files are collected; they end with this line.
RUN python -m compileall -q manage.py socialcare inbox routing connectors insights \
 && SECRET_KEY=build DATABASE_URL=postgresql:///build python manage.py collectstatic --no-input --verbosity 0
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "socialcare.alive"]
CMD ["uvicorn", "socialcare.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--loop", "uvloop", "--http", "httptools", "--ws", "inbox.line:Line", "--ws-per-message-deflate", "false", \
     "--lifespan", "off", "--no-access-log", "--no-proxy-headers", "--no-server-header", "--backlog", "2048", \
     "--log-level", "warning", "--timeout-graceful-shutdown", "20"]
