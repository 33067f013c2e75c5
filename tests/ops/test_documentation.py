"""The example in every docstring runs and prints what it says; every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

from cnnfast import ops

# Comparisons are as `equal`, Keras' spellings as the functions they call.
WITHOUT_EXAMPLE = {"not_equal", "less", "less_equal", "greater", "greater_equal"}
WITHOUT_EXAMPLE |= {"conv", "max_pool", "average_pool"}
ROOMS = [name for _, name, _ in pkgutil.iter_modules(ops.__path__)]


@pytest.mark.parametrize("room", ROOMS)
def test_examples(room):
    # The module, not the function of the same name that the package exports.
    module = importlib.import_module(f"cnnfast.ops.{room}")
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_the_package_example():
    assert doctest.testmod(ops).failed == 0


def test_every_function_is_documented_and_typed():
    for name in ops.__all__:
        function = getattr(ops, name)
        assert inspect.isfunction(function), name
        assert function.__doc__, name
        assert name in WITHOUT_EXAMPLE or ">>>" in function.__doc__, f"{name} has no example"
        signature = inspect.signature(function)
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in signature.parameters.values():
            assert parameter.annotation is not inspect.Parameter.empty, f"{name}: {parameter}"


def test_all_names_what_is_public():
    public = {n for n, v in vars(ops).items() if inspect.isfunction(v) and not n.startswith("_")}
    assert public == set(ops.__all__)
