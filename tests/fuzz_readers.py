"""The readers that tests/fuzz.py damages files for: how a sound file of each is made, and what is read of one."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
IDS = [f"s/{i}" for i in range(12)]
CLASSES = ["ant", "bee", "cow"]


def probs() -> np.ndarray:
    """Probabilities of twelve samples and three classes, the same ever."""
    raw = np.random.default_rng(0).random((12, 3)) + 0.1
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class Reader:
    """make: writes a sound file into a folder; read: a value to compare. own: files of ours, covered by checksums."""

    make: Callable[[Path], Path]
    read: Callable[[Path], Any]
    own: bool = True


def _predictions(folder: Path) -> Path:
    from ensemble.study.predictions import Predictions, write_predictions

    write_predictions(
        folder / "m.val.h5",
        Predictions(
            "m", "val", probs(), np.array(IDS), tuple(CLASSES), tuple(CLASSES), labels=np.arange(12) % 3,
            recipe={"model": "x", "note": "a" * 6000}, kind="ensemble", parents=tuple(f"p{i}" * 20 for i in range(200)),
            weights=(0.005,) * 200, first_layer=np.ones((2, 3, 3, 3), dtype=np.float32),
        ),
    )  # fmt: skip
    return folder / "m.val.h5"


def _read_predictions(path: Path) -> Any:
    from ensemble.study.predictions import read_predictions

    p = read_predictions(path, extras=True)
    return [p.probs, p.sample_ids, p.labels, p.parents, p.weights, p.recipe, p.member, p.first_layer]


def _table(folder: Path) -> Path:
    from ensemble.study.tables import write_table

    write_table(
        folder / "t.h5", {"mask": np.arange(1, 8), "accuracy": np.linspace(0, 1, 7)}, {"members": ["a", "b", "c"]}
    )
    return folder / "t.h5"


def _read_table(path: Path) -> Any:
    from ensemble.study.tables import read_table

    columns, facts = read_table(path)
    return [*columns.values(), *facts.values()]


def _weights(folder: Path) -> Path:
    import torch

    from ensemble.study.weights import save_tensors

    facts = {"recipe": {"model": "ting-m1"}, "epochs": 3, "image_shape": [8, 8, 1], "class_ids": CLASSES}
    tensors = {"network.base.0.weight": torch.arange(54.0).reshape(2, 3, 3, 3), "input.mean": torch.ones(1)}
    save_tensors(folder / "weights.safetensors", "kofn.weights", tensors, facts)
    return folder / "weights.safetensors"


def _read_weights(path: Path) -> Any:
    from ensemble.study.weights import load_tensors

    tensors, facts = load_tensors(path, "kofn.weights")
    return [facts, {name: tensor.numpy() for name, tensor in tensors.items()}]


def _recipe(folder: Path) -> Path:
    from ensemble.study.recipe import Recipe, write_recipe

    write_recipe(folder / "recipe.toml", Recipe("ting-m1"), 2)
    return folder / "recipe.toml"


def _read_recipe(path: Path) -> Any:
    from ensemble.study.recipe import read_recipe

    recipe, threads = read_recipe(path)
    return [recipe.as_dict(), threads]


def _study(folder: Path) -> Path:
    from ensemble.study.study import SplitConfig, Study, StudyConfig

    config = StudyConfig("d", "/d", "f" * 64, tuple(CLASSES), tuple(CLASSES), {"val": SplitConfig(3, "0" * 64, "made")})
    return Study.create(folder, config).path


def _read_study(path: Path) -> Any:
    from ensemble.study.study import Study

    return repr(Study.open(path.parent).config)


def _history(folder: Path) -> Path:
    from ensemble.study.history import Epoch, rewrite_epochs

    rewrite_epochs(
        folder / "history.csv", [Epoch(i, 0.1, 1.5, 1.5, 0.5, 1.25, 1.25, 0.5, 99.0, 1.0) for i in range(1, 6)]
    )
    return folder / "history.csv"


def _read_history(path: Path) -> Any:
    from ensemble.study.history import read_history

    # Whole lines off the end leave a history that was shorter once; ens-check compares it with the weights.
    columns = read_history(path, "m").columns
    return [columns[name][:1] for name in sorted(columns)]


def _first_layer(folder: Path) -> Path:
    from ensemble.study.weights import keep_first_layer

    keep_first_layer(folder / "first_layer.npz", "begin", np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3))
    return folder / "first_layer.npz"


def _old_first_layer(folder: Path) -> Path:
    np.savez(folder / "first_layer.npz", begin=np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3))
    return folder / "first_layer.npz"


def _read_first_layer(path: Path) -> Any:
    from ensemble.study.weights import read_first_layer

    return read_first_layer(path)


def _network(folder: Path) -> Path:
    from ensemble.study.network_file import write_network

    layer = {"name": "conv", "kind": "Conv2d", "output": [2, 3, 3], "parameters": 54, "statistics": 0}
    write_network(
        folder / "network.json", "m", {"parameters": 54, "statistics": 0, "gflops": 0.1, "layers": [layer]}, {}
    )
    return folder / "network.json"


def _read_network(path: Path) -> Any:
    from ensemble.study.network_file import read_network

    return repr(read_network(path))


def _imported(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        values = {
            "probs": probs(),
            "labels": np.arange(12) % 3,
            "sample_ids": np.array(IDS),
            "class_names": np.array(CLASSES),
        }
        if name == "a.npz":
            np.savez_compressed(path, **values)  # ty: ignore[invalid-argument-type]
        elif name == "a.npy":
            np.save(path, values["probs"])
        elif name == "a.csv":
            rows = [",".join([i, *map(repr, row.tolist())]) for i, row in zip(IDS, probs(), strict=True)]
            path.write_text("\n".join(["id," + ",".join(CLASSES), *rows]) + "\n", encoding="utf-8")
        elif name == "a.parquet":
            from ensemble.importing.parquet import write_parquet

            columns = {"id": np.array(IDS)} | {c: probs()[:, i] for i, c in enumerate(CLASSES)}
            write_parquet(path, [columns], {})
        else:
            import h5py

            with h5py.File(path, "w") as file:
                for key, value in values.items():
                    file[key] = value.astype(h5py.string_dtype()) if value.dtype.kind == "U" else value
        return path

    return make


def _read_imported(path: Path) -> Any:
    from ensemble.importing.parse import import_files

    p = import_files([path])[0].predictions
    return [p.probs, p.sample_ids, p.labels, p.class_ids]


def _old(folder: Path) -> Path:
    path = folder / "plain.h5"
    path.write_bytes((ROOT / "tests/data/format-v1/plain.h5").read_bytes())
    return path


# -- files of others: what stands beside predictions, images, settings -----------------------------------------


def _text(name: str, text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_text(text, encoding="utf-8")
        return folder / name

    return make


def _beside(name: str, write: Callable[[Path], object]) -> Callable[[Path], Path]:
    """What goes with predictions: `import_files` reads it with those of a.npz."""

    def make(folder: Path) -> Path:
        named = {} if name == "c.csv" else {"class_names": np.array(CLASSES)}
        np.savez(folder / "a.npz", probs=probs(), **named)  # ty: ignore[invalid-argument-type]
        write(folder / name)
        return folder / name

    return make


def _read_beside(**options: str) -> Callable[[Path], Any]:
    def read(path: Path) -> Any:
        from ensemble.importing.parse import import_files

        files: dict[str, Any] = {key: path.with_name(name) for key, name in options.items()}
        p = import_files([path.with_name("a.npz")], **files)[0].predictions
        return [p.probs, p.sample_ids, p.labels, p.class_ids]

    return read


def _read_pairs(path: Path) -> Any:
    from analysis.csv_pairs import read_pairs

    return read_pairs(path, "id", "group")


def _read_numbers(path: Path) -> Any:
    from analysis.csv_pairs import read_numbers

    return read_numbers(path, "member", "cost")


def _read_plan(path: Path) -> Any:
    from ensemble.study.recipe import builtin_plan, read_plan

    plan = read_plan(path, lambda _: builtin_plan("ting"))
    return [repr(plan.base), repr(plan.variants), repr(plan.ranges)]


def _read_config(path: Path) -> Any:
    """As a command reads its options."""
    import click

    from cli.combine import combine
    from ensemble.errors import BadInput

    try:
        with combine.make_context("ens-combine", ["--config", str(path)]) as context:
            return repr(sorted((k, v) for k, v in context.params.items() if k != "config"))
    except click.ClickException as error:
        raise BadInput(" ".join(error.format_message().split()).rstrip(".") + ".") from error


def _read_style(path: Path) -> Any:
    from analysis.figures.style import style, style_over

    with style_over(path), style():
        return None


def _read_history_of_others(path: Path) -> Any:
    from ensemble.study.history import history_columns

    return dict(history_columns(path))


def _others_weights(folder: Path) -> Path:
    from safetensors.numpy import save_file

    tensors = {"conv.weight": np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3), "head.bias": np.ones(4, np.float16)}
    save_file(tensors, folder / "w.safetensors", {"format": "pt"})
    return folder / "w.safetensors"


def _torch_weights(folder: Path) -> Path:
    import torch

    content = {"state_dict": {"module.conv.weight": torch.arange(54.0).reshape(2, 3, 3, 3)}, "epoch": 3}
    torch.save(content, folder / "w.pth")
    return folder / "w.pth"


def _read_others_weights(path: Path) -> Any:
    from ensemble.study.weights import read_tensors

    tensors, facts = read_tensors(path)
    return [facts, {name: tensor.float().numpy() for name, tensor in tensors.items()}]


def _pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _image(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        from PIL import Image

        Image.fromarray(_pixels(0, 16, 12, 3)).save(folder / name)
        return folder / name

    return make


def _read_image(path: Path) -> Any:
    from ensemble.datasets.decode import decode

    return decode(path.read_bytes(), str(path)).pixels


def _image_arrays(folder: Path) -> Path:
    values = {f"{part}_images": _pixels(i, 6, 8, 8, 3) for i, part in enumerate(("train", "val"))}
    values |= {f"{part}_labels": np.arange(6) % 3 for part in ("train", "val")}
    np.savez(folder / "d.npz", class_names=np.array(CLASSES), **values)  # ty: ignore[invalid-argument-type]
    return folder / "d.npz"


def _read_images(path: Path) -> Any:
    from ensemble.datasets import load_dataset

    dataset = load_dataset(path)
    return [dataset.class_ids, *([s.images, s.labels, s.sample_ids] for s in dataset.splits.values())]


def _pack(folder: Path) -> Path:
    from ensemble.datasets.own import make_dataset
    from ensemble.datasets.pack import write_pack

    labels = np.arange(6) % 3
    made = make_dataset((_pixels(0, 6, 8, 8, 3), labels), (_pixels(1, 6, 8, 8, 3), labels), class_names=CLASSES)
    return write_pack(made, folder / "pack") / "meta.json"


def _pack_images(folder: Path) -> Path:
    return _pack(folder).with_name("train.npy")


def _read_pack(path: Path) -> Any:
    """As `ens-data check` reads it: the fingerprint covers pixels, labels, ids and classes."""
    from ensemble.datasets import check_source, load_dataset
    from ensemble.errors import BadInput

    report = check_source(path.parent)
    if report.problems:
        raise BadInput(report.problems[0])
    dataset = load_dataset(path.parent)
    return [
        dataset.class_ids,
        dataset.class_names,
        dataset.name,
        dataset.notes,
        *([s.images, s.labels, s.sample_ids] for s in dataset.splits.values()),
    ]


def _listed(folder: Path) -> list[tuple[str, str, str]]:
    from PIL import Image

    rows = []
    for i, (part, label) in enumerate((p, c) for p in ("train", "val") for c in ("a", "b")):
        path = folder / part / label / f"{i}.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(_pixels(i, 8, 8, 3)).save(path)
        rows.append((path.relative_to(folder).as_posix(), label, part))
    return rows


def _image_list(folder: Path) -> Path:
    lines = [",".join(row) for row in _listed(folder)]
    (folder / "list.csv").write_text("\n".join(["path,label,split", *lines]) + "\n")
    return folder / "list.csv"


def _read_list(path: Path) -> Any:
    from ensemble.datasets.layouts import list_csv

    return repr(list_csv(path)[1])


def _image_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "d.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, _, _ in _listed(folder):
            archive.write(folder / name, name)
    return folder / "d.zip"


def _read_zip(path: Path) -> Any:
    from ensemble.datasets.decode import decode
    from ensemble.datasets.pack import open_listed

    source, _, listed = open_listed(path)
    listing = listed()
    parts = [(part.name, part.ids, part.labels, part.paths) for part in listing.splits]
    pixels = [decode(source.reader.read(path), source.where(path)).pixels for part in parts for path in part[3]]
    return [repr(parts), listing.class_ids, pixels]


READERS: dict[str, Reader] = {
    "predictions": Reader(_predictions, _read_predictions),
    "table": Reader(_table, _read_table),
    "weights": Reader(_weights, _read_weights),
    "recipe.toml": Reader(_recipe, _read_recipe),
    "study.toml": Reader(_study, _read_study),
    "history.csv": Reader(_history, _read_history),
    "first_layer.npz": Reader(_first_layer, _read_first_layer),
    "network.json": Reader(_network, _read_network),
    "old first_layer": Reader(_old_first_layer, _read_first_layer, own=False),
    "import .npz": Reader(_imported("a.npz"), _read_imported, own=False),
    "import .npy": Reader(_imported("a.npy"), _read_imported, own=False),
    "import .csv": Reader(_imported("a.csv"), _read_imported, own=False),
    "import .parquet": Reader(_imported("a.parquet"), _read_imported, own=False),
    "import .h5": Reader(_imported("a.h5"), _read_imported, own=False),
    "import kofn v1": Reader(_old, _read_imported, own=False),
    "labels .csv": Reader(
        _beside("l.csv", lambda p: p.write_text("label\n" + "".join(f"{CLASSES[i % 3]}\n" for i in range(12)))),
        _read_beside(labels="l.csv"),
        own=False,
    ),
    "labels .npy": Reader(
        _beside("l.npy", lambda p: np.save(p, np.arange(12) % 3)), _read_beside(labels="l.npy"), own=False
    ),
    "ids .txt": Reader(_beside("i.txt", lambda p: p.write_text("\n".join(IDS))), _read_beside(ids="i.txt"), own=False),
    "classes .csv": Reader(
        _beside("c.csv", lambda p: p.write_text("id,name\n" + "".join(f"{c[0]},{c}\n" for c in CLASSES))),
        _read_beside(classes="c.csv"),
        own=False,
    ),
    "groups .csv": Reader(
        _text("g.csv", "id,group\n" + "".join(f"{i},{n % 4}\n" for n, i in enumerate(IDS))), _read_pairs, own=False
    ),
    "cost .csv": Reader(_text("k.csv", "member,cost\na,1.5\nb,2\nc,0\n"), _read_numbers, own=False),
    "history of others": Reader(
        _text("h.csv", "epoch,loss,val_loss,val_accuracy\n0,2.5,2.25,0.5\n1,1.5,1.75,0.75\n"),
        _read_history_of_others,
        own=False,
    ),
    "recipe of one's own": Reader(
        _text(
            "r.toml",
            'model = "ting-m1"\nepochs = 3\n[[variants]]\ndropout = 0.5\n[ranges]\nl2 = [1e-4, 0.1, "log"]\n',
        ),
        _read_plan,
        own=False,
    ),
    "configuration": Reader(
        _text("o.toml", 'quiet = true\n[combine]\nmetric = "nll"\nk = "all"\nmax-size = 3\nmembers = ["a-*", "b"]\n'),
        _read_config,
        own=False,
    ),
    "style": Reader(
        _text("s.mplstyle", "lines.linewidth: 2\nfont.size : 8\naxes.facecolor: white\n"), _read_style, own=False
    ),
    "weights of others": Reader(_others_weights, _read_others_weights, own=False),
    "weights of torch": Reader(_torch_weights, _read_others_weights, own=False),
    "image .png": Reader(_image("x.png"), _read_image, own=False),
    "image .jpg": Reader(_image("x.jpg"), _read_image, own=False),
    "image .gif": Reader(_image("x.gif"), _read_image, own=False),
    "image .tif": Reader(_image("x.tif"), _read_image, own=False),
    "images .npz": Reader(_image_arrays, _read_images, own=False),
    "images .zip": Reader(_image_zip, _read_zip, own=False),
    "list of images": Reader(_image_list, _read_list, own=False),
    "pack": Reader(_pack, _read_pack),
    "pack's images": Reader(_pack_images, _read_pack),
}
