"""A member trained for more epochs than it was begun with: where that ends as if it had had them from the start."""

from dataclasses import replace

from ensemble.study.recipe import TO_ZERO, Recipe, write_recipe
from ensemble.study.study import Study
from ensemble.study.weights import facts_of
from ensemble.training.kept import averaged_epochs


def keeps_state(recipe: Recipe) -> bool:
    """Say whether a finished member keeps its last checkpoint, since more epochs could go on from it."""
    return recipe.schedule not in TO_ZERO


def only_epochs_differ(there: Recipe, asked: Recipe) -> bool:
    """Say whether two recipes are the same but for how many epochs they have."""
    return there != asked and replace(there, epochs=asked.epochs) == asked


def why_not_longer(study: Study, member: str, there: Recipe, asked: Recipe) -> str:
    """Say why a member cannot go on to the epochs of `asked`, after "member m-0 "; empty where it can.

    It can where nothing of its epochs so far depends on how many there are, and its state after them is kept.
    """
    files, old, new = study.files(member), there.epochs, asked.epochs
    finished = files.weights.exists()
    if new < old:
        return (
            f"{'was trained' if finished else 'is begun'} for {old} epochs and {new} were asked for, but its weights "
            f"of epoch {new} are not kept"
        )
    if there.schedule in TO_ZERO:
        return (
            f"has a {there.schedule} decay that ends at epoch {old}, and with {new} epochs every learning rate before "
            "would have been another, so going on would be another training"
        )
    if there.keep == "average" and finished and new - averaged_epochs(asked) < old:
        least = next(e for e in range(old, 100 * old) if e - averaged_epochs(replace(asked, epochs=e)) >= old)
        return (
            "predicts by the mean of its last epochs, some of which would be behind it, and their weights are not "
            f"kept; with {least} epochs or more it can go on"
        )
    if finished and facts_of(files.weights)["epochs"] < old:
        return f"ended before epoch {old}, when tune stood still (stop_after), and would end there again"
    if (files.folder / "folds").exists():
        return f"has out-of-fold predictions by networks of {old} epochs"
    if finished and not files.checkpoint.exists():
        return "keeps no state to go on from (another version trained it, or its checkpoint.safetensors was deleted)"
    return ""


def go_on(study: Study, member: str, recipe: Recipe, threads: int) -> None:
    """Make a member one that was cut off, of a recipe with more epochs; its lock is held.

    Weights and predictions go first, so that whatever happens in between, none of them are of another recipe.
    """
    with study.alone():  # what is predicted by these weights meanwhile is not kept after them
        for path in (study.root / "predictions").glob(f"{member}.*.h5"):
            path.unlink()
        study.files(member).weights.unlink(missing_ok=True)
    write_recipe(study.files(member).recipe, recipe, threads)
