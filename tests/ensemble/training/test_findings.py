"""What is said of a recipe before it is trained, and of a network after; and memory that runs out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cli.train_text import advice
from ensemble.datasets import load_dataset
from ensemble.inference.inputs import fixed_steps
from ensemble.inference.members import open_member
from ensemble.machine import is_out_of_memory
from ensemble.study.history import Epoch
from ensemble.study.recipe import builtin_plan
from ensemble.study.study import Study, config_of
from ensemble.training.augment import Augmenter
from ensemble.training.job import Finding, Outcome, TrainingJob, after_training, before_training
from ensemble.training.plan_members import MemberPlan
from ensemble.training.pool import finished_outcome, run_jobs
from ensemble.training.run import train_member

RECIPE = replace(builtin_plan("digits").base, epochs=2)


def epochs(*accuracies: float) -> list[Epoch]:
    return [Epoch(i, 0.1, 1.0, 1.0, 0.5, 1.0, 1.0, a, 100.0, 1.0) for i, a in enumerate(accuracies, start=1)]


def marks(*accuracies: float, classes: int = 10, images: int = 900, kernels: np.ndarray | None = None) -> list[str]:
    return [f.mark for f in after_training(epochs(*accuracies), classes, images, kernels)]


def test_at_chance_is_within_three_deviations_of_a_guess() -> None:
    """Of 900 images and 10 classes a guess has .1 +- .01: .1 + 3 * .01 = .13."""
    assert marks(0.10, 0.129) == ["at chance"]
    assert marks(0.10, 0.131) == []
    assert marks(0.129, classes=10, images=90_000) == []


def test_diverged_is_a_fall_to_less_than_half_or_to_chance() -> None:
    assert marks(0.6, 0.31) == []
    assert marks(0.6, 0.29) == ["diverged"]
    assert marks(0.2, 0.12) == ["diverged"]
    assert "fell from 60.0% in epoch 1 to 29.0%" in after_training(epochs(0.6, 0.29), 10, 900, None)[0].text


def test_dead_filters_are_counted_as_the_report_counts_them() -> None:
    kernels = np.ones((8, 1, 3, 3), np.float32)
    kernels[:2] *= 0.09
    assert marks(0.9, kernels=kernels) == ["dead filters"]
    kernels[1] = 0.11
    assert marks(0.9, kernels=kernels) == []
    assert marks(0.9, kernels=np.zeros((8, 1, 3, 3), np.float32)) == ["dead filters"]


def test_a_crop_that_validation_lacks_is_said() -> None:
    assert before_training(replace(RECIPE, augment="set1 + set2")) == []
    (said,) = before_training(replace(RECIPE, augment="set1"))
    assert "centre-crop:56" in said
    assert before_training(replace(RECIPE, augment="set1", augment_val="centre-crop:56")) == []
    assert before_training(replace(RECIPE, augment="mirror crop:8 resized-crop")) == []


def test_validation_and_predictions_share_a_fixed_crop(tmp_path: Path) -> None:
    """The trainer, a member opened and the history agree, and differ from the whole images."""
    dataset = load_dataset("digits")
    val = dataset.split("val")
    study = Study.create(tmp_path / "study", config_of(dataset))
    torch.set_num_threads(1)
    recipe = replace(RECIPE, augment="centre-crop:12", augment_val="centre-crop:12")
    outcome = train_member(TrainingJob(study.root, "m", recipe, 1, "cpu", ("val",)), lambda kind, facts: None)
    probs = study.read("m", "val").probs
    assert outcome.last is not None
    assert outcome.last.val_accuracy == pytest.approx(float((probs.argmax(1) == val.labels).mean()), abs=1e-9)
    member = open_member(study, "m", "cpu")
    np.testing.assert_array_equal(member.predict(val.images), probs)
    whole = replace(member, recipe=replace(recipe, augment_val=""))
    assert np.abs(whole.predict(val.images) - probs).max() > 0.01
    pixels = torch.from_numpy(val.images[:5])
    assert torch.equal(fixed_steps("centre-crop:12")(pixels), Augmenter("centre-crop:12")(pixels))
    assert fixed_steps("mirror")(pixels) is pixels


def test_a_collapsed_member_is_marked_now_and_when_it_is_skipped(tmp_path: Path) -> None:
    study = Study.create(tmp_path / "study", config_of(load_dataset("digits")))
    recipe = replace(RECIPE, learning_rate=1e-9, l2=0.0)
    outcome = train_member(TrainingJob(study.root, "m", recipe, 1, "cpu", ("val",)), lambda kind, facts: None)
    assert ([f.mark for f in outcome.findings], outcome.repeats) == (["at chance"], True)
    again = finished_outcome(study, MemberPlan("m", recipe, "skip"), ("val",))
    assert again.findings == outcome.findings


@pytest.mark.usefixtures("workers_at_once")
def test_memory_that_runs_out_is_said_as_that(tmp_path: Path) -> None:
    """A million inputs of 4096 x 4096 are 60 TB, which no machine gives; the next job of that process is done."""
    study = Study.create(tmp_path / "study", config_of(load_dataset("digits")))
    large = replace(RECIPE, model="mkrtchyan-resnet18", dropout=0.0, input_size=200_000)
    jobs = [TrainingJob(study.root, "large", large, 1, "cpu", ("val",)),
            TrainingJob(study.root, "small", RECIPE, 1, "cpu", ("val",))]  # fmt: skip
    outcomes = run_jobs(jobs, 1, lambda title, kind, facts: None)
    assert [o.status for o in outcomes] == ["failed", "trained"]
    error = str(outcomes[0].error)
    assert "memory of this machine does not suffice" in error
    assert "batch_size (16 now) or input_size (200000 now)" in error
    assert "defect" not in error


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")])
def test_errors_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("not enough memory"))
    assert not is_out_of_memory(RuntimeError("sizes differ"))
    with pytest.raises(RuntimeError) as found:
        torch.empty(10**15)
    assert is_out_of_memory(found.value)


def test_a_network_at_chance_is_advised_to_go_on_and_a_diverged_one_is_not() -> None:
    few, far = (Outcome("m", "trained", epochs=2, findings=(Finding(mark, ""),)) for mark in ("at chance", "diverged"))
    assert "go on with more --epochs where 2 were few for it, lower learning_rate" in advice(few)
    assert "it would end the same: lower learning_rate" in advice(far)
