"""What Python costs outside the plan: a call, less the plan's own run, in microseconds.

python -m benchmarks.overhead [--batch 1]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import cnnfast
from benchmarks import networks
from benchmarks.sides import cnnfast_side


def microseconds(call: Callable[[], Any], count: int = 2000) -> float:
    for _ in range(100):
        call()
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1e6 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead")
    parser.add_argument("--batch", type=int, default=1)
    batch = parser.parse_args().batch
    network = networks.NETWORKS["LeNet-5"]
    trainer = cnnfast_side.Trainer(network, networks.make_weights(network), batch, 1, "", False)
    model = trainer.model
    x, y = networks.make_batches(network, batch, 1)[0]
    train, predict = model.plan(batch, mode="train"), model.plan(batch, mode="predict")
    print(f"LeNet-5, batch {batch}, one thread, {cnnfast.runtime.isa()}; microseconds a call")
    for name, call, plan, arrays in (
        ("train_on_batch", lambda: model.train_on_batch(x, y), train, (x, y)),
        ("predict_on_batch", lambda: model.predict_on_batch(x), predict, (x,)),
    ):
        whole, inner = microseconds(call), microseconds(lambda p=plan, a=arrays: p.core.run(*a))
        steps = 1e6 * sum(step["seconds"] for step in plan.profile(200))
        print(
            f"{name:18} {whole:7.1f}, its plan {inner:7.1f} (steps {steps:.1f}), "
            f"Python {whole - inner:.1f}"
        )
    count = 2000
    many_x, many_y = np.repeat(x, count, 0), np.repeat(y, count, 0)
    model.fit(many_x, many_y, batch_size=batch, verbose=0)
    begin = time.perf_counter()
    model.fit(many_x, many_y, batch_size=batch, verbose=0)
    step = 1e6 * (time.perf_counter() - begin) / count
    inner = microseconds(lambda: train.core.run(x, y))
    print(f"{'a step of fit':18} {step:7.1f}, its plan {inner:7.1f}, Python {step - inner:.1f}")


if __name__ == "__main__":
    main()
