"""Our stopping rule against Keras's own callback, on any sequence of values."""

from __future__ import annotations

import warnings

import keras
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.fit import EarlyStopping
from service.engine.training.stopping import Stopping, after_epoch

values = st.lists(
    st.one_of(st.floats(0, 2, width=16), st.just(float("nan"))), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=300)
@given(
    values=values,
    patience=st.integers(0, 5),
    min_delta=st.sampled_from([0.0, 0.125, 0.5]),
    monitor=st.sampled_from(["val_loss", "val_accuracy"]),
)
def test_stops_and_remembers_as_keras_does(
    values: list[float], patience: int, min_delta: float, monitor: str
) -> None:
    callback = keras.callbacks.EarlyStopping(
        monitor=monitor,
        min_delta=min_delta,
        patience=patience,
        mode="max" if monitor == "val_accuracy" else "min",
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.stop_training = False
    callback.set_model(model)
    rule = EarlyStopping(monitor=monitor, patience=patience, min_delta=min_delta)
    ours = Stopping()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        callback.on_train_begin()
        for epoch, value in enumerate(values):
            callback.on_epoch_end(epoch, {monitor: value})
            ours = after_epoch(ours, rule, epoch + 1, value)
            assert ours.stop == model.stop_training
            assert str(ours.best) == str(callback.best)
            assert ours.best_epoch == callback.best_epoch + 1
            assert ours.wait == callback.wait
            if ours.stop:
                break
