"""The project: settings, addresses, the Celery application and the operators' commands."""
