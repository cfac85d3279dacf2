"""Prepare a process for training, before Keras is imported: device, threads, quiet start-up."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

from service import __version__
from service.domain.jobs import Environment


def configure(*, device: str, threads: int) -> None:
    """Set what the backend reads once, when it is imported.

    Args:
        device: "auto", "cpu", or "gpu:N".
        threads: intra-op threads on a CPU. The number is part of the environment: another number
            may add in another order.

    Raises:
        RuntimeError: the backend has been imported already.
    """
    loaded = {"tensorflow", "jax", "keras"} & set(sys.modules)
    if loaded:
        raise RuntimeError(f"Expected to configure before import. Loaded: {sorted(loaded)}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ["NPROC"] = str(threads)  # XLA's own thread pool, which JAX uses
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    elif device.startswith("gpu:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = device.removeprefix("gpu:")
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)


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
