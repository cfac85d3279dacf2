"""Prepare a process for training, before Keras is imported: device, threads, quiet start-up."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

from service import __version__
from service.domain.jobs import Environment

# Elementwise operations without fused multiply-add: whether a multiplication and an addition become
# one rounding depends on what the compiler puts into one loop, and that on the company. Matrix
# products are not its own and keep their instructions. An epoch takes 3 to 6 % longer.
_NO_FMA = "--xla_cpu_max_isa=AVX"


def settings(*, device: str, threads: int) -> dict[str, str]:
    """Return the environment variables that a backend reads once, when it is imported.

    Args:
        device: "auto", "cpu", or "gpu:N".
        threads: intra-op threads on a CPU. The number is part of the environment: another number
            may add in another order.
    """
    asked = os.environ.get("XLA_FLAGS", "")
    found = {
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        "TF_FORCE_GPU_ALLOW_GROWTH": os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH", "true"),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
        "NPROC": str(threads),  # XLA's own thread pool, which JAX uses
        "XLA_FLAGS": asked if "xla_cpu_max_isa" in asked else f"{asked} {_NO_FMA}".strip(),
    }
    if device == "cpu":
        found |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    elif device.startswith("gpu:"):
        found["CUDA_VISIBLE_DEVICES"] = device.removeprefix("gpu:")
    return found


def configure(*, device: str, threads: int) -> None:
    """Set what the backend reads once, when it is imported; arguments as for `settings`.

    Raises:
        RuntimeError: the backend has been imported already.
    """
    loaded = {"tensorflow", "jax", "keras"} & set(sys.modules)
    if loaded:
        raise RuntimeError(f"Expected to configure before import. Loaded: {sorted(loaded)}.")
    os.environ |= settings(device=device, threads=threads)


def environment(threads: int) -> Environment:
    """Return where this process trains: everything that may decide the bits of a fit."""
    import keras

    from service.engine.training import backend

    name = keras.config.backend()
    return Environment(
        device=backend.load().device(),
        versions={
            "fitpoint": __version__,
            "python": platform.python_version(),
            "numpy": version("numpy"),
            "keras": keras.__version__,
            "backend": name,
            name: version(name),
            "processor": _processor(),
            "threads": str(threads),
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
        },
    )


def _processor() -> str:
    """Return the processor's model name where the system tells it, else its architecture."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
