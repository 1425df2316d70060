# The image of web, worker and beat; what it runs is chosen by the command.
FROM python:3.11-slim AS build
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --create-home encore
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/home/encore/data
COPY --from=build /venv /venv
WORKDIR /app
COPY . .
# These values serve the collecting of static files alone; the running image has none of them.
RUN DEBUG=0 SECRET_KEY=used-while-building-and-in-no-container-that-ever-runs ALLOWED_HOSTS=build DATABASE_URL=postgresql:///build \
    python manage.py collectstatic --no-input
USER encore
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "1", "--no-ws", "config.wsgi:application"]
