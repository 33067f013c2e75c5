"""Progress while a model works: a tqdm bar, one line, or nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

# Ten refreshes a second: reading the running figures costs a few microseconds each.
_INTERVAL = 0.1


def verbosity(label: str, value: Any) -> int:
    """0, 1 or 2.

    Raises:
        ValueError: something else.
    """
    if value == "auto" or value is True:
        return 1
    if value in (0, 1, 2):
        return int(value)
    raise ValueError(f"{label}: verbose must be 0, 1, 2 or 'auto', got {value!r}")


def shown(logs: Mapping[str, Any]) -> str:
    """``accuracy: 0.9712 - loss: 0.1031`` in the order of the logs."""
    return " - ".join(f"{name}: {_figure(value)}" for name, value in logs.items())


def _figure(value: Any) -> str:
    if getattr(value, "ndim", 0):
        return "[" + ", ".join(_figure(one) for one in value.reshape(-1)[:10]) + "]"
    number = float(value)
    if math.isfinite(number) and number != 0 and not 1e-3 <= abs(number) < 1e6:
        return f"{number:.4e}"
    return f"{number:.4f}"


class Silent:
    """Shows nothing."""

    # When to call `step` next; loops compare it with the clock.
    due = math.inf

    def step(self, done: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        """``done`` steps are done; ``logs()`` gives the figures, asked for when they are shown."""

    def close(self, logs: Mapping[str, Any]) -> None:
        """All is done."""

    def abandon(self) -> None:
        """Cleans up, whatever happened."""


class Line(Silent):
    """One line at the end."""

    def __init__(self, total: int | None, title: str) -> None:
        self.title = title
        self.done = total or 0
        self._start = time.perf_counter()

    def step(self, done: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        self.done = done

    def close(self, logs: Mapping[str, Any]) -> None:
        seconds = time.perf_counter() - self._start
        each = f" - {1e3 * seconds / self.done:.3g}ms/step" if self.done else ""
        figures = shown(logs)
        print(f"{self.title} - {seconds:.1f}s{each}" + (f" - {figures}" if figures else ""))


class Bar(Silent):
    """A tqdm bar."""

    def __init__(self, total: int | None, title: str) -> None:
        # tqdm.auto looks for notebooks and takes a while to import: only where a bar is drawn.
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns where notebook widgets are missing
            from tqdm.auto import tqdm

        self._bar: Any = tqdm(total=total, desc=title, unit="step", leave=True, mininterval=0)
        self.due = time.perf_counter() + _INTERVAL

    def step(self, done: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        now = time.perf_counter()
        if now < self.due:
            return
        self.due = now + _INTERVAL
        self._bar.n = done
        self._bar.set_postfix_str(shown(logs()), refresh=False)
        self._bar.refresh()

    def close(self, logs: Mapping[str, Any]) -> None:
        if self._bar.total is not None:
            self._bar.n = self._bar.total
        self._bar.set_postfix_str(shown(logs), refresh=False)
        self._bar.refresh()
        self.abandon()

    def abandon(self) -> None:
        if self._bar is not None:
            bar, self._bar = self._bar, _Closed()
            bar.close()


class _Closed:
    total = None
    n = 0

    def set_postfix_str(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    def refresh(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def make_bar(verbose: int, total: int | None, title: str) -> Silent:
    """What shows the progress of ``total`` steps."""
    if verbose == 1:
        return Bar(total, title)
    return Line(total, title) if verbose == 2 else Silent()
