"""What is predicted for new images, as a file."""

from pathlib import Path

import numpy as np

from analysis.csv_cells import harmless
from analysis.ensemble import Ensemble
from ensemble.importing.writers import write_rows

ANSWERS = ("id", "predicted", "predicted_name", "confidence")


def write_answers(path: Path, ensemble: Ensemble) -> None:
    """Write what an ensemble predicts for each image as CSV, whole or not at all.

    Columns: `ANSWERS`, then the probability of each class, headed by its id. A text that a spreadsheet would take for
    a formula gets an apostrophe in front. Numbers have nine digits, which read back as the same float32.
    """
    stack = ensemble.stack
    probs = ensemble.probs / ensemble.probs.sum(axis=1, keepdims=True)
    confidence = np.take_along_axis(probs, ensemble.preds[:, None], axis=1)[:, 0].tolist()
    lead = (
        (harmless(i), harmless(stack.class_ids[y]), harmless(stack.class_names[y]), f"{p:.9g}")
        for i, y, p in zip(stack.sample_ids.tolist(), ensemble.preds.tolist(), confidence, strict=True)
    )
    write_rows(path, [*ANSWERS, *map(harmless, stack.class_ids)], lead, probs)
