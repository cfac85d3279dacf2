"""What others serve the same network with; `serving.py` starts it in their own environments.

    python benchmarks/serving_peers.py keras|vetiver|mlserver FOLDER PORT

FOLDER holds `network.npz` (the kernels and biases on raw rows, recipe folded in) and for Keras
`model.keras` with `recipe.npz` (which columns, their means and deviations).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np


def keras_endpoint(folder: Path, port: int) -> None:
    """Serve FastAPI and `model.predict`, as most people write it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    model = keras.saving.load_model(folder / "model.keras")
    recipe = np.load(folder / "recipe.npz")
    app = FastAPI()

    class Rows(BaseModel):
        data: list[list[float]]

    def predict(rows: Rows) -> dict[str, Any]:
        x = np.array(rows.data)[:, recipe["columns"]]
        prob = model.predict((x - recipe["means"]) / recipe["sds"], verbose=0)
        return {"class": prob.argmax(axis=1).tolist(), "prob": prob.tolist()}

    predict.__annotations__["rows"] = Rows
    app.post("/predict")(predict)
    uvicorn.run(app, port=port, log_level="warning")


def classifier(folder: Path) -> Any:
    """Return scikit-learn's classifier with the network's weights on raw rows."""
    from sklearn.neural_network import MLPClassifier

    arrays = np.load(folder / "network.npz")
    kernels = [arrays["kernel_0"], arrays["kernel_1"]]
    biases = [arrays["bias_0"], arrays["bias_1"]]
    width, classes = kernels[0].shape[0], kernels[1].shape[1]
    model = MLPClassifier((kernels[0].shape[1],), activation="relu", max_iter=1)
    x = np.random.default_rng(1).normal(size=(4 * classes, width))
    model.fit(x, np.tile(np.arange(classes), 4))
    model.coefs_, model.intercepts_ = kernels, biases
    return model


def vetiver_endpoint(folder: Path, port: int) -> None:
    """Serve vetiver's API with its prototype checked, as it is by default."""
    import pandas as pd
    import uvicorn
    from vetiver import VetiverAPI, VetiverModel  # type: ignore[import-not-found]

    model = classifier(folder)
    width = model.coefs_[0].shape[0]
    names = [f"x{place + 1}" for place in range(width)]
    rows = pd.DataFrame(np.zeros((1, width)), columns=names)
    served = VetiverModel(model, "network", prototype_data=rows)
    uvicorn.run(VetiverAPI(served, check_prototype=True).app, port=port, log_level="warning")


def mlserver_endpoint(folder: Path, port: int) -> None:
    """Serve MLServer's scikit-learn runtime, the model in its own process: that is its fastest."""
    import joblib

    place = folder / "mlserver"
    place.mkdir(exist_ok=True)
    joblib.dump(classifier(folder), place / "model.joblib")
    settings = {
        "name": "network",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "1"},
    }
    (place / "model-settings.json").write_text(json.dumps(settings))
    ports = {"http_port": port, "grpc_port": port + 1, "metrics_port": port + 2}
    alone = {"debug": False, "parallel_workers": 0}
    (place / "settings.json").write_text(json.dumps({**alone, **ports}))
    command = Path(sys.executable).with_name("mlserver")
    os.execv(command, [str(command), "start", str(place)])


if __name__ == "__main__":
    roles = {"keras": keras_endpoint, "vetiver": vetiver_endpoint, "mlserver": mlserver_endpoint}
    roles[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
