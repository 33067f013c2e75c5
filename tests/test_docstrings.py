"""The examples in docstrings run and print what they say; what is public has a docstring."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import cnnfast

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(cnnfast.__path__, "cnnfast.")
    # ops have tests of their own; the others are the compiled core and the program.
    if not found.name.startswith(("cnnfast.ops", "cnnfast._core", "cnnfast.__main__"))
)
ROOMS = [
    "activations", "applications", "callbacks", "datasets", "initializers", "layers", "losses",
    "metrics", "models", "optimizers", "optimizers.schedules", "regularizers", "runtime", "utils",
    "visualize",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    module = importlib.import_module(name)
    if ">>>" not in inspect.getsource(module):
        return
    if ".visualize" in name:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def public(room):
    module = importlib.import_module(f"cnnfast.{room}")
    for name in getattr(module, "__all__", dir(module)):
        found = getattr(module, name)
        ours = getattr(found, "__module__", "") or ""
        if not name.startswith("_") and callable(found) and ours.startswith("cnnfast"):
            yield name, found


@pytest.mark.parametrize("room", ROOMS)
def test_everything_public_is_documented(room):
    for name, found in public(room):
        assert found.__doc__, f"{room}.{name} has no docstring"
        if not isinstance(found, type):
            continue
        for method, function in vars(found).items():
            if method.startswith("_") or not inspect.isfunction(function):
                continue
            inherited = any(
                getattr(getattr(base, method, None), "__doc__", None) for base in found.__mro__[1:]
            )
            assert function.__doc__ or inherited, f"{room}.{name}.{method} has no docstring"
