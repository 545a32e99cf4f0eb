"""ens-train: train the members of a study and keep their predictions."""

from typing import Any

import click
from click.core import ParameterSource

from cli.common import Output, command, entry
from ensemble.study.recipe import KEEP, PRECISIONS, VARY, parse_setting

EXAMPLES = (
    "ens-train --variants 6                                     six variants on the embedded digits",
    "ens-train --variants 12                                    six more, the first ones stay",
    "ens-train --vary seed --variants 5 --study deep            a plain deep ensemble",
    "ens-train --data tiny-imagenet-200.zip --model ting-m1     real images, the paper's smallest network",
    "ens-train --recipe mine.toml --variants 3 --name mine      settings of one's own: see docs/recipes.md",
    "ens-train --recipe m3-improved --set batch_size=256        a shipped recipe, and a setting besides",
    "ens-train --folds 5                                        out-of-fold predictions of the training images too",
    "ens-train --variants 1 --snapshots 5                       five members for the price of one",
    "ens-train --model de-xception --weights xception.pth       from weights learnt elsewhere",
    "ens-train --variants 12 --only 2/4                         the second of four machines that share a folder",
    "ens-train --search 40 --variants 5 --name found            40 trials in the recipe's ranges, the best five kept",
    "ens-train --redo m-1                                       a member whose files were damaged, once more",
    "ens-train --dry-run                                        what would be done, and nothing else",
    "ens-train --list-models                                    every network by name",
)


@command("ens-train", EXAMPLES)
@click.option("--variants", type=int, help="How many members; more later extend the study.  [default: 6]")
@click.option("--vary", type=click.Choice(VARY), help="What differs between members.  [default: recipe]")
@click.option(
    "--data", help="digits, a folder, zip, pack, CSV, .npz or MODULE:FUNCTION.  [default: digits, or as before]"
)
@click.option("--model", help="A name of --list-models, or MODULE:FUNCTION.  [default: ting-m3; small for digits]")
@click.option("--name", help="Members are NAME-0, NAME-1, ...  [default: the model]")
@click.option("--recipe", metavar="FILE|NAME", help="Settings of a file over the shipped ones, or a shipped recipe.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of every member's recipe.")
@click.option("--weights", metavar="FILE|hub|random", help="What the networks start from.  [default: the recipe's]")
@click.option("--epochs", type=int, help="Epochs of each member; more later go on.  [default: the recipe's]")
@click.option("--seed", type=int, help="Seed of initial weights, order, mirrors and dropout.  [default: 0]")
@click.option("--device", default="auto", show_default=True, help="'auto', 'cpu', 'cuda' or 'cuda:1'.")
@click.option("--jobs", type=click.IntRange(min=1), help="Members at once.  [default: what the cores hold; 1 on a GPU]")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads of each member.  [default: cores / members]")
@click.option("--folds", type=int, metavar="K", help="Out-of-fold predictions of train too, by K more networks each.")
@click.option("--snapshots", type=int, metavar="N", help="N cosine cycles; the end of each becomes a member.")
@click.option("--keep", type=click.Choice(KEEP), help="Which epoch's weights; best: on tune.  [default: the recipe's]")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Of the network's arithmetic.  [default: auto]")
@click.option("--predict-train", is_flag=True, help="Keep predictions of the training images too.")
@click.option("--only", metavar="I/N", help="Part I of N of the networks: for one machine of several on one folder.")
@click.option(
    "--search", type=click.IntRange(min=1), metavar="TRIALS", help="Search the recipe's ranges; keep the best."
)
@click.option("--store", metavar="URL", help="Database of the search's trials.  [default: SQLite in the study]")
@click.option("--engine", default="local", show_default=True, metavar="local|ray|ray://HOST:PORT", help="What trains.")
@click.option("--tensorboard", metavar="DIR", help="Write every epoch there too, as TensorBoard's event files.")
@click.option("--force", is_flag=True, help="Start existing members over.")
@click.option("--redo", multiple=True, metavar="NAME", help="Make a damaged member again; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Print the plan and what it will take; write nothing.")
@click.option("--list-models", is_flag=True, help="Print every network with its parameters; train nothing.")
@click.option("--list-recipes", is_flag=True, help="Print the recipes that ship; train nothing.")
@click.option("--show-recipe", metavar="NAME", help="Print a recipe that ships, as a file to begin one's own with.")
def train(
    output: Output, data: str | None, settings: tuple[str, ...], dry_run: bool, list_models: bool, list_recipes: bool,
    show_recipe: str | None, tensorboard: str | None, search: int | None, store: str | None, **asked: Any,
) -> int:  # fmt: skip
    """Train variants of a network and save every member's predictions.

    Members that are finished are skipped, one that was cut off goes on where it was, and more variants are
    added; a member that exists with another recipe is refused, and one whose files are damaged is left alone.
    Options that are not given come from the study.
    Predictions for val, and for test where there is one, are kept without being asked.
    """
    # What works is loaded with the work, so that --help is there at once.
    from cli import train_text as text
    from cli.board import board
    from ensemble.training.base_plan import study_for
    from ensemble.training.plan_members import plan_members
    from ensemble.training.pool import train_members

    if list_models:
        return text.show_models(output)
    if list_recipes or show_recipe:
        return text.show_recipe(output, show_recipe) if show_recipe else text.show_recipes(output)
    if search is None and store is not None:
        raise click.UsageError("--store is where the trials of --search are kept; name it with --search TRIALS.")
    if search is not None:
        _check_search()
    with output.progress("Packing images", "images") as progress:
        study, dataset = study_for(output.study, data, progress, pack=not dry_run)
    text.show_notes(output, dataset)
    chosen = dict(parse_setting(text) for text in settings)
    if search is not None:
        from ensemble.training.search import search_members

        own = {key: value for key, value in asked.items() if key in SEARCHED and value is not None}
        kept = {} if asked["variants"] is None else {"members": asked["variants"]}
        with board(output) as show:
            found = search_members(study, search, store=store, settings=chosen, on_event=show, **own, **kept)
        return text.show_search(output, study, found, search)
    plan = plan_members(study, settings=chosen, **asked)
    if dry_run:
        return text.show_plan(output, plan, dataset)
    text.show_start(output, plan, named=any(asked[key] for key in ("model", "name", "recipe")))
    log = None
    if tensorboard:
        from ensemble.training.event_files import log_to_tensorboard

        log = log_to_tensorboard(tensorboard)
    with board(output) as show:

        def hear(title: str, kind: str, facts: dict[str, Any]) -> None:
            show(title, kind, facts)
            if log:
                log(title, kind, facts)

        outcomes = train_members(study, plan, on_event=hear)
    return text.show_outcomes(output, plan, outcomes)


SEARCHED = (
    "model", "name", "recipe", "epochs", "seed", "weights", "keep", "precision", "device", "jobs", "threads", "engine",
)  # fmt: skip


def _check_search() -> None:
    """Refuse options that mean nothing beside `--search`."""
    context = click.get_current_context()
    for name in ("only", "folds", "snapshots", "force", "vary", "dry_run", "predict_train"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name.replace('_', '-')} is not for --search; train its members with it later.")


main = entry(train)
