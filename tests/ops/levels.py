"""Every instruction set this machine can run, with one thread and with two."""

from cnnfast import _core, runtime


def levels(threads=(1, 2)):
    """Sets each in turn and yields its name; the fixture in conftest.py sets them back."""
    for isa in _core.supported_isas():
        runtime.set_isa(isa)
        for count in threads:
            runtime.set_num_threads(count)
            yield f"{isa}, {count} threads"
