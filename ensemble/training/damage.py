"""What of a member is damaged, and making it anew: predictions by its weights, the rest by training it over."""

from collections.abc import Sequence

from ensemble.errors import BadInput
from ensemble.study.check import Finding, check_member
from ensemble.study.history import read_epochs
from ensemble.study.recipe import Recipe, read_recipe
from ensemble.study.study import Study
from ensemble.study.weights import facts_of


def check_untaken(study: Study, name: str, outputs: Sequence[str]) -> None:
    """Raise `BadInput` where there are predictions under the names of a member that was never begun."""
    files = [study.predictions_path(output, split) for output in outputs for split in study.splits()]
    taken = next((path for path in files if path.exists()), None)
    if taken is not None:
        raise BadInput(
            f"{taken}: is there, and no training of {name}: it was imported, or the folder was deleted; remove the "
            "file, choose another name=..., or force=True to replace them."
        )


def find_damage(study: Study, name: str, recipe: Recipe) -> tuple[Finding, ...]:
    """Return what is wrong with the files of a member that was begun: all of one that is finished, else where it is.

    recipe: the one that is asked for. What is only missing is no damage.
    """
    outputs, files = recipe.outputs(name), study.files(name)
    if study.files(outputs[-1]).weights.exists():
        found = [f for output in dict.fromkeys((name, *outputs)) for f in check_member(study, output)]
        return tuple(f for f in found if f.kind in ("damaged", "mismatch"))
    try:
        if files.recipe.exists():
            read_recipe(files.recipe)
        if files.checkpoint.exists():
            epochs = facts_of(files.checkpoint, "kofn.checkpoint")["epochs"]
            there = len(read_epochs(files.history, upto=epochs))
            if there != epochs:
                what = f"expected the {epochs} epochs of the checkpoint, found {there}"
                return (Finding(files.history, "mismatch", what, f"{name} cannot go on where it was", "train it over"),)
    except BadInput as error:
        if study.files(outputs[-1]).weights.exists():  # another process finished it meanwhile
            return find_damage(study, name, recipe)
        text = str(error).rstrip(".")
        path = next(p for p in (files.checkpoint, files.history, files.recipe) if str(p) in text)
        what = text.removeprefix(f"{path}: ").partition("; ")[0]
        return (Finding(path, "damaged", what, f"{name} cannot go on where it was", "train it over"),)
    return ()


def trains_over(study: Study, name: str, damage: Sequence[Finding]) -> bool:
    """Say whether what is damaged takes training to be made again: predictions and the recipe do not."""
    light = (study.root / "predictions", study.files(name).recipe)
    return any(finding.path.parent not in light and finding.path not in light for finding in damage)


def damage_text(study: Study, name: str, damage: Sequence[Finding]) -> str:
    """Say what is damaged of a member, and what to do."""
    first = next((f for f in damage if trains_over(study, name, [f])), damage[0])
    others = f" ({len(damage) - 1} more: ens-check lists them)" if len(damage) > 1 else ""
    how = (
        "trains the member over, to the same bits on the same machine"
        if trains_over(study, name, [first])
        else "makes it again without training"
    )
    without = " delete it to go on without," if first.path.name in ("network.json", "first_layer.npz") else ""
    return (
        f"{first.path}: {first.what}{others}; {first.means}: restore it from a copy,{without} or redo={name!r} {how}."
    )


def discard(study: Study, name: str, damage: Sequence[Finding]) -> None:
    """Remove what is damaged and is made again without training; `BadInput` where another process has the member."""
    with study.member_alone(name):
        for finding in damage:
            finding.path.unlink(missing_ok=True)
