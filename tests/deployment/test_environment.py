"""Containers get settings that exist, all that are needed, and start with exactly those."""

import re
import subprocess
import sys

import pytest

from tests.deployment import files

# Of Encore's containers; everything else they get is a setting.
OF_PYTHON = {"PATH", "PYTHONUNBUFFERED"}
# For a database of Encore's own, for the command that `manage.py up` makes, for a PgBouncer that is older.
NOT_OF_CONTAINERS = {"DATA_DIR", "DEBUG", "PORT", "WEB_WORKERS", "DATABASE_PREPARED_STATEMENTS"}
# The image says it.
OF_THE_IMAGE = {"PROMETHEUS_MULTIPROC_DIR"}


def setting_names():
    text = (files.ROOT / "config/settings.py").read_text()
    return set(re.findall(r'\b(?:read_\w+|is_set)\(\s*"([A-Z_]+)"', text))


def image_environment():
    words = " ".join(text for word, text in files.read_image() if word == "ENV")
    return dict(pair.split("=", 1) for pair in words.split())


def kubernetes_environment():
    """Return what a web pod is given where the secrets are filled in."""
    data = files.find_manifest("ConfigMap", "encore")["data"]
    secret = files.find_manifest("Secret", "encore")["stringData"]
    return {**data, **secret}


def check(environment):
    """Run Django's checks of a deployment with this environment and nothing else."""
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=files.ROOT,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_name_in_compose_is_a_setting():
    known = setting_names()
    assert len(known) > 30
    ours = files.list_ours(files.read_compose()["services"])
    assert set(ours) == {"migrate", "web", "worker", "beat"}
    for service in ours.values():
        assert set(service["environment"]) - known == set()


def test_every_setting_can_be_given_by_compose():
    given = set(files.read_compose()["services"]["web"]["environment"])
    assert setting_names() - given == NOT_OF_CONTAINERS | OF_THE_IMAGE


def test_every_name_in_the_image_is_a_setting_or_pythons():
    assert set(image_environment()) == OF_PYTHON | OF_THE_IMAGE
    assert setting_names() >= OF_THE_IMAGE


def test_every_name_in_kubernetes_is_a_setting():
    names = set(kubernetes_environment()) - {"MIGRATION_DATABASE_URL"}
    assert names - setting_names() == set()


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_PASSWORD", "VALKEY_PASSWORD"]
)
def test_compose_stops_without_what_is_needed(name):
    values = {key: value for key, value in files.FILLED_IN.items() if key != name}
    with pytest.raises(files.Missing, match=f"{name} is missing, see deploy/compose.env.example"):
        files.read_compose(values)


def test_the_example_names_all_that_compose_asks_for_and_nothing_that_it_does_not():
    text = (files.ROOT / "compose.yaml").read_text()
    asked = set(re.findall(r"\$\{(\w+)", text))
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    example = dict(
        line.split("=", 1)
        for line in (files.DEPLOY / "compose.env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert needed <= set(example) <= asked
    # Secrets are empty there, or somebody would keep them.
    assert {name for name in needed if example[name]} == {"ALLOWED_HOSTS"}
    assert set(files.FILLED_IN) == needed


@pytest.mark.parametrize("name", ["migrate", "web"])
def test_the_settings_load_with_exactly_the_environment_of_compose(name):
    values = {**files.FILLED_IN, "HTTPS_ONLY": "1", "STAFF_TWO_STEP": "required"}
    services = files.read_compose(values)["services"]
    for other in ("worker", "beat"):
        assert services[other]["environment"] == services["web"]["environment"]
    environment = files.environment_of(services[name], values)
    assert environment["STAFF_TWO_STEP"] == "required"
    result = check(environment)
    assert result.returncode == 0, result.stderr


def test_a_trial_without_https_is_told_of():
    result = check(files.environment_of(files.read_compose()["services"]["web"]))
    warnings = set(re.findall(r"\((security\.W\d+)\)", result.stderr))
    assert warnings == {"security.W004", "security.W008", "security.W012", "security.W016"}


def test_the_settings_load_with_the_environment_of_kubernetes():
    environment = kubernetes_environment()
    # Whoever forgets to replace it is told, and nothing starts.
    result = check(environment)
    assert result.returncode != 0
    assert "SECRET_KEY is too short" in result.stderr
    result = check({**environment, "SECRET_KEY": files.FILLED_IN["SECRET_KEY"]})
    assert result.returncode == 0, result.stderr


def test_migrations_go_straight_to_the_database():
    service = files.read_compose()["services"]["migrate"]
    assert "@postgres:5432/" in service["environment"]["DATABASE_URL"]
    assert service["environment"]["DATABASE_POOLER"] == "none"
    (container,) = dict(files.list_pods())["migrate"]["containers"]
    own = {each["name"]: each for each in container["env"]}
    key = own["DATABASE_URL"]["valueFrom"]["secretKeyRef"]["key"]
    assert "@postgres:5432/" in kubernetes_environment()[key]
    assert own["DATABASE_POOLER"]["value"] == "none"
