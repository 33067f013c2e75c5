"""``cnnfast info``: versions, instruction set, threads, build."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from typing import Any

_LIBRARIES = ("numpy", "safetensors", "tqdm", "matplotlib", "pillow")


def add_command(commands: Any) -> None:
    parser = commands.add_parser("info", help="show version, instruction set, threads and build")
    parser.set_defaults(run=run)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def run(arguments: argparse.Namespace) -> int:
    import cnnfast
    from cnnfast import _core, runtime

    rows = {
        "version": cnnfast.__version__,
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "instruction set": f"{runtime.isa()} (this machine has {', '.join(_core.supported_isas())})",
        "threads": f"{runtime.get_num_threads()} (default {_core.default_threads()})",
        "build": ", ".join(f"{key} {value}" for key, value in _core.build_info().items()),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    return 0
