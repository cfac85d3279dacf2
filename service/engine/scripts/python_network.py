"""The network of a printed script: its layers, its loss and its recorded dropout."""

from __future__ import annotations

from service.domain.errors import NotExportable
from service.domain.network import penalised_layers
from service.domain.optimizers import optimizer_of
from service.engine.artifact import Artifact

_OPTIMIZERS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adamax": "Adamax",
    "nadam": "Nadam",
}


_RECORDED = '''
class RecordedDropout(keras.layers.Layer):
    """A Dropout whose masks follow from the second seed, the epoch and the layer."""

    def __init__(self, rate, units, layer, rows):
        super().__init__()
        self.rate, self.units, self.place, self.rows = rate, units, layer, rows
        steps = math.ceil(rows / BATCH_SIZE)
        self.masks = self.add_weight(shape=(steps, BATCH_SIZE, units), trainable=False)
        self.step = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False
        )

    def begin(self, epoch):
        """Draw the masks of an epoch; row i is the i-th row that it visits."""
        drawn = generator(2, SEEDS[1], epoch, self.place).random(
            (self.rows, self.units), dtype=np.float32
        )
        masks = np.zeros((self.masks.shape[0] * BATCH_SIZE, self.units), np.float32)
        masks[: self.rows] = drawn >= np.float32(self.rate)
        self.masks.assign(masks.reshape(self.masks.shape))
        self.step.assign(0)

    def call(self, inputs, training=False):
        if not training:
            return inputs
        mask = keras.ops.take(self.masks, self.step, axis=0)[: keras.ops.shape(inputs)[0]]
        self.step.assign_add(1)
        return inputs * mask * (1.0 / (1.0 - self.rate))
'''


def dropout_class(artifact: Artifact) -> str:
    """Return the layer whose masks are the service's, or nothing where no layer drops."""
    return _RECORDED if any(artifact.network.dropouts) else ""


def network_function(artifact: Artifact, backend: str) -> str:
    """Return the function that makes the compiled network."""
    spec, network = artifact.spec, artifact.network
    penalised, penalty = set(penalised_layers(spec)), spec.model.penalty
    layers = [f"keras.Input(({network.predictors},)),"]
    for place, (units, rate) in enumerate(zip(network.hidden, network.dropouts, strict=True)):
        more = f'activation="{network.activation}", kernel_initializer=glorot(SEEDS[0])'
        if penalty and place in penalised:
            l1, l2 = penalty * spec.model.mixture, penalty * (1 - spec.model.mixture)
            more += f", kernel_regularizer=keras.regularizers.L1L2(l1={l1!r}, l2={l2!r})"
        layers.append(f"keras.layers.Dense({units}, {more}),")
        if rate > 0:
            layers.append(f"RecordedDropout({rate!r}, {units}, {place}, n),")
    last = "linear" if of_logits(artifact, backend) else network.output_activation
    layers.append(
        f'keras.layers.Dense({network.outputs}, activation="{last}", '
        "kernel_initializer=glorot(SEEDS[2])),"
    )
    optimizer = optimizer_of(spec.engine.optimizer)
    arguments = "".join(
        f", {name}={value!r}" for name, value in optimizer.model_dump(exclude={"name"}).items()
    )
    told = [
        "def network(n):",
        '    """Return the network, compiled; n rows train it."""',
        "    glorot = keras.initializers.GlorotUniform",
        "    model = keras.Sequential(",
        "        [",
        *(f"            {layer}" for layer in layers),
        "        ]",
        "    )",
        "    model.compile(",
        f"        optimizer=keras.optimizers.{_OPTIMIZERS[optimizer.name]}(",
        f"            learning_rate={spec.model.learn_rate!r}{arguments}",
        "        ),",
        f"        loss={_loss(artifact, backend)},",
        f"        metrics={_metrics(artifact, backend)},",
        "    )",
        "    return model",
    ]
    return "\n".join(told)


def of_logits(artifact: Artifact, backend: str) -> bool:
    """Tell whether Keras must be given logits to compute what it computes on TensorFlow."""
    loss = artifact.spec.engine.loss
    return (
        backend == "jax"
        and artifact.levels is not None
        and loss in ("binary_crossentropy", "categorical_crossentropy")
    )


def _loss(artifact: Artifact, backend: str) -> str:
    loss = artifact.spec.engine.loss
    if of_logits(artifact, backend):
        name = "BinaryCrossentropy" if loss == "binary_crossentropy" else "CategoricalCrossentropy"
        return f"keras.losses.{name}(from_logits=True)"
    return f'"{loss}"'


def _metrics(artifact: Artifact, backend: str) -> list[str]:
    asked: list[str] = list(artifact.spec.engine.metrics)
    if not of_logits(artifact, backend):
        return asked
    rule = artifact.spec.engine.early_stopping
    watched = rule.monitor.removeprefix("val_") if rule is not None else "loss"
    if watched not in ("loss", "accuracy"):
        raise NotExportable(
            f"Expected early stopping by a loss or an accuracy on JAX. Received '{watched}', which "
            "plain Keras would compute of logits there."
        )
    # The others would be given logits; nothing depends on them.
    return [name for name in asked if name == "accuracy"]
