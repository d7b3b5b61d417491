"""The hybrid model of `qstore train`: preprocessing, quantum layer, softmax."""

from __future__ import annotations

from tensorflow import keras

from qstore_tf.layers import QuantumLayer
from qstore_tf.training.data import Dataset
from qstore_tf.training.options import TrainOptions, observable_strings
from qstore_tf.training.preprocessing import Preprocessing


def build_model(
    dataset: Dataset, preprocessing: Preprocessing, options: TrainOptions
) -> keras.Model:
    """Builds and compiles the model; its input is one raw sample, its output class probabilities.

    Args:
        dataset: gives the sample's shape, the classes and the number of steps.
        preprocessing: fitted layers, put before the others.
        options: circuit, observables, backend, gradient method, learning rate and epochs.

    Raises:
        QstoreError: if the options do not fit together.
    """
    circuit = options.circuit
    model = keras.Sequential(
        [
            keras.layers.Input(dataset.sample_shape, name="sample"),
            *preprocessing.layers,
            QuantumLayer(
                n_qubits=circuit.qubits,
                depth=circuit.depth,
                encoding=circuit.encoding,
                ansatz=circuit.ansatz,
                entanglement=circuit.entanglement,
                observables=observable_strings(options.observables, circuit.qubits),
                backend=options.backend,
                gradient=options.gradient,
                name="quantum",
            ),
            keras.layers.Dense(len(dataset.class_names), activation="softmax", name="classes"),
        ],
        name="hybrid_classifier",
    )
    steps_per_epoch = -(-len(dataset.x_train) // options.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(
        options.learning_rate, decay_steps=steps_per_epoch * options.resolved_epochs
    )
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model
