"""What one file says of another is so."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from django.urls import resolve

from config.health import CHECKS, PATHS
from tests.deployment import files

NAME = "app.kubernetes.io/name"


def list_kustomizations(folder=files.KUBERNETES):
    """Return each folder of the base with what its kustomization says."""
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    found = [(folder, content)]
    for name in content.get("resources", ()):
        if (folder / name).is_dir():
            found += list_kustomizations(folder / name)
    return found


def list_generated():
    return {
        each["name"]: (folder, each["files"])
        for folder, content in list_kustomizations()
        for each in content.get("configMapGenerator", ())
    }


def test_what_compose_mounts_is_there():
    services = files.read_compose()["services"]
    sources = [
        volume.split(":")[0]
        for service in services.values()
        for volume in service.get("volumes", ())
        if volume.startswith(".")
    ]
    assert len(sources) > 6
    assert [source for source in sources if not (files.ROOT / source).exists()] == []


def test_what_kustomize_reads_is_there():
    for folder, content in list_kustomizations():
        for name in content.get("resources", ()):
            assert (folder / name).exists(), name
    assert set(list_generated()) == {"nginx", "nginx-templates", "pgbouncer"}
    for folder, names in list_generated().values():
        assert [name for name in names if not (folder / name).is_file()] == []


def test_every_file_of_the_base_is_in_it():
    listed = yaml.safe_load((files.KUBERNETES / "kustomization.yaml").read_text())["resources"]
    apart = {"kustomization.yaml", "secret.example.yaml", "prometheus-adapter.yaml"}
    there = {path.name for path in files.KUBERNETES.iterdir()}
    assert there - apart == {name for name in listed if not name.startswith("..")}


def test_the_image_holds_what_its_commands_name():
    ignored = (files.ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    assert [name for name in kept if not (files.ROOT / name).exists()] == []
    commands = [files.image_command()]
    for service in files.list_ours(files.read_compose()["services"]).values():
        commands += [service.get("command", []), service.get("healthcheck", {}).get("test", [])]
    for _, pod in files.list_pods():
        for container in pod["containers"]:
            probe = container.get("livenessProbe", {}).get("exec", {})
            commands += [container.get("command", []), probe.get("command", [])]
    named = {
        word for command in commands for word in command if re.fullmatch(r"[a-z][\w/]*\.\w+", word)
    }
    assert named >= {"manage.py", "config/probes/sweeps.py", "config/server_logs.json"}
    assert [word for word in named if not (files.ROOT / word).is_file()] == []
    assert {word.split("/")[0] for word in named} <= kept


def test_pods_ask_for_configurations_and_secrets_that_are_there():
    known = {(each["kind"], each["metadata"]["name"]) for each in files.read_manifests()}
    known |= {("ConfigMap", name) for name in list_generated()}
    asked = set()
    for _, pod in files.list_pods():
        for volume in pod.get("volumes", ()):
            if "configMap" in volume:
                asked.add(("ConfigMap", volume["configMap"]["name"]))
            if "secret" in volume:
                asked.add(("Secret", volume["secret"]["secretName"]))
        for container in pod["containers"]:
            for source in container.get("envFrom", ()):
                kinds = {"configMapRef": "ConfigMap", "secretRef": "Secret"}
                asked |= {(kinds[key], value["name"]) for key, value in source.items()}
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert len(asked) >= 5
    assert asked - known == set()


def test_selectors_find_pods():
    labels = {
        each["spec"]["template"]["metadata"]["labels"][NAME]
        for each in files.read_manifests()
        if each["kind"] in ("Deployment", "Job")
    }
    text = "\n".join(path.read_text() for path in files.KUBERNETES.glob("*.yaml"))
    chosen = set(re.findall(rf"{NAME}: ([\w-]+)", text))
    for words in re.findall(rf"key: {NAME}, operator: In, values: \[(.*?)\]", text):
        chosen |= set(words.split(", "))
    assert chosen == labels


def test_services_are_found_by_the_names_that_are_asked_for():
    services = {
        each["metadata"]["name"]: {port["port"] for port in each["spec"].get("ports", ())}
        for each in files.read_manifests()
        if each["kind"] == "Service"
    }
    text = "\n".join(path.read_text() for path in files.KUBERNETES.glob("*.yaml"))
    asked = re.findall(
        r"(?:@|http://|server )([a-z]+)(?:\.encore\.svc\.cluster\.local)?:(\d+)", text
    )
    assert {name for name, _ in asked} == {"pgbouncer", "postgres", "web"}
    for name, port in asked:
        assert name in services
        # Who stands for somebody outside has no ports of its own.
        assert not services[name] or int(port) in services[name]


@pytest.mark.parametrize("name", ["web", "nginx"])
def test_paths_that_are_probed_are_served(name):
    (container,) = dict(files.list_pods())[name]["containers"]
    probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")]
    urls = [urlsplit(probe["httpGet"]["path"]) for probe in probes if "httpGet" in probe]
    assert urls
    for url in urls:
        assert url.path in PATHS
        assert set(parse_qs(url.query).get("check", ())) <= set(CHECKS)


def test_addresses_in_healthchecks_are_served():
    health = dict(files.read_image())["HEALTHCHECK"]
    services = files.read_compose()["services"]
    ours = [service.get("healthcheck", {}) for service in files.list_ours(services).values()]
    asked = [health, str(ours), str(services["nginx"]["healthcheck"])]
    paths = re.findall(r"http://[\w.]+:\d+(/\w+)", " ".join(asked))
    assert sorted(set(paths)) == ["/healthz", "/readyz"]
    assert set(paths) <= set(PATHS)


def test_the_address_that_is_cached_is_a_rooms():
    template = (files.DEPLOY / "nginx/templates/default.conf.template").read_text()
    (pattern,) = re.findall(r"location ~ (\^/api\S+\$) ", template)
    assert re.match(pattern, "/api/v1/queue/rooms/main")
    assert not re.match(pattern, "/api/v1/queue/tokens")
    assert resolve("/api/v1/queue/rooms/main").func.cls.__name__ == "RoomViewSet"
