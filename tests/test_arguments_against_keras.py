"""Names, positions and defaults of arguments are those of Keras, class by class."""

import inspect

import pytest

import cnnfast

keras = pytest.importorskip("keras")

ROOMS = [
    "layers", "losses", "optimizers", "optimizers.schedules", "metrics", "callbacks",
    "initializers", "regularizers",
]  # fmt: skip
# What other backends and data types need.
WITHOUT = {
    "Dense": {"lora_rank", "lora_alpha", "quantization_config"},
    "Input": {"tensor", "ragged", "optional"},
    "InputLayer": {"input_tensor", "ragged", "optional"},
    "SparseTopKCategoricalAccuracy": {"from_sorted_ids"},
}
# Bases to subclass: their arguments are the subclasses' business. Keras' list of callbacks is not
# made by users.
BASES = {"Layer", "Loss", "Metric", "Optimizer", "Callback", "CallbackList", "LearningRateSchedule"}
BASES |= {"Initializer", "Regularizer"}
# A fan of axes other than the usual ones came to Keras with 3.15.
NEW = {"input_axes", "output_axes"}


def room_of(module, room):
    for part in room.split("."):
        module = getattr(module, part)
    return module


def parameters(made):
    """(names and defaults, takes any keyword)."""
    known = inspect.signature(made.__init__ if isinstance(made, type) else made).parameters
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = {n: p.default for n, p in known.items() if n != "self" and p.kind in plain}
    return found, any(p.kind is p.VAR_KEYWORD for p in known.values())


def classes():
    for room in ROOMS:
        ours, theirs = room_of(cnnfast, room), room_of(keras, room)
        for name in dir(ours):
            if name[0].isupper() and name not in BASES and callable(getattr(theirs, name, None)):
                yield room, name


@pytest.mark.parametrize(("room", "name"), list(classes()))
def test_arguments(room, name):
    mine, open_ended = parameters(getattr(room_of(cnnfast, room), name))
    theirs, _ = parameters(getattr(room_of(keras, room), name))
    theirs = {key: v for key, v in theirs.items() if key not in WITHOUT.get(name, set()) | NEW}
    missing = [key for key in theirs if key not in mine]
    # A name or dtype may go through **kwargs.
    assert not missing or (open_ended and set(missing) <= {"name", "dtype", "data_format"}), missing
    shared = [key for key in theirs if key in mine]
    assert list(mine)[: len(shared)] == shared, "positions"
    for key in shared:
        if theirs[key] is inspect.Parameter.empty or key == "name":
            continue  # an argument that Keras wants may have a default here
        assert mine[key] == theirs[key], key


def test_there_is_much_to_compare():
    found = list(classes())
    assert len(found) > 110
    assert {"Conv2D", "Adam", "EarlyStopping", "AUC", "Huber", "HeNormal", "CosineDecay"} <= {
        name for _, name in found
    }
