"""Where the figures of requests are kept: in this process, or in a folder that processes share."""

import os

import pytest
from django.core.exceptions import ImproperlyConfigured
from prometheus_client import values

from config.embedded import programs
from config.metrics import http

SHARED = object()


@pytest.fixture(autouse=True)
def _shared_by_prometheus_client(monkeypatch):
    """As the client chooses where the variable is set."""
    monkeypatch.setattr(values, "ValueClass", SHARED)


def list_files(folder):
    return {path.name: path.stat() for path in folder.iterdir()}


def test_without_a_folder_this_process_counts_for_itself(settings):
    settings.PROMETHEUS_MULTIPROC_DIR = ""
    http._choose_storage()
    assert values.ValueClass is values.MutexValue
    assert http.collect_registry() is http.REGISTRY


def test_the_folder_is_made_and_the_files_have_no_holes(settings, tmp_path):
    folder = tmp_path / "a" / "b"
    settings.PROMETHEUS_MULTIPROC_DIR = str(folder)
    http._choose_storage()
    assert values.ValueClass is SHARED
    files = list_files(folder)
    assert set(files) == {f"{kind}_{os.getpid()}.db" for kind in ("counter", "histogram")}
    assert all(stat.st_blocks * 512 >= stat.st_size == 1 << 20 for stat in files.values())


def test_the_figures_of_an_earlier_process_of_the_same_number_stay(settings, tmp_path):
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    earlier = tmp_path / f"counter_{os.getpid()}.db"
    earlier.write_bytes(b"figures")
    http._choose_storage()
    assert earlier.read_bytes() == b"figures"


def test_a_full_disk_keeps_nobody_from_buying(settings, tmp_path, monkeypatch, caplog):
    def refuse(*_args):
        raise OSError(28, "No space left on device")

    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path)
    monkeypatch.setattr(http.Path, "write_bytes", refuse)
    http._choose_storage()
    assert values.ValueClass is values.MutexValue
    assert "this process counts alone: [Errno 28]" in caplog.text


def test_what_can_be_no_folder_stops_the_start(settings, tmp_path):
    (tmp_path / "file").touch()
    settings.PROMETHEUS_MULTIPROC_DIR = str(tmp_path / "file" / "below")
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR must be a folder"):
        http._choose_storage()


def test_up_gives_its_web_server_a_folder_of_its_own(tmp_path):
    options = programs.Options(
        project_dir=tmp_path,
        data_dir=tmp_path,
        host="127.0.0.1",
        port=1,
        web_workers=1,
        environment={},
        embedded_database=True,
        broker_conninfo="",
        broker_queues=(),
        load_demo=False,
        stop_with_parent=False,
    )
    environment = programs.web(options=options).environment
    assert environment["PROMETHEUS_MULTIPROC_DIR"] == str(tmp_path / "metrics")
