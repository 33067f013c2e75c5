"""``cnnfast explain``: what a model sees in a picture, as pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments, _pictures

_MOST_CLASSES = 20  # of which ideal images are drawn: the most probable ones
_MOST_MAPS = 64  # of a layer


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "explain",
        help="show what a model sees in a picture: feature maps, saliency, Grad-CAM, "
        "and what it would most like to see",
    )
    parser.add_argument("model", type=Path, help="a model.safetensors that train has written")
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a PNG or JPEG file")
    parser.add_argument(
        "--class",
        dest="target",
        metavar="NAME",
        help="the class to explain, by name or number; without it the one predicted",
    )
    parser.add_argument(
        "--steps",
        type=_arguments.positive_int,
        default=256,
        help="of the gradient ascent that draws each class (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/explain"),
        help="folder to write (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def _number(trained: _pictures.Trained, name: str, count: int) -> int:
    if name in trained.classes:
        return list(trained.classes).index(name)
    if name.isdigit() and int(name) < count:
        return int(name)
    known = ", ".join(trained.name_of(number) for number in range(min(count, _MOST_CLASSES)))
    more = " ..." if count > _MOST_CLASSES else ""
    raise ValueError(f"--class {name}: the model has no such class; it knows {known}{more}")


def _figures(
    trained: _pictures.Trained, x: npt.NDArray[np.float32], target: int, steps: int
) -> dict[str, Any]:
    """Figures by file name."""
    from cnnfast import visualize

    model = trained.model
    scores = model.predict(x, verbose=0)[0]
    names = [trained.name_of(number) for number in range(len(scores))]
    figures = {"input.png": visualize.images(x)}
    outputs = visualize.layer_outputs(model, x)
    maps = [name for name, output in outputs.items() if output.ndim == 4]
    # Those that have filters; pooling and the like show the same maps again.
    kinds = {layer.name: type(layer).__name__ for layer in model.flatten_layers()}
    convolutions = [
        name for name in maps if "Conv" in kinds.get(name.split("#")[0].rsplit("/", 1)[-1], "")
    ]
    for name in convolutions:
        file = "feature_maps_" + name.replace("/", "_").replace("#", "_") + ".png"
        figures[file] = visualize.feature_maps(model, x, name, maps=_MOST_MAPS)
    figures["saliency.png"] = visualize.saliency(model, x, target, 32, class_names=names)
    if maps:
        figures["grad_cam.png"] = visualize.grad_cam(model, x, target, class_names=names)
    likely = sorted(np.argsort(-scores, kind="stable")[:_MOST_CLASSES].tolist())
    figures["classes.png"] = visualize.activation_maximization(
        model, likely, class_names=names, steps=steps
    )
    return figures


def run(arguments: argparse.Namespace) -> int:
    trained = _pictures.load(arguments.model)
    x = _pictures.read(trained, [arguments.image])
    scores = trained.model.predict(x, verbose=0)[0]
    if scores.ndim != 1:
        raise ValueError(
            f"model {arguments.model} gives {trained.model.output_shape}, expected one score for "
            "each class"
        )
    best = int(scores.argmax())
    target = best
    if arguments.target is not None:
        target = _number(trained, arguments.target, len(scores))
    print(f"{arguments.image}: {trained.name_of(best)} {float(scores[best]):.4f}")
    if target != best:
        print(f"explaining {trained.name_of(target)} {float(scores[target]):.4f}")
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    figures = _figures(trained, x, target, arguments.steps)
    for name, figure in figures.items():
        figure.savefig(out / name)
    print(f"written to {out}/: {', '.join(figures)}")
    return 0
