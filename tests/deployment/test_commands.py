"""What runs in a container is what `manage.py up` runs: config/embedded/programs.py says it."""

import pytest

from config.embedded import programs
from tests.deployment import files


def words_of(program):
    return ["python", *program(options=files.options()).command[1:]]


def test_the_image_runs_the_web_server():
    assert files.image_command() == words_of(programs.web)


@pytest.mark.parametrize("program", [programs.worker, programs.beat])
def test_worker_and_beat_are_the_same_everywhere(program):
    name = program.__name__
    (container,) = dict(files.list_pods())[name]["containers"]
    assert files.read_compose()["services"][name]["command"] == words_of(program)
    assert container["command"] == words_of(program)


def test_the_web_server_is_the_images_own_everywhere():
    (container,) = dict(files.list_pods())["web"]["containers"]
    assert "command" not in container
    assert "args" not in container
    assert "command" not in files.read_compose()["services"]["web"]


def test_migrations_are_the_same_everywhere():
    (container,) = dict(files.list_pods())["migrate"]["containers"]
    command = files.read_compose()["services"]["migrate"]["command"]
    assert command == container["command"] == ["python", "manage.py", "migrate", "--no-input"]
