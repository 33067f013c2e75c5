"""``import cnnfast`` stays light: submodules and foreign libraries wait until they are used."""

import json
import os
import subprocess
import sys

HEAVY = (
    "matplotlib",
    "PIL",
    "tqdm",
    "safetensors",
    "importlib.metadata",
    "urllib.request",
    "argparse",
    "torch",
    "cnnfast.layers",
    "cnnfast.models",
    "cnnfast.datasets",
    "cnnfast.visualize",
    "cnnfast.cli",
)
SCRIPT = """
import json, sys, time
import numpy
before, begin = set(sys.modules), time.perf_counter()
import cnnfast
seconds = time.perf_counter() - begin
new = sorted(set(sys.modules) - before)
json.dump({"seconds": seconds, "new": new, "version": cnnfast.__version__}, sys.stdout)
"""


def run(script):
    # -I: neither the working directory nor the environment's paths stand in front.
    flags = [] if "PYTHONPATH" in os.environ else ["-I"]
    done = subprocess.run(
        [sys.executable, *flags, "-c", script], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


def test_import_brings_nothing_heavy(record_property):
    result = run(SCRIPT)
    record_property("import_seconds_over_numpy", result["seconds"])
    print(f"import cnnfast: {1000 * result['seconds']:.1f} ms over numpy")
    assert not [name for name in result["new"] if name.startswith(HEAVY)]
    assert result["version"]


def test_every_public_name_can_be_had():
    import cnnfast

    for name in cnnfast.__all__:
        assert getattr(cnnfast, name) is not None
    assert set(cnnfast.__all__) <= set(dir(cnnfast))


def test_an_unknown_name_is_an_attribute_error():
    import cnnfast

    assert not hasattr(cnnfast, "no_such_thing")


def test_the_version_is_the_package_s():
    import importlib.metadata

    import cnnfast

    try:
        installed = importlib.metadata.version("cnnfast")
    except importlib.metadata.PackageNotFoundError:
        import pytest

        pytest.skip("not installed: run from the source tree")
    assert cnnfast.__version__ == installed
