"""What the terms on page, pictures and terminal mean, each in a sentence or two."""

GLOSSARY = {
    "Accuracy": "The share of samples whose predicted class is the true one.",
    "Apparent score": "A score on the very samples on which what it scores was chosen.",
    "Brier score": (
        "The squared error of the probabilities, summed over classes and averaged over samples: 0 is perfect, 2 the "
        "worst."
    ),
    "Calibration": (
        "How well confidence agrees with accuracy: of predictions made with 80 % confidence 80 % should be right."
    ),
    "Confidence": "The probability of the predicted class.",
    "Confusion matrix": "How often samples of each class (row) are predicted as each class (column).",
    "Disagreement": "The share of samples of which two members predict different classes.",
    "Double fault": "The share of samples that both members of a pair get wrong, with whatever class.",
    "ECE": (
        "Expected calibration error: the gap between confidence and accuracy in bins of equal width, averaged over "
        "samples. With few samples it is above 0 even where confidence is exactly right."
    ),
    "Ensemble": "Members whose probabilities are averaged; the class of the largest mean is predicted.",
    "False discovery rate": (
        "Of the claims made, the share that are false on average; Benjamini and Hochberg's method keeps it to a level"
        " however many classes are tested."
    ),
    "Honest score": (
        "What a way of choosing is worth on new samples: the whole choice is made again on a part of the samples and"
        " scored on the others, which it has not seen, many times over. It says nothing of training the members anew."
    ),
    "McNemar's test": (
        "Whether two predictors differ on the same samples, from those that only one of them has right."
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
