"""Traces for OpenTelemetry, sent where its own environment variables say. Loaded with them alone: that takes
0.2 s and 5 MB of each process, and a span then 0.05 to 0.1 ms.

A span for each request, each run of a task, and each statement within these. OpenTelemetry's ready-made
instrumentations were tried. Django's puts the customer's address and the query string into its spans and
has no switch for either; Celery's leaves its span open when the broker takes no task, so that all that
beat sends afterwards belongs to it; psycopg's makes a trace of each look at the broker and misses the
statements that `apps.core.db` prepares. What stands here is what may be known: no address, no header, no
query string, no value of a statement, no message of an error.
"""

import os
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Any

from celery.signals import before_task_publish, task_failure, task_postrun, task_prerun
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponseBase
from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode

from apps.core.request_ids import current_work
from apps.core.statements import Execute, shorten

# Any word may stand where a method should; a span's name is one of few.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
UNNAMED_SERVICE = "unknown_service"
# A collector that does not answer is tried for so long, also when a process is to end; the exporter's own
# ten seconds are longer than the supervisor waits.
EXPORT_TIMEOUT_S = "3"

# Goes to whatever provider is set when the first span is made.
tracer = trace.get_tracer("encore")


def start() -> None:
    """Begin to make traces in this process."""
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", EXPORT_TIMEOUT_S)
    provider = TracerProvider(resource=describe_service(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    # What is waiting is sent at the end: also in the web server's workers, which `atexit` does not reach.
    Finalize(None, provider.shutdown, exitpriority=0)
    connection_created.connect(trace_connection, dispatch_uid="tracing")
    before_task_publish.connect(send_context, dispatch_uid="tracing")
    task_prerun.connect(begin_task, dispatch_uid="tracing")
    task_failure.connect(note_failure, dispatch_uid="tracing")
    task_postrun.connect(end_task, dispatch_uid="tracing")


def describe_service() -> Resource:
    """Return what the spans are of: `encore`, where the environment gives no other name."""
    resource = Resource.create()
    if str(resource.attributes[SERVICE_NAME]).startswith(UNNAMED_SERVICE):
        return resource.merge(Resource({SERVICE_NAME: "encore"}))
    return resource


def trace_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Make a span of each request: a middleware. It goes on with the caller's trace, if there is one."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        method = request.method if request.method in METHODS else "HTTP"
        assert method is not None
        sent = {name: request.headers[name] for name in FIELDS if name in request.headers}
        with tracer.start_as_current_span(
            method,
            context=propagate.extract(sent),
            kind=SpanKind.SERVER,
            attributes={
                "http.request.method": method,
                "url.path": request.path,
                "encore.request_id": current_work().request_id,
            },
            record_exception=False,
        ) as span:
            response = get_response(request)
            if match := request.resolver_match:
                span.update_name(f"{method} /{match.route}")
                span.set_attribute("http.route", f"/{match.route}")
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
        return response

    return answer


# The headers that carry a trace from one to the next.
FIELDS = sorted(propagate.get_global_textmap().fields)


def trace_connection(connection: BaseDatabaseWrapper, **_kwargs: object) -> None:
    """Trace the statements of a connection that was made."""
    if trace_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(trace_statement)


def trace_statement(
    execute: Execute, sql: Any, parameters: Any, many: bool, django_context: dict[str, Any]
) -> Any:
    """Run a statement, in a span of its own where it is part of something that has one."""
    if not trace.get_current_span().is_recording():
        return execute(sql, parameters, many, django_context)
    text = shorten(sql)
    with tracer.start_as_current_span(
        text.partition(" ")[0].upper(),
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": "postgresql", "db.query.text": text},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            return execute(sql, parameters, many, django_context)
        except Exception as error:
            mark_failed(span, error)
            raise


def mark_failed(span: Span, error: BaseException) -> None:
    """Note in a span that it ended in an error, and in which; what the error says may be private."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", type(error).__name__)


def send_context(headers: dict[str, Any], **_kwargs: object) -> None:
    """Let a task carry the trace of what sends it."""
    propagate.inject(headers)


def begin_task(task: Any, task_id: str, **_kwargs: object) -> None:
    """Begin the span of a task's run, in the trace that it carries, else in one of its own."""
    sent = {name: value for name in FIELDS if (value := task.request.get(name))}
    before = propagate.extract(sent)
    span = tracer.start_span(
        f"run {task.name}",
        context=before,
        kind=SpanKind.CONSUMER,
        attributes={
            "messaging.message.id": task_id,
            "encore.request_id": current_work().request_id,
        },
    )
    task.request.trace = span, context.attach(trace.set_span_in_context(span, before))


def note_failure(sender: Any, exception: BaseException, **_kwargs: object) -> None:
    """Note that the task failed."""
    span, _token = sender.request.trace
    mark_failed(span, exception)


def end_task(task: Any, **_kwargs: object) -> None:
    """End what `begin_task` began."""
    span, token = task.request.trace
    context.detach(token)
    span.end()
