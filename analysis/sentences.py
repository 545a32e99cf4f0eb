"""What terminal, page and pictures say of results in sentences: each true in every case in which it can appear."""

from collections.abc import Sequence

from ensemble.study.tabular import percent

GLOSSARY_PAGE = "docs/glossary.md"
WAYS = {"best": "the best subset", "greedy": "greedy selection", "weights": "the weights", "stack": "stacking"}
UNEQUAL = {"greedy": "greedy", "weights": "weights", "stack": "stacking", "given": "given weights"}
SAME = 5e-4  # accuracies nearer than this read alike: a twentieth of a point


def span(low: float | None, high: float | None, digits: int = 1) -> str:
    """Return an interval of fractions in percent; nothing where there is none."""
    return "" if low is None or high is None else f"{percent(low, digits)}–{percent(high, digits)}"


def ranged(low: float, high: float, digits: int = 1) -> str:
    """Return a range of fractions in percent, "12.1 to 34.0 %"; where both ends read alike it is one number."""
    ends = percent(low, digits), percent(high, digits)
    return f"{ends[0]} %" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} %"


def p_text(p: float) -> str:
    """Return a p-value as papers print it: "p = 0.012", "p < .001"."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < .001"


def many(count: int, noun: str, plural: str = "") -> str:
    """Return a count with its noun: "1 subset", "3 subsets", "2 classes"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def capital(text: str) -> str:
    """Return a sentence with a capital at its beginning; names inside stay as they are."""
    return text[:1].upper() + text[1:]


def oracle(any_right: float, all_right: float) -> str:
    """Say what part of the images at least one member, and every member, has right.

    Of a method that picks one member's prediction for each image the first is the limit. It is none for a mean of
    probabilities: the class that all members have second can win where each has another first.
    """
    found = (
        f"At least one member is right on {percent(any_right)} % of the images (the oracle accuracy), every one on "
        f"{percent(all_right)} %."
    )
    if any_right == 1:
        return found
    return (
        f"{found} Picking one member's prediction for each image cannot do better than the oracle; averaging "
        "probabilities can, where the members' second choices agree."
    )


WEAK = 0.6  # below this accuracy


def weak_judges(accuracy: float, members: int) -> str:
    """Say that an ensemble is too weak to judge labels; nothing where it is right on 60 % or more."""
    if accuracy >= WEAK:
        return ""
    who = "This member is" if members == 1 else f"{'Both' if members == 2 else f'All {members}'} members together are"
    return (
        f"{who} right on {percent(accuracy)} % of the images, too few to judge labels by: unless very many labels are "
        "wrong, most of the images in doubt have the right one."
    )


def wrong_for_all(none_right: int, and_ensemble: int, unanimous: int, members: int) -> str:
    """Say on how many images no member is right, on how many of them the ensemble is not either.

    unanimous: on how many of the latter all members predict the same class.
    """
    if members == 1:
        return f"{many(and_ensemble, 'image')} that the member gets wrong"
    rescued = none_right - and_ensemble
    told = f"{many(and_ensemble, 'image')} that the ensemble and all {members} members get wrong"
    if unanimous:
        told += f" ({unanimous:,} with one and the same class)"
    if rescued:
        told += f"; on {rescued:,} more no member is right, but the ensemble is"
    return told


def holds(apparent: float, honest: float | None) -> bool:
    """Say whether an honest score reads no lower than the one it was chosen by: fractions."""
    return honest is not None and honest > apparent - SAME


def flattery(apparent: float, honest: float, split: str) -> str:
    """Say what the accuracy of something chosen on `split` is worth: fractions."""
    if holds(apparent, honest):
        return (
            f"It was chosen on {split}, but its honest score is no lower than the {percent(apparent)} % it has there."
        )
    return (
        f"It was chosen on {split}, so the {percent(apparent)} % it has there are likely to flatter it: its honest "
        f"score is {percent(honest)} %."
    )


def chosen_on(choices: int, split: str) -> str:
    """Say from how many subsets an ensemble was chosen on the split that scores it; 0 where its weights were fitted."""
    how = f"chosen from {choices:,} subsets" if choices else "fitted"
    return f"It was {how} on {split}, the split that scores it, so this score is likely to flatter it."


FEW_FOR_NLL = 250


def rare_losses(metrics: Sequence[str], samples: int) -> str:
    """Say what an interval of the NLL cannot know of few samples; nothing for other metrics or enough samples."""
    if "nll" not in metrics or samples >= FEW_FOR_NLL:
        return ""
    return (
        f"The NLL hangs on a few samples predicted very wrongly, and {samples:,} samples may hold none: where it was "
        "simulated with 100, the interval held the truth in 86 to 98 of 100 draws, and lay too low in most others."
    )


def compared(way: str, samples: int, difference: float, low: float, high: float, won: int, lost: int) -> str:
    """Say what a way of choosing gains over taking the best member, each scored on samples after those it chose on.

    way: "best", "greedy", "weights" or "stack". difference, low, high: fractions, the gain and its interval.
    """
    return (
        f"Paired test: {WAYS[way]} and the best member, each chosen anew on the samples before and scored on the "
        f"next, {samples:,} in all: {100 * difference:+z.2f} points ({100 * low:+z.2f} to {100 * high:+z.2f}) for "
        f"{WAYS[way]}, {won:,} won and {lost:,} lost."
    )


def nothing_between(way: str, samples: int) -> str:
    """Say what `compared` would where neither of the two ways was right alone on any sample."""
    return (
        f"Paired test: {WAYS[way]} and the best member, each chosen anew on the samples before and scored on the "
        f"next, {samples:,} in all, are right on the same ones: nothing is to be told between them."
    )


def two_gains(way: str, other: str = "the gain above") -> str:
    """Say why the gain of the chosen ensemble, `other`, and the one of `compared` differ."""
    return (
        f"This is what choosing {WAYS[way]} gains on samples that had no part in the choice, on average over what was "
        f"chosen from fewer samples; {other} is that of the one ensemble, on the samples it was chosen on."
    )


def unequal(names: Sequence[str]) -> str:
    """Say that some ways to choose weigh members, and what that means beside the best subset; nothing for none."""
    there = [UNEQUAL[name] for name in names if name in UNEQUAL]
    if not there:
        return ""
    one = len(there) == 1
    listed = there[0] if one else f"{', '.join(there[:-1])} and {there[-1]}"
    return (
        f"{listed} may weigh members unequally, so {'it' if one else 'they'} may score above the best subset, whose "
        "members count alike."
    )


def chance(p: float) -> str:
    """Say that a difference may be chance; nothing where p is below 5 %."""
    return "" if p < 0.05 else " This may be chance."


def unequal_groups(count: int, equal: float) -> str:
    """Say that groups are so unequal that they tell as much as half as many, or fewer, of one size; else nothing."""
    if equal > count / 2:
        return ""
    return f" The groups are of so unequal size that {equal:.1f} of one size tell as much, and intervals are made so."


def power(difference: float | None) -> str:
    """Say what difference in accuracy a test of this size finds, a fraction; None where it can find none."""
    if difference is None:
        return (
            "In so few samples, or groups of them, no true difference, however large, would be found in 80 of 100 sets."
        )
    return (
        f"A true difference of {100 * difference:.2f} points would be found in 80 of 100 such sets, smaller ones less "
        "often."
    )


GLOSSARY = {
    "Accuracy": "The share of samples whose predicted class is the true one.",
    "Apparent score": "A score on the very samples on which what it scores was chosen.",
    "AURC": (
        "The area under the risk-coverage curve: the error among the most certain samples, averaged over how many of "
        "them are answered; 0 is perfect."
    ),
    "AUROC": (
        "The area under the ROC curve: the chance that a sample of a class has a higher probability of it than one of "
        "another class. The mean is over classes, each against the rest."
    ),
    "AUROC of errors": "How often a sample that is predicted rightly is more certain than one that is not.",
    "Balanced accuracy": "The mean recall of the classes that have samples: each class counts alike.",
    "Brier score": (
        "The squared error of the probabilities, summed over classes and averaged over samples: 0 is perfect, 2 the "
        "worst."
    ),
    "Calibration": (
        "How well confidence agrees with accuracy: of predictions made with 80 % confidence 80 % should be right."
    ),
    "Cohen's kappa": (
        "How far predictions agree with the truth beyond what chance would make agree: 0 for chance, 1 for all right."
    ),
    "Confidence": "The probability of the predicted class.",
    "Conformal set": (
        "Classes chosen by a threshold from samples with known labels, so that the true class is among them as often "
        "as promised, for new samples of the same kind taken together."
    ),
    "Confusion matrix": "How often samples of each class (row) are predicted as each class (column).",
    "Disagreement": "The share of samples of which two members predict different classes.",
    "Double fault": "The share of samples that both members of a pair get wrong, with whatever class.",
    "ECE": (
        "Expected calibration error: the gap between confidence and accuracy in bins of equal width, averaged over "
        "samples. With few samples it is above 0 even where confidence is exactly right."
    ),
    "Effective sample size": ("As how many separate samples those that belong together in groups count."),
    "Ensemble": "Members whose probabilities are averaged; the class of the largest mean is predicted.",
    "False discovery rate": (
        "Of the claims made, the share that are false on average; Benjamini and Hochberg's method keeps it to a level"
        " however many classes are tested."
    ),
    "Front": ("The subsets that no other beats at their cost or below; all others can be had better, or for less."),
    "Honest score": (
        "What a way of choosing is worth on new samples: the whole choice is made again on a part of the samples and"
        " scored on the others, which it has not seen, many times over. It says nothing of training the members anew."
    ),
    "Macro-F1": (
        "The mean over classes of F1, which is 2 right / (samples + predicted); classes without samples are left out."
    ),
    "Matthews correlation": (
        "The correlation of predictions with the truth, over all classes: 0 for chance, 1 for all right."
    ),
    "McNemar's test": (
        "Whether two predictors differ on the same samples, from those that only one of them has right."
    ),
    "Mutual information": (
        "The part of an ensemble's uncertainty that is disagreement between members: the entropy of their mean less "
        "the mean of their entropies."
    ),
    "NLL": (
        "Negative log-likelihood (cross-entropy): minus the mean natural logarithm of the probability of the true "
        "class; lower is better."
    ),
    "Optimism": (
        "How far the apparent score lies above the honest one: what choosing by a score adds to that score by chance."
    ),
    "Oracle accuracy": (
        "The share of samples that at least one member has right: the limit for picking one member's prediction for "
        "each sample, not for averaging probabilities."
    ),
    "Precision": "Of the samples predicted as a class, the share that are of it.",
    "Recall": "Of the samples of a class, the share predicted as it; also called the class's accuracy.",
    "Rescued, spoiled": (
        "Samples that the ensemble has right though most members are wrong; samples it gets wrong though most "
        "members, or the best one, are right."
    ),
    "Shapley value": (
        "A member's share in what all members reach together, from guessing upwards: its gain averaged over every "
        "order in which members could join. The shares add up."
    ),
    "Temperature": (
        "One number that probabilities are sharpened (below 1) or flattened (above 1) by, fitted to the NLL."
    ),
    "Top-5 accuracy": "The share of samples whose true class is among the five most probable.",
    "Wilson interval": (
        "A 95 % interval for a share, such as a recall, that also holds for few samples and near 0 and 100 %."
    ),
}


# Words of a figure's file name -> what it shows and how it is read; the entry with the most of its words is taken.
CAPTIONS = {
    "per-class": (
        "Recall of classes, hardest first, with Wilson's 95 % interval. Right: how many of the class's images are "
        "predicted rightly. Broken line: accuracy over all images."
    ),
    "per-class-all": "Recall of every class in rising order, with Wilson's 95 % interval.",
    "per-class-helped": (
        "Difference in recall, class by class, to the predictor that the title names. Right: images that only the one "
        "and only the other has right."
    ),
    "curve": (
        "Accuracy of every subset of the members by its size. Each point is the mean of some members' probabilities; "
        "the line is the mean over all subsets of a size, the star the most accurate subset."
    ),
    "training": "Cross-entropy and accuracy after each epoch, on the training images and on the validation images.",
    "training-members": "Accuracy after each epoch, member by member.",
    "training-classes": (
        "Recall of single classes on the validation images after each epoch: the hardest, the easiest, and those that "
        "rose or fell most late in training; of few classes all."
    ),
    "cost": (
        "Every subset by what it costs and how it scores. The steps join those that no cheaper or equally cheap subset "
        "beats; where they were worked out, honest scores stand along them with their intervals."
    ),
    "abstain": (
        "Error among the samples that are answered by the share that is: the least certain ones are left unanswered."
    ),
    "abstain-sets": (
        "Conformal sets class by class: how large they are on average and how often they hold the true class, with "
        "Wilson's 95 % interval."
    ),
    "models": "The members' validation accuracy beside what they cost.",
    "compare": "Training runs grouped by a setting of their recipes.",
    "filters": "The kernels of the first convolution, each from its smallest weight to its largest.",
    "filters-all": "The kernels of the first convolution of all members.",
    "gallery": "Images of classes with what is predicted of them and its probability.",
    "sample": "Images of each class, drawn at random.",
    "confusion": (
        "Confusion matrix: rows are true classes, columns predicted ones. Classes that are confused stand together."
    ),
    "confusion-blocks": "Confusion matrix of all classes, those that are confused beside one another.",
    "confused-pairs": "The pairs of classes most often confused, with images of both.",
    "calibration": (
        "Reliability diagram: accuracy by confidence. On the diagonal the two are equal; points below it are "
        "overconfident. Below: the number of images in each bin."
    ),
    "calibration-by-size": "Accuracy, confidence, calibration error, NLL and Brier score by the number of members.",
    "diversity": "How two members differ, pair by pair; the darker, the more alike they are.",
    "diversity-gains": "What two members gain over the better of them by how often they differ; a point a pair.",
    "errors": "Images by how many members have them right, and whether the ensemble has.",
    "errors-suspects": "Images that the ensemble and every member get wrong: candidates for a wrong label.",
    "errors-rescued": "Images that the ensemble has right although most members are wrong.",
    "errors-spoiled": "Images that the ensemble gets wrong although most members, or the best of them, are right.",
    "errors-drawn": "Errors among images drawn at random: what errors are like on the whole.",
}


def figure_caption(stem: str) -> str:
    """Return the caption of the figure whose file is called `stem`, without ending; nothing for one unknown.

    A file's name begins with the words of its kind; split, members and more may stand between and behind them.
    """
    words = stem.split("-")
    best: list[str] = []
    for name in CAPTIONS:
        own = name.split("-")
        rest = iter(words)
        if words[0] == own[0] and all(word in rest for word in own) and len(own) > len(best):
            best = own
    return CAPTIONS.get("-".join(best), "")
