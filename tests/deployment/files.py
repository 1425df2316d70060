"""Reads the files in `deploy/` and beside it as the programs read them that they are for."""

import json
import re
from pathlib import Path

import yaml

from config.embedded.programs import Options

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
# What an operator who has followed deploy/compose.env.example has in `.env`.
FILLED_IN = {
    "SECRET_KEY": "5ca1ab1e" * 8,
    "DATABASE_PASSWORD": "0ddba11",
    "VALKEY_PASSWORD": "ba5eba11",
    "METRICS_TOKEN": "f00dcafe",
    "GRAFANA_PASSWORD": "decade",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
}
VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<text>[^}]*))?\})")


class Missing(Exception):
    """Compose would stop here."""


def fill_in(text, values):
    """Return `text` with its variables filled in, by Compose's rules."""

    def replace(found):
        if found[0] == "$$":
            return "$"
        if value := values.get(found["name"]):
            return value
        if found["how"] == "?":
            raise Missing(f"{found['name']} {found['text']}")
        return found["text"] or ""

    return VARIABLE.sub(replace, text)


def fill_in_all(value, values):
    match value:
        case dict():
            return {key: fill_in_all(inner, values) for key, inner in value.items()}
        case list():
            return [fill_in_all(inner, values) for inner in value]
        case str():
            return fill_in(value, values)
    return value


def read_compose(values=None):
    """Return compose.yaml with `values` filled in."""
    content = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return fill_in_all(content, FILLED_IN if values is None else values)


def list_ours(services):
    """Return the services that are Encore's own."""
    return {name: each for name, each in services.items() if each["image"].startswith("encore:")}


def environment_of(service, values=None):
    """Return what a container's environment is; names alone are passed on where they are set."""
    values = FILLED_IN if values is None else values
    return {
        name: str(values[name] if value is None else value)
        for name, value in service["environment"].items()
        if value is not None or name in values
    }


def read_image():
    """Return the instructions of the Dockerfile, as pairs of word and arguments."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]


def image_command():
    """Return what the image runs where nothing else is said."""
    return json.loads(dict(read_image())["CMD"])


def read_manifests():
    """Return every object of the Kubernetes base, and of the example of its secrets."""
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    paths = [KUBERNETES / name for name in [*listed, "secret.example.yaml"]]
    return [
        each for path in paths if path.is_file() for each in yaml.safe_load_all(path.read_text())
    ]


def find_manifest(kind, name):
    """Return the one object of this kind and name."""
    (found,) = (
        each
        for each in read_manifests()
        if (each["kind"], each["metadata"]["name"]) == (kind, name)
    )
    return found


def list_pods():
    """Return the name and the specification of every pod that is made."""
    return [
        (each["metadata"]["name"], each["spec"]["template"]["spec"])
        for each in read_manifests()
        if each["kind"] in ("Deployment", "Job")
    ]


def options():
    """Return the options with which `programs` says what the image says."""
    return Options(
        project_dir=ROOT,
        data_dir=ROOT / "data",
        host="0.0.0.0",
        port=8000,
        web_workers=2,
        environment={},
        embedded_database=False,
        broker_conninfo="",
        broker_queues=(),
        load_demo=False,
        stop_with_parent=False,
    )
