"""Every network equals its torch definition: outputs, loss and all gradients; and it learns.

Weights are copied by name. torch computes in float64 and is the truth.
"""

import functools

import numpy as np
import pytest

import cnnfast as keras
from check import relative_error
from cnnfast import applications as ours
from cnnfast import ops
from cnnfast._trace import Trace
from cnnfast.layers import _context

torch = pytest.importorskip("torch", reason="torch is not installed")

from applications import torch_definitions as theirs  # noqa: E402

CLASSES = 10
# Of a loss in float32: 150 normalisations by the statistics of a few values lose some digits.
ROUNDING = 1e-3
VGG_COLUMNS = {
    "VGG11": [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG13": [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
    "VGG16": [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M",
              512, 512, 512, "M"],
    "VGG19": [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M",
              512, 512, 512, 512, "M"],
}  # fmt: skip
RESNETS = {
    "ResNet18": ([2, 2, 2, 2], False),
    "ResNet34": ([3, 4, 6, 3], False),
    "ResNet50": ([3, 4, 6, 3], True),
    "ResNet101": ([3, 4, 23, 3], True),
    "ResNet152": ([3, 8, 36, 3], True),
}
CIFAR = {
    "CIFAR A": {"shortcut": "A"},
    "CIFAR B": {"shortcut": "B"},
    "CIFAR plain": {"plain": True},
    "CIFAR without BN": {"batch_normalization": False},
}


def pair(name):
    """(our model, torch's, shape of a batch), both giving logits, without dropout."""
    logits = {"classes": CLASSES, "classifier_activation": None}
    if name == "LeNet5":
        model = ours.LeNet5(**logits)
        trained = [layer.name for layer in model.layers if layer.weights]
        return model, theirs.LeNet5(trained), (4, 32, 32, 1)
    if name.startswith("AlexNet"):
        arguments = {"variant": "torchvision"} if "torchvision" in name else {}
        arguments["lrn"] = "LRN" in name
        model = ours.AlexNet((67, 67, 3), dropout=0.0, **arguments, **logits)
        return model, theirs.AlexNet(CLASSES, "variant" in arguments, "LRN" in name), (2, 67, 67, 3)
    if name in VGG_COLUMNS:
        model = getattr(ours, name)(input_shape=(32, 32, 3), dropout=0.0, **logits)
        return model, theirs.VGG(VGG_COLUMNS[name], CLASSES), (2, 32, 32, 3)
    if name in RESNETS:
        model = getattr(ours, name)(input_shape=(64, 64, 3), **logits)
        batch = 2 if name in ("ResNet101", "ResNet152") else 4
        return model, theirs.ResNet(*RESNETS[name], CLASSES), (batch, 64, 64, 3)
    arguments = CIFAR[name]
    model = ours.CIFARResNet(20, (16, 16, 3), width=8, **arguments, **logits)
    shortcut = None if arguments.get("plain") else arguments.get("shortcut", "A")
    bn = arguments.get("batch_normalization", True)
    return model, theirs.CIFARResNet(20, 8, shortcut, bn), (8, 16, 16, 3)


def randomise(model, rng):
    """Biases, betas and statistics away from 0, gammas and variances away from 1."""
    for layer in model.layers:
        # Bottlenecks end small: a hundred blocks of full size make of rounding errors large ones.
        size = 0.2 if layer.name.endswith("_3_bn") else 1.0
        for weight in layer.weights:
            if weight.name == "gamma":
                weight.assign(size * rng.uniform(0.5, 1.5, weight.shape))
            elif weight.name == "moving_variance":
                weight.assign(rng.uniform(0.5, 1.5, weight.shape))
            elif len(weight.shape) == 1:
                weight.assign(rng.normal(0, 0.1, weight.shape))


def parameters(model, net):
    """(our Variable, torch's tensor, from torch's axes to ours) of everything there is."""
    found = []
    for name, module in net.parts.items():
        layer = model.get_layer(name)
        if isinstance(module, torch.nn.Conv2d):
            found.append((layer.kernel, module.weight, (2, 3, 1, 0)))
        elif isinstance(module, torch.nn.Linear):
            found.append((layer.kernel, module.weight, (1, 0)))
        else:
            found.append((layer.gamma, module.weight, (0,)))
            found.append((layer.moving_mean, module.running_mean, (0,)))
            found.append((layer.moving_variance, module.running_var, (0,)))
            found.append((layer.beta, module.bias, (0,)))
            continue
        if module.bias is not None:
            found.append((layer.bias, module.bias, (0,)))
    assert len(found) == len(model.weights)
    return found


class Network:
    def __init__(self, name):
        rng = np.random.default_rng(3)
        self.name = name
        keras.set_random_seed(5)
        self.model, self.net, shape = pair(name)
        randomise(self.model, rng)
        self.net.double()
        self.parameters = parameters(self.model, self.net)
        with torch.no_grad():
            for variable, tensor, axes in self.parameters:
                back = np.argsort(axes)
                tensor.copy_(torch.from_numpy(variable.numpy().transpose(back).copy()))
        self.x = rng.standard_normal(shape).astype("float32")
        self.y = rng.integers(0, CLASSES, shape[0])

    def torch_logits(self, training):
        x = torch.from_numpy(self.x.transpose(0, 3, 1, 2).astype("float64"))
        return self.net.train(training)(x)

    @functools.cached_property
    def torch_training(self):
        """(loss, gradients of what is trained) before the first step."""
        loss = torch.nn.functional.cross_entropy(self.torch_logits(True), torch.from_numpy(self.y))
        trained = [tensor for _, tensor, _ in self.parameters if tensor.requires_grad]
        gradients = torch.autograd.grad(loss, trained)
        return loss.item(), [gradient.numpy() for gradient in gradients]


NAMES = ["LeNet5", "AlexNet LRN", "AlexNet torchvision", *VGG_COLUMNS, *RESNETS, *CIFAR]


# One network at a time is alive: pytest runs the tests of a parameter together.
@pytest.fixture(scope="module", params=NAMES)
def network(request):
    return Network(request.param)


def test_predictions(network):
    with torch.no_grad():
        expected = network.torch_logits(False).numpy()
    actual = network.model.predict(network.x, verbose=0)
    assert np.ptp(expected) > 0.1
    assert relative_error(actual, expected) < 1e-5


def test_gradients_in_training(network):
    loss, gradients = network.torch_training
    trained = [(v, axes) for v, tensor, axes in network.parameters if tensor.requires_grad]

    trace = Trace()
    x = trace.input(network.x.shape)
    y = trace.input(network.y.shape, "int64")
    with trace.active(), _context.entered(True):
        logits = network.model(x, training=True)
        our_loss = ops.mean(ops.sparse_categorical_crossentropy(y, logits, from_logits=True))
    ours = trace.gradients(our_loss, [variable for variable, _ in trained])
    our_loss, *ours = trace.plan([our_loss, *ours]).run(network.x, network.y)

    assert our_loss == pytest.approx(loss, rel=ROUNDING)
    errors = []
    for (_, axes), actual, expected in zip(trained, ours, gradients, strict=True):
        expected = expected.transpose(axes)
        assert np.abs(expected).max() > 0
        errors.append(relative_error(actual, expected))
    if network.name == "LeNet5":
        assert max(errors) < 1e-4
        return
    # A value within rounding of zero passes one relu and not the other. Among a million of them
    # some do, and each moves the gradients of a layer of N values by some 1 / sqrt(N).
    assert max(errors) < 0.1
    assert np.median(errors) < 0.02


def test_training_steps(network):
    """The loss is finite and falls; the first one is torch's."""
    model = network.model
    normalised = any(isinstance(x, keras.layers.BatchNormalization) for x in model.layers)
    model.compile(
        keras.optimizers.SGD(2e-3 if normalised or network.name == "LeNet5" else 1e-4),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses = [model.train_on_batch(network.x, network.y) for _ in range(3)]
    assert losses[0] == pytest.approx(network.torch_training[0], rel=ROUNDING)
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
