"""Plain against residual networks of 20 and 32 layers, in minutes on two cores.

    python -m benchmarks.depth                     # MNIST, or synthetic digits where there is none
    python -m benchmarks.depth --data digits --epochs 3 --out runs/depth

It prints a table and leaves errors.csv, gradients.csv and their pictures; docs/residual.md tells
what they show.
"""

from __future__ import annotations

import argparse
import sys

from cnnfast.cli import study_depth


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.depth",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    study_depth.add_arguments(parser)
    return study_depth.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
