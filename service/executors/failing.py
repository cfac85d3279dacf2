"""What a child makes of an exception: the error that a job keeps, and whether it can go on."""

from __future__ import annotations

from service.domain.errors import (
    DeviceOutOfMemory,
    FitpointError,
    NoSpace,
    OutOfMemory,
    Unavailable,
    is_disk_full,
)

# How CUDA's and XLA's errors begin after which a process can use the device no more.
_BROKEN_DEVICE = (
    "CUDA_ERROR_",
    "CUDNN_STATUS_",
    "CUBLAS_STATUS_",
    "CUDA error",
    "device is lost",
    "Xid",
)


def failure_of(error: Exception, device: str) -> tuple[FitpointError, bool]:
    """Return the error as a job keeps it, and whether the process should train nothing more.

    `device` is the environment's. An error that the backends raise is told by its name and text:
    their types are different and this file imports none of them.
    """
    if isinstance(error, FitpointError):
        return error, False
    if isinstance(error, OSError) and is_disk_full(error):
        detail = "The disk is full: a checkpoint or the model could not be written. Make room."
        return NoSpace(detail), False
    if isinstance(error, OSError):
        return Unavailable(f"The storage failed: {error.strerror or error}."), False
    said = str(error)
    asked_too_much = (
        type(error).__name__ == "ResourceExhaustedError" or "RESOURCE_EXHAUSTED" in said
    )
    if isinstance(error, MemoryError) or (asked_too_much and device.startswith("cpu")):
        return OutOfMemory(
            f"The training asked for more memory than the system gave{_first_line(said)}. Train on "
            "fewer rows or with fewer units."
        ), True
    if asked_too_much:
        return DeviceOutOfMemory(
            f"The training asked for more memory than {device} has{_first_line(said)}. Choose "
            "fewer units, a smaller batch_size or another device."
        ), True
    if not device.startswith("cpu") and any(word in said for word in _BROKEN_DEVICE):
        return Unavailable(f"The device {device} failed{_first_line(said)}."), True
    detail = f"Training failed inside the engine: {type(error).__name__}. See the worker's log."
    return FitpointError(detail), False


def _first_line(said: str) -> str:
    line = said.strip().partition("\n")[0][:200].rstrip(". ")
    return f" ({line})" if line else ""
