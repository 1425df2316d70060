"""Nobody is root, nothing can be written that need not be, and every image says which it is."""

import re

import pytest

from tests.deployment import files

COMPOSE = sorted(files.read_compose()["services"].items())
PODS = sorted(files.list_pods(), key=lambda pod: pod[0])
# Their images run as somebody of their own.
OWN_USERS = {"pgbouncer", "prometheus", "grafana"}


def test_the_images_user_is_a_number_and_not_root():
    user = dict(files.read_image())["USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    for name in ("web", "worker", "beat", "migrate"):
        context = dict(PODS)[name]["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


@pytest.mark.parametrize(("name", "service"), COMPOSE)
def test_a_container_of_compose_is_confined(name, service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert service["mem_limit"]
    if name not in OWN_USERS and not service["image"].startswith("encore:"):
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    mounted = [volume for volume in service.get("volumes", ()) if volume.startswith(".")]
    assert [volume for volume in mounted if not volume.endswith(":ro")] == []


@pytest.mark.parametrize(("name", "pod"), PODS)
def test_a_pod_is_confined(name, pod):
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_every_image_says_which_it_is():
    images = [service["image"] for _, service in COMPOSE]
    images += [text.split()[0] for word, text in files.read_image() if word == "FROM"]
    images += [each["image"] for _, pod in PODS for each in pod["containers"]]
    # Kustomize says which, for all pods alike.
    images = [image for image in images if image != "encore"]
    assert len(images) > 10
    for image in images:
        assert re.fullmatch(r"[a-z/]+:[\w.-]*\w", image), image
        assert not image.endswith(":latest")


def test_the_same_programs_have_the_same_version_everywhere():
    services = files.read_compose()["services"]
    for name in ("nginx", "pgbouncer"):
        (container,) = dict(PODS)[name]["containers"]
        assert container["image"] == services[name]["image"]
