"""An ordinary Keras script, changed in its imports only, runs as it stands."""

import subprocess
import sys

SCRIPT = """
import sys
import numpy as np
import cnnfast as keras
from cnnfast import datasets, layers
from cnnfast.callbacks import EarlyStopping, ModelCheckpoint
from cnnfast.layers import Conv2D, Dense, Dropout, Flatten, MaxPool2D
from cnnfast.losses import CategoricalCrossentropy
from cnnfast.models import Sequential, load_model
from cnnfast.optimizers import Adam
from cnnfast.utils import to_categorical

assert "tqdm" not in sys.modules and "safetensors" not in sys.modules, "imports must stay light"
folder = sys.argv[1]

keras.utils.set_random_seed(42)
(x_train, y_train), (x_test, y_test) = keras.datasets.digits.load_data(300, 50)
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255.0
x_test = np.expand_dims(x_test.astype("float32") / 255.0, -1)
num_classes = 10
y_train_hot = to_categorical(y_train, num_classes)
y_test_hot = keras.utils.to_categorical(y_test, num_classes)

model = Sequential()
model.add(Conv2D(4, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(MaxPool2D(2, 2, "same"))
model.add(Conv2D(4, kernel_size=3, strides=2, padding="same", kernel_initializer="he_uniform"))
model.add(layers.ReLU())
model.add(layers.AveragePooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dropout(0.25))
model.add(Dense(num_classes, activation="softmax"))
model.summary()

model.compile(loss=CategoricalCrossentropy(), optimizer=Adam(learning_rate=0.01), metrics=["accuracy"])
history = model.fit(
    x_train,
    y_train_hot,
    batch_size=32,
    epochs=2,
    verbose=1,
    validation_split=0.1,
    callbacks=[
        EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True),
        ModelCheckpoint(folder + "/best.safetensors", monitor="val_accuracy", save_best_only=True),
    ],
)
assert history.history["val_acc"] == history.history["val_accuracy"]
score = model.evaluate(x_test, y_test_hot, verbose=0)
print("Test loss:", score[0])
print("Test accuracy:", score[1])
predictions = model.predict(x_test)
assert predictions.shape == (50, 10)
classes = np.argmax(predictions, axis=1)
print(keras.utils.confusion_matrix(y_test, classes))
model.save(folder + "/model.safetensors")
again = load_model(folder + "/model.safetensors")
assert np.array_equal(again.predict(x_test, verbose=0), predictions)
"""


def test_an_ordinary_script(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Total params:" in done.stdout and "Test accuracy:" in done.stdout
    assert "Epoch 2/2" in done.stderr
