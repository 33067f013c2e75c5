"""``python -m cnnfast``: the command line."""

import sys

from cnnfast.cli import main

if __name__ == "__main__":
    sys.exit(main())
