"""Settings: what the environment may say, and what stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import BadSettings, Settings, read_settings, variables


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables().values():
        monkeypatch.delenv(name, raising=False)


def complaint(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings) as caught:
        read_settings()
    return str(caught.value)


def test_without_any_variable_everything_lies_in_one_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = read_settings()
    folder = tmp_path / "fitpoint-data"
    assert settings.data_dir == folder
    assert settings.database_url == f"sqlite:///{folder}/fitpoint.sqlite"
    assert settings.storage_root == folder
    assert settings.datasets_dir == folder / "datasets"
    assert settings.max_upload_bytes == 4 * 2**30
    assert settings.max_body_bytes == 8 * 2**20
    assert (settings.executor, settings.slots, settings.backend) == ("process", None, "tensorflow")
    assert settings.trusted_network is False


def test_a_folder_with_spaces_survives_the_way_through_the_storage_url(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "with space and ü")
    assert settings.storage_root == tmp_path / "with space and ü"


@pytest.mark.parametrize(
    ("written", "bytes_"), [("4GiB", 4 * 2**30), ("500 kB", 500_000), ("1048576", 1_048_576)]
)
def test_sizes_are_read_with_their_unit(
    monkeypatch: pytest.MonkeyPatch, written: str, bytes_: int
) -> None:
    monkeypatch.setenv("FITPOINT_MAX_UPLOAD_BYTES", written)
    assert read_settings().max_upload_bytes == bytes_


def test_an_unknown_variable_stops_the_start_and_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = complaint(monkeypatch, FITPOINT_SLOT="2")
    assert message == "FITPOINT_SLOT: Fitpoint reads no such variable. Did you mean FITPOINT_SLOTS?"


def test_an_unknown_variable_with_no_near_one_is_told_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = complaint(monkeypatch, FITPOINT_QQQ="2")
    assert "FITPOINT_DATA_DIR" in message
    assert "KERAS_BACKEND" in message


def test_the_folder_of_the_tests_does_not_stop_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITPOINT_TEST_DATA", "somewhere")
    assert read_settings() == Settings()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITPOINT_SLOTS", "")
    assert read_settings().slots is None


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FITPOINT_EXECUTOR", "thread", "'process' or 'inline'"),
        ("FITPOINT_SLOTS", "0", "greater than or equal to 1"),
        ("FITPOINT_MAX_BODY_BYTES", "8 apples", "byte unit"),
        ("FITPOINT_STORAGE_URL", "relative/folder", "file://"),
        ("KERAS_BACKEND", "torch", "'tensorflow' or 'jax'"),
    ],
)
def test_a_bad_value_is_told_with_its_variable_and_what_was_received(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    message = complaint(monkeypatch, **{name: value})
    assert message.startswith(f"{name}: ")
    assert expected in message
    assert f"Received '{value}'" in message


def test_a_database_url_is_never_repeated_because_it_may_hold_a_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    message = complaint(monkeypatch, FITPOINT_DATABASE_URL="mysql://me:secret@host/db")
    assert "FITPOINT_DATABASE_URL" in message
    assert "sqlite:///" in message
    assert "secret" not in message


def test_all_complaints_come_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    message = complaint(monkeypatch, FITPOINT_SLOT="1", KERAS_BACKEND="torch")
    assert len(message.splitlines()) == 2
