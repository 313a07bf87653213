"""Writes the fixtures of keras.engine.test.ts: models saved by Keras 3 (with PyTorch behind it), and what they give.

    KERAS_BACKEND=torch python test/tfjs/keras_models.py test/tfjs/fixtures
"""

import json
import sys

import keras
import numpy as np

L = keras.layers
numbers = np.random.RandomState(1)


def sequential():
    return keras.Sequential(
        [
            L.Input((8, 8, 3)),
            L.Conv2D(4, 3, padding="same", strides=2, activation="relu", name="first"),
            L.BatchNormalization(),
            L.SeparableConv2D(5, 3, padding="same"),
            L.ReLU(max_value=6),
            L.DepthwiseConv2D(3, padding="same"),
            L.MaxPooling2D(),
            L.Flatten(),
            L.Dense(2, activation="softmax"),
        ],
        name="sequential_model",
    )


def functional():
    image = L.Input((8, 8, 3), name="image")
    x = L.Rescaling(1 / 127.5, offset=-1)(image)
    x = L.Add()([L.Conv2D(4, 1)(x), L.Conv2D(4, 3, padding="same", use_bias=False)(x)])
    x = L.Activation("relu")(L.BatchNormalization(scale=False)(x))
    inner = keras.Sequential([L.Input((8, 8, 4)), L.Conv2D(3, 3), L.PReLU(shared_axes=[1, 2])], name="inner")
    x = L.Dropout(0.3)(L.GlobalAveragePooling2D()(inner(x)))
    return keras.Model(image, L.Dense(1, activation="sigmoid")(x), name="functional_model")


folder = sys.argv[1]
expected = {}
for model, ending in ((sequential(), "keras"), (functional(), "h5")):
    for weight in model.weights:
        low, high = (0.5, 1.5) if "variance" in weight.path or "gamma" in weight.path else (-0.5, 0.5)
        weight.assign(numbers.uniform(low, high, weight.shape).astype("float32"))
    # the same numbers as in the test
    x = (np.arange(2 * 8 * 8 * 3) * 37 % 256 / 256).astype("float32").reshape(2, 8, 8, 3)
    model.save(f"{folder}/{model.name}.{ending}")
    expected[f"{model.name}.{ending}"] = model.predict(x, verbose=0).tolist()
expected["keras"] = keras.__version__
with open(f"{folder}/outputs.json", "w") as file:
    file.write(json.dumps(expected) + "\n")
