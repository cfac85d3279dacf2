"""The MNIST sets through keras.datasets: its cache folder and its environment variable apply."""

from __future__ import annotations

from typing import Any, Literal

from numpy.typing import NDArray

from service.domain.errors import Unavailable


def load_images(
    name: Literal["mnist", "fashion_mnist"], part: Literal["train", "test"]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return images uint8 (rows, 784), row by row of the picture, and labels uint8 (rows,).

    Raises:
        Unavailable: not in the cache of Keras, and the download failed.
    """
    import keras

    try:
        train, test = getattr(keras.datasets, name).load_data()
    # Keras raises a bare Exception when a download fails.
    except Exception as error:
        detail = (
            f"Expected '{name}' in the cache of Keras or a network to download it. "
            f"Received: {' '.join(str(error).split())[:200]}. Upload the set as a file instead."
        )
        raise Unavailable(detail) from error
    images, labels = train if part == "train" else test
    return images.reshape(len(images), -1), labels
