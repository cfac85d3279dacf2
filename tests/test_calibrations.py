"""The file that a worker keeps and the API reads: whole, of this environment, or none."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from service import calibrations
from service.domain.cost import TYPICAL, Calibration
from service.domain.jobs import Environment

HERE = Environment(device="cpu", versions={"backend": "tensorflow", "keras": "3", "threads": "1"})


def measured(environment: Environment = HERE, epoch_seconds: float = 0.1 + 0.2) -> Calibration:
    rates = TYPICAL.model_dump() | {"epoch_seconds": epoch_seconds}
    return Calibration(environment=environment, **rates)


def other(**versions: str) -> Environment:
    return Environment(device="cpu", versions={**HERE.versions, **versions})


def test_nothing_is_known_before_it_was_measured(tmp_path: Path) -> None:
    assert calibrations.read(tmp_path, HERE) is None
    assert calibrations.newest(tmp_path, {}) is None


def test_a_calibration_comes_back_to_the_bit(tmp_path: Path) -> None:
    calibrations.keep(tmp_path, measured())
    assert calibrations.read(tmp_path, HERE) == measured()


@pytest.mark.parametrize(
    "environment",
    [
        other(threads="2"),
        other(keras="4"),
        other(backend="jax"),
        other(processor="another"),
        Environment(device="gpu:0 (H100)", versions=HERE.versions),
    ],
)
def test_what_was_measured_elsewhere_is_refused(tmp_path: Path, environment: Environment) -> None:
    calibrations.keep(tmp_path, measured())
    assert calibrations.read(tmp_path, environment) is None


def test_each_environment_keeps_its_own_the_newest_in_place_of_the_old(tmp_path: Path) -> None:
    jax = other(backend="jax")
    calibrations.keep(tmp_path, measured())
    calibrations.keep(tmp_path, measured(jax, 5.0))
    calibrations.keep(tmp_path, measured(HERE, 7.0))
    assert calibrations.read(tmp_path, HERE) == measured(HERE, 7.0)
    assert calibrations.read(tmp_path, jax) == measured(jax, 5.0)


def test_who_knows_a_part_of_the_environment_is_told_the_newest_that_has_it(
    tmp_path: Path,
) -> None:
    calibrations.keep(tmp_path, measured(other(threads="2"), 2.0))
    calibrations.keep(tmp_path, measured(other(threads="4"), 4.0))
    calibrations.keep(tmp_path, measured(other(keras="4"), 6.0))
    found = calibrations.newest(tmp_path, {"backend": "tensorflow", "keras": "3"})
    assert found == measured(other(threads="4"), 4.0)
    assert calibrations.newest(tmp_path, {"keras": "5"}) is None


def test_the_oldest_environments_are_forgotten(tmp_path: Path) -> None:
    for n in range(20):
        calibrations.keep(tmp_path, measured(other(threads=str(n))))
    assert calibrations.read(tmp_path, other(threads="0")) is None
    assert calibrations.read(tmp_path, other(threads="19")) is not None


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\xff\x00", b"[]", b'{"calibrations": [{}]}', b'{"format": 2}'],
)
def test_a_damaged_file_is_told_of_and_measured_anew(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "calibration.json").write_bytes(text)
    assert calibrations.read(tmp_path, HERE) is None
    assert "calibration.json" in caplog.text
    calibrations.keep(tmp_path, measured())
    assert calibrations.read(tmp_path, HERE) == measured()


def test_a_reader_never_sees_half_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    calibrations.keep(tmp_path, measured())
    written = threading.Event()

    def write() -> None:
        for n in range(100):
            calibrations.keep(tmp_path, measured(HERE, float(n)))
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not written.is_set():
        seen.append(calibrations.read(tmp_path, HERE))
    writer.join()
    assert seen
    assert None not in seen
    assert caplog.text == ""
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.json"]
