"""Deliberate faults, and whether the suite notices them: `python tests/faults.py [--list] [NAME ...] [--json FILE]`.

A fault replaces one short expression by a wrong one in a copy of the tree and runs the tests that should fail there.
It finds its place by its text, which stands exactly once in the package, and its tests by the names of their files
(wherever below tests/ they lie) and by words for pytest's -k, so it follows code and tests that are moved. A fault that
finds its place or its tests no more cannot be applied, and that is told like one that survives.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CAUGHT, SURVIVED, UNAPPLIED = "caught", "survived", "cannot be applied"
REPORT = "faults-junit.xml"
PATIENCE = 120  # seconds, beside ten times what the tests take without the fault
CACHES = shutil.ignore_patterns("__pycache__", ".hypothesis", REPORT)


@dataclass(frozen=True)
class Fault:
    """One fault. breaks: what goes wrong then; old, new: the text and what replaces it; package: where it stands.

    files: names of the files of tests that should fail; where none is there all of tests/<package>. words: for -k.
    """

    name: str
    package: str
    breaks: str
    old: str
    new: str
    files: str
    words: str = ""


@dataclass(frozen=True)
class Ran:
    """What became of some tests: pytest's exit status (None where it hung), how many passed and how many failed."""

    status: int | None
    passed: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class Found:
    """What became of a fault: `outcome`, how many tests failed of how many, and why it could not be applied."""

    name: str
    package: str
    breaks: str
    outcome: str
    failed: int = 0
    tests: int = 0
    seconds: float = 0.0
    why: str = ""

    def __str__(self) -> str:
        failing = "" if self.outcome == UNAPPLIED else f"{self.failed} of {self.tests} fail, {self.seconds:.1f} s"
        return f"{self.package:<9} {self.name:<24} {self.outcome:<17} {failing:<26} {self.why}".rstrip()


class CannotApply(Exception):
    """Why a fault says nothing."""


def copy_tree(into: Path) -> Path:
    """Copy what git tracks, or would, to a folder: as it is now, committed or not."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    return into


def place_of(fault: Fault, tree: Path) -> Path:
    """Return the one file that holds the fault's text, of its package or else of all; raise where there is none."""
    total = 0
    for packages in ((fault.package,), ("ensemble", "analysis", "cli")):
        files = [path for package in packages for path in sorted((tree / package).rglob("*.py"))]
        counts = {path: path.read_text(encoding="utf-8").count(fault.old) for path in files}
        if (total := sum(counts.values())) == 1:
            return max(counts, key=lambda path: counts[path])
    raise CannotApply(f"its text stands {total} times in the packages: {fault.old!r}")


def selections(fault: Fault) -> list[tuple[str, ...]]:
    """Return what to hand to pytest, the closest first: files of these names, else the package's tests."""
    found = [p for name in fault.files.split() for p in sorted((ROOT / "tests").rglob(name))]
    words = ("-k", fault.words) if fault.words else ()
    named = [(*(p.relative_to(ROOT).as_posix() for p in found), *words)] if found else []
    return named + ([(f"tests/{fault.package}", *words)] if words else [])


def run_tests(tree: Path, selection: tuple[str, ...], limit: float | None = None) -> Ran:
    """Run pytest in a tree, which the tests and every command they start import from."""
    report = tree / REPORT
    call = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers"]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*call, f"--junitxml={report}", *selection], cwd=tree, env=environment(tree), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        return Ran(None, 0, 1, time.perf_counter() - begun)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    suites = list(ET.parse(report).getroot().iter("testsuite")) if report.is_file() else []
    tests, failures, errors, skipped = (
        sum(int(suite.attrib[key]) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    passed, failed = tests - failures - errors - skipped, failures + errors
    return Ran(process.returncode, passed, failed, time.perf_counter() - begun)


unbroken = cache(run_tests)


def environment(tree: Path) -> dict[str, str]:
    """Return the environment in which Python imports a tree, and code compiled elsewhere is not taken for its own."""
    return {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"PYTHONPATH": str(tree)}


def check_imports(tree: Path) -> None:
    """Stop where Python would import the packages from elsewhere: nothing that is then found would mean a thing."""
    call = [sys.executable, "-c", "import ensemble, analysis, cli; print(ensemble, analysis, cli)"]
    done = subprocess.run(call, cwd=tree.parent, env=environment(tree), capture_output=True, text=True, check=False)
    if done.stdout.count(f"{tree}{os.sep}") != 3:
        sys.exit(f"Python imports the packages from elsewhere than {tree}: {done.stdout}{done.stderr}")


def tests_of(fault: Fault, clean: Path) -> tuple[tuple[str, ...], Ran]:
    """Return the fault's tests, and how they went without it; raise where there are none, or they fail anyway."""
    for selection in selections(fault):
        ran = unbroken(clean, selection)  # each once
        if ran.status == 0 and ran.passed:
            return selection, ran
        if ran.status not in (0, 5):  # 5: it holds no test
            raise CannotApply(f"{ran.failed} tests fail without it (status {ran.status}): {' '.join(selection)}")
    raise CannotApply(f"no test is found by {fault.files!r} and -k {fault.words!r}, or all are skipped")


def try_fault(fault: Fault, clean: Path) -> Found:
    """Apply a fault to a copy of its own and run its tests there."""
    told = fault.name, fault.package, fault.breaks
    try:
        path = place_of(fault, clean).relative_to(clean)
        selection, before = tests_of(fault, clean)
        with tempfile.TemporaryDirectory(prefix="kofn-fault-", ignore_cleanup_errors=True) as folder:
            # Without what was compiled beside it: numba does not see that code it called has changed.
            broken = Path(shutil.copytree(clean, Path(folder).resolve() / "tree", ignore=CACHES))
            text = (broken / path).read_text(encoding="utf-8").replace(fault.old, fault.new)
            compile(text, str(path), "exec")
            (broken / path).write_text(text, encoding="utf-8")
            ran = run_tests(broken, selection, PATIENCE + 10 * before.seconds)
        if ran.status not in (None, 0) and not ran.failed:
            raise CannotApply(f"pytest left with status {ran.status}, and no test failed")
    except (CannotApply, SyntaxError) as error:
        return Found(*told, UNAPPLIED, why=str(error))
    outcome, why = CAUGHT if ran.failed else SURVIVED, "hung" if ran.status is None else ""
    return Found(*told, outcome, ran.failed, before.passed, ran.seconds, why)


def main() -> int:
    """Try the faults named, or all; return 1 where one survives or cannot be applied."""
    parser = argparse.ArgumentParser(description="Try deliberate faults against the tests that should notice them.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these faults")
    parser.add_argument("--list", action="store_true", help="name the faults and what each breaks, and run nothing")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found as JSON too")
    asked = parser.parse_args()
    chosen = [fault for fault in FAULTS if not asked.names or fault.name in asked.names]
    if unknown := {*asked.names} - {fault.name for fault in chosen}:
        parser.error(f"no fault is called {', '.join(sorted(unknown))}; --list names them all")
    if asked.list:
        print(*(f"{f.package:<9} {f.name:<24} {f.breaks}" for f in chosen), sep="\n")  # noqa: T201
        return 0
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="kofn-clean-", ignore_cleanup_errors=True) as folder:
        clean = copy_tree(Path(folder).resolve() / "tree")
        check_imports(clean)
        for number, fault in enumerate(chosen, 1):
            found.append(try_fault(fault, clean))
            print(f"{number}/{len(chosen)} {found[-1]}", file=sys.stderr, flush=True)  # noqa: T201
    counts = {outcome: sum(f.outcome == outcome for f in found) for outcome in (CAUGHT, SURVIVED, UNAPPLIED)}
    print(*found, "", ", ".join(f"{n} {outcome}" for outcome, n in counts.items()), sep="\n")  # noqa: T201
    if asked.json:
        asked.json.write_text(json.dumps({"counts": counts, "faults": [asdict(f) for f in found]}, indent=1) + "\n")
    return 0 if counts[CAUGHT] == len(found) else 1


# Texts are short pieces of arithmetic and logic, and name as little as they can.
FAULTS = (
    # -- ensemble ------------------------------------------------------------------------------------------
    Fault("natural-order", "ensemble", "m-10 stands before m-2",
          "(0, int(part), part) if part.isdigit()", "(0, 0, part) if part.isdigit()", "test_study.py", "natural"),
    Fault("row-sums-below-one", "ensemble", "rows that sum to less than 1 pass for probabilities",
          "flatnonzero(np.abs(sums - 1) > tolerance)", "flatnonzero(sums - 1 > tolerance)",
          "test_prediction_files_damage.py", "refused_by_name"),
    Fault("negative-probabilities", "ensemble", "probabilities below 0 pass",
          "(probs < 0).any(axis=1)", "(probs < -1).any(axis=1)",
          "test_prediction_files_damage.py test_importing.py", "refused"),
    Fault("half-precision", "ensemble", "rows of float16 are not renormalised",
          "(wide / wide.sum(axis=1, keepdims=True)).astype(np.float32)", "wide.astype(np.float32)",
          "test_stack.py test_prediction_files.py", "half_precision or floating"),
    Fault("label-range", "ensemble", "labels below 0 pass",
          "(array < 0) | (array >= (classes or np.inf))", "array >= (classes or np.inf)",
          "test_prediction_files_damage.py", "refused"),
    Fault("cut-off-files", "ensemble", "a file whose writing was cut off is read",
          "not in (int, bool) or complete != 1", "not in (int, bool)", "test_prediction_files_damage.py", "refused"),
    Fault("no-checksums", "ensemble", "arrays are stored without a checksum",
          "chunks=chunks, fletcher32=True, fillvalue=fill", "chunks=chunks, fillvalue=fill",
          "test_prediction_files.py", "round_trip or layout"),
    Fault("claimed-size", "ensemble", "a small file may claim terabytes",
          "claimed > stored * expansion", "claimed > stored * expansion * 2**40",
          "test_prediction_files_damage.py", "refused"),
    Fault("data-elsewhere", "ensemble", "data that lie in another file are read",
          "if plan.get_external_count():", "if plan.get_external_count() > 9:",
          "test_prediction_files_damage.py", "refused"),
    Fault("leftovers", "ensemble", "a write that failed leaves a part of a file behind",
          "temporary.unlink(missing_ok=True)", "temporary.exists()", "test_atomic.py", "block or disk"),
    Fault("digest-of-order", "ensemble", "a study takes the same samples in another order for others",
          '"".join(sorted(lines))', '"".join(lines)', "test_study.py", "digest"),
    Fault("ensembles-as-members", "ensemble", "saved ensembles take part though nobody named them",
          'if p.kind == "member"]', "]", "test_study.py", "ensembles"),
    Fault("log-ranges", "ensemble", "further members are drawn evenly where it should be by the logarithm",
          "low * (high / low) ** u", "low + (high - low) * u", "test_recipe.py", "drawn or range"),
    Fault("pinned-settings", "ensemble", "what --set pins is varied all the same",
          "for k, v in variant.items() if k not in names}", "for k, v in variant.items()}",
          "test_train_options.py", "settings_hold"),
    Fault("softmax-overflow", "ensemble", "large logits overflow",
          "np.exp(shifted - shifted.max(axis=1, keepdims=True))", "np.exp(shifted)", "test_importing.py", "softmax"),
    Fault("clipped-rows", "ensemble", "rows that were clipped do not sum to 1",
          "wide[mend] /= wide[mend].sum(axis=1, keepdims=True)", "wide[mend] /= 1", "test_importing.py", "rounding"),
    Fault("column-numbers", "ensemble", "column 10 sorts before column 2",
          'return tuple(f"{i:0{width}d}"', 'return tuple(f"{i}"', "test_importing.py", "column"),
    Fault("labels-by-row", "ensemble", "labels are taken row by row though they name their samples",
          "rows = [place.get(i, -1) for i in ours]", "rows = list(range(len(ours)))", "test_importing.py", "labels"),
    Fault("lost-training", "ensemble", "a training whose loss is no number goes on",
          "np.isfinite(measured.cross_entropy + val.cross_entropy)", "np.isfinite(0.0)",
          "test_trainer.py", "no_number"),
    Fault("epochs-alike", "ensemble", "every epoch draws the same order and the same augmentation",
          "(recipe.seed << 20) + number + 1", "(recipe.seed << 20) + 1", "test_trainer.py test_training.py",
          "written_out"),
    Fault("batch-of-one", "ensemble", "a last batch of one image is left alone with batch norm",
          "n % size == 1", "n % size == 2", "test_training.py", "batch_of_one"),
    Fault("loss-of-batches", "ensemble", "an epoch's loss weighs a short batch like a full one",
          "[of_labels.detach() * size,", "[of_labels.detach() * recipe.batch_size,",
          "test_training.py", "short_batch or smoothing"),
    Fault("step-schedule", "ensemble", "the rate falls an epoch too early",
          "(epoch // recipe.decay_epochs)", "((epoch + 1) // recipe.decay_epochs)", "test_schedules.py"),
    Fault("cosine-schedule", "ensemble", "the cosine counts the warm-up too",
          "math.pi * (done - warm) / (total - warm)", "math.pi * done / total", "test_schedules.py"),
    Fault("linear-schedule", "ensemble", "the linear decay counts the warm-up too",
          "rate * (total - done) / (total - warm)", "rate * (total - done) / total", "test_schedules.py"),
    Fault("resized-too-long", "ensemble", "training keeps a size for an epoch too long",
          "if epoch < stage.epochs:", "if epoch <= stage.epochs:", "test_resizing.py", "sees_the_sizes"),
    Fault("average-biased", "ensemble", "the corrected average counts an update too few",
          "decay ** (int(behind) + 1)", "decay ** int(behind)", "test_optim.py", "corrected_average"),
    Fault("plateau-schedule", "ensemble", "the rate falls an epoch before patience is over",
          "worse > patience", "worse >= patience", "test_schedules.py"),
    Fault("l2-gradient", "ensemble", "the L2 penalty pulls half as hard as Keras'",
          "2 * recipe.l2 * scales.get(", "recipe.l2 * scales.get(", "test_optim.py"),
    Fault("l2-scale", "ensemble", "the penalty leaves a layer's own scale out",
          "(w * w).sum() * scale", "(w * w).sum()", "test_optim.py", "penalty"),
    Fault("mirror-upside-down", "ensemble", "mirror turns images upside down",
          "pixels.flip(3), pixels)", "pixels.flip(2), pixels)", "test_augment.py", "mirror"),
    Fault("affine-offset", "ensemble", "images are shifted the wrong way",
          "offset = -inverse @", "offset = inverse @", "test_augment.py", "affine"),
    Fault("mixed-targets", "ensemble", "mixed images carry each other's share",
          "targets * share + other_targets * (1.0 - share)", "targets * (1.0 - share) + other_targets * share",
          "test_augment.py", "mix"),
    Fault("augment-order", "ensemble", "a low end above the high end is taken",
          "values[-2] > values[-1]", "values[-2] > values[-1] + 100", "test_image_spec.py", "wrong"),
    Fault("input-deviation", "ensemble", "inputs are divided by the variance",
          "np.sqrt(squares / pixels)", "squares / pixels", "test_inputs.py", "measured or hand"),
    Fault("caffe-channels", "ensemble", "networks for blue-green-red are given red-green-blue",
          "pixels = pixels.flip(3)", "pixels = pixels.flip(0)", "test_inputs.py", "caffe"),
    Fault("grey-rounding", "ensemble", "grey values are cut, not rounded",
          "(weighted + 0x8000) >> 16", "weighted >> 16", "test_decode.py test_new_images.py", "grey"),
    Fault("sixteen-bits", "ensemble", "16-bit images keep their low 8 bits",
          "values.astype(np.uint16) >> 8", "values.astype(np.uint16) & 255", "test_decode.py", "sixteen"),
    Fault("off-centre", "ensemble", "the centre crop is off the centre",
          "round((new[0] - width) / 2.0)", "round((new[0] - width) / 3.0)", "test_decode.py", "resizing"),
    Fault("class-order", "ensemble", "classes stand in falling order of their ids",
          'sorted({p.split("/", 2)[1] for p in paths if p.count("/") > 1})',
          'sorted({p.split("/", 2)[1] for p in paths if p.count("/") > 1}, reverse=True)',
          "test_layouts.py", "official or torchvision"),
    Fault("annotations", "ensemble", "an image that is given two classes keeps the first in silence",
          "index[wnid]) != index[wnid]", "index[wnid]) is None", "test_layouts.py", "annotation"),
    Fault("same-padding", "ensemble", "Keras' uneven padding goes before the image",
          "return total // 2, total - total // 2", "return total - total // 2, total // 2", "test_models_keras.py"),
    Fault("batch-norm-momentum", "ensemble", "batch norm forgets at once, torch's momentum being Keras' turned over",
          "nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)", "nn.BatchNorm2d(channels, eps=1e-3, momentum=0.99)",
          "test_models_keras.py", "batch_norm"),
    Fault("layers-of-m3", "ensemble", "a network of a paper has other filters",
          "C5-32 C5-32 P C3-64 P C3-128 P FC256", "C5-32 C5-32 P C3-64 P C3-64 P FC256",
          "test_models_counts.py", "to_the_unit and ting"),
    Fault("validation-loss", "ensemble", "the loss on a split is a sum of batches' means",
          'reduction="sum"', 'reduction="mean"', "test_trainer.py", "across_batches"),
    Fault("uneven-folds", "ensemble", "folds are dealt class by class, not evenly",
          "np.arange(len(labels)) % folds", "np.arange(len(labels)) * folds // len(labels)",
          "test_folds.py", "evenly"),
    Fault("tune-rounding", "ensemble", "tune takes more than its share",
          "np.floor(share * counts + 0.5)", "np.ceil(share * counts + 0.5)", "test_folds.py", "tune or parting"),
    Fault("tune-leaks", "ensemble", "networks learn from the images they are tuned by",
          "learn=np.setdiff1d(rest, chosen)", "learn=rest", "test_folds.py"),
    Fault("fold-order", "ensemble", "out-of-fold predictions stand with other images",
          "rows[of_train] = order", "rows[order] = of_train", "test_training.py", "trains_order"),
    Fault("grey-kernels", "ensemble", "kernels for grey images answer three times as strongly in colour",
          "tensor.repeat(1, 3, 1, 1) / 3", "tensor.repeat(1, 3, 1, 1)", "test_transfer.py", "grey"),
    Fault("other-classes", "ensemble", "the last layer is taken from a network that tells other classes",
          "and not same_classes", "and False", "test_transfer.py", "other_classes"),
    Fault("half-a-base", "ensemble", "weights that fit next to nothing are taken",
          "2 * len(missing) <= len(base)", "len(missing) <= len(base)", "test_transfer.py", "refused"),
    Fault("frozen-statistics", "ensemble", "batch norm of a frozen base goes on counting",
          "requires_grad_(False).eval()", "requires_grad_(False)", "test_transfer.py test_training.py",
          "freezing or frozen_base"),
    Fault("best-epoch", "ensemble", "of equally good epochs the last is told",
          "(e.val_accuracy, -e.epoch)", "(e.val_accuracy, e.epoch)", "test_trainer.py", "best_epoch"),
    Fault("mean-of-views", "ensemble", "the mean over views is formed in single precision",
          "axis=0, dtype=np.float64) / len(each)", "axis=0, dtype=np.float32) / len(each)",
          "test_predictor.py", "double_precision"),
    Fault("challenge-order", "ensemble", "the challenge's file does not follow the images' numbers",
          "for row in np.argsort(numbers)]", "for row in np.arange(len(numbers))]", "test_submission.py"),
    # -- analysis ------------------------------------------------------------------------------------------
    Fault("scale", "analysis", "predictions are compared in steps of 2^-20",
          "SCALE = 2**26", "SCALE = 2**20", "test_reference.py", "tie or halves"),
    Fault("ties-to-the-last", "analysis", "of equal sums the highest class counts as predicted",
          "(sums == own) & before", "(sums == own) & ~before", "test_metrics.py"),
    Fault("weights-as-shares", "analysis", "weights are rounded to hundredths",
          "<= 1e-9).all(axis=1)", "<= 1e-2).all(axis=1)", "test_selection.py", "whole_numbers"),
    Fault("top-four", "analysis", "top-5 is top-4", "TOP = 5", "TOP = 4", "test_reference.py test_metrics.py", "top5"),
    Fault("likelihood-floor", "analysis", "the likelihood's floor is 1e-6",
          "FLOOR = 1e-12", "FLOOR = 1e-6", "test_metrics.py"),
    Fault("brier-score", "analysis", "the Brier score sums absolute errors",
          'np.einsum("nc,nc->n", errors, errors)', "np.abs(errors).sum(axis=1)", "test_metrics.py"),
    Fault("wilson-centre", "analysis", "Wilson's interval lies off its centre",
          "share + z2 / (2 * n)", "share + z2 / n", "test_statistics.py"),
    Fault("wilson-ends", "analysis", "Wilson's interval of no success is that of all",
          "np.where(x == 0, 0.0,", "np.where(x == 0, 0.1,", "test_statistics.py"),
    Fault("mid-p", "analysis", "McNemar's test is exact without the mid-p",
          "below + float(bdtr(fewer, tosses, 0.5))", "2 * float(bdtr(fewer, tosses, 0.5))",
          "test_paired.py", "mcnemar"),
    Fault("smallest-difference", "analysis", "a difference fewer samples make than any test finds is promised",
          "max(found, 5 / samples)", "found", "test_paired.py"),
    Fault("holm", "analysis", "Holm's adjustment is Bonferroni's",
          "(len(p) - np.arange(len(p)))", "len(p)", "test_paired.py", "holm"),
    Fault("joined-labels", "analysis", "labels keep the columns of the member they came from",
          "new_column = np.argsort(own_columns)", "new_column = own_columns", "test_stack.py"),
    Fault("joined-rows", "analysis", "rows are matched to the wrong samples",
          "order[np.searchsorted(ids, wanted, sorter=order)]", "np.searchsorted(ids, wanted, sorter=order)",
          "test_stack.py"),
    Fault("intersection", "analysis", "the common samples are those of the first and the last member",
          "keep &= common", "keep = common", "test_stack.py", "intersect or common"),
    Fault("block-bounds", "analysis", "a rival ahead in some subsets of a block counts as ahead in all",
          "total + most < 0:", "total + least < 0:", "test_engine.py", "larger_jobs"),
    Fault("sure-and-maybe", "analysis", "a table's bounds settle what they do not",
          "sign(ours[t] + most)", "sign(ours[t] + least)", "test_engine.py", "larger_jobs"),
    Fault("needless-rivals", "analysis", "a rival is dropped though a tie counts for it alone",
          "or equal == 0", "or equal >= 0", "test_prune.py"),
    Fault("pruned-ties", "analysis", "pruning turns ties over",
          "tie = 0 if c < y else 1", "tie = 1 if c < y else 0", "test_prune.py"),
    Fault("prefix-bounds", "analysis", "a rival that can be ahead after a prefix is passed over",
          "base + least[r, first] >= 0:", "base + most[r, first] >= 0:", "test_engine.py", "enumeration"),
    Fault("exponents", "analysis", "each renormalised product loses a factor of 2",
          "(bits[x] >> 52) - 1023", "(bits[x] >> 52) - 1022", "test_engine.py", "larger_jobs"),
    Fault("floor-in-the-engine", "analysis", "the engine averages a member's zero as a zero",
          "true[a:b] = floored(values).T", "true[a:b] = values.T", "test_engine.py test_invariants.py",
          "smallest or definitions"),
    Fault("floor-in-the-plain-way", "analysis", "the plain way averages a member's zero as a zero",
          "raised = floored(true_probs(stack.probs, labels))", "raised = true_probs(stack.probs, labels)",
          "test_reference.py", "slow_reference or hand"),
    Fault("gram-matrix", "analysis", "two members' errors count once in the Brier score",
          "inside[x] + (gram[b, b] + 2 * cross[x])", "inside[x] + (gram[b, b] + cross[x])",
          "test_engine.py", "larger_jobs"),
    Fault("tallied-sizes", "analysis", "without a table subsets of one size are added to the next",
          "by_size[size + k] += own", "by_size[min(size + k + 1, len(by_size) - 1)] += own", "test_tally.py"),
    Fault("tallied-members", "analysis", "without a table a member's share is another member's",
          "members[low + b, s] += own", "members[b, s] += own", "test_tally.py"),
    Fault("tallied-ends", "analysis", "without a table the worst subset of a size is the best one",
          "min(lowest, w), max(highest, w)", "min(lowest, w), min(highest, w)", "test_tally.py"),
    Fault("gone-on-twice", "analysis", "subsets that were counted before an interruption count again",
          "done, arrays = found or (parts.start, {})", "done, arrays = (parts.start, found[1] if found else {})",
          "test_leading.py", "interrupted"),
    Fault("contributions-turned", "analysis", "without a table a Shapley value has the other sign",
          "(marginals - everything).tolist()", "(everything - marginals).tolist()", "test_leading.py"),
    Fault("columns-in-files", "analysis", "columns of members in files are taken as they stand",
          "rows, None if np.array_equal(columns, every) else columns", "rows, None", "test_sources.py"),
    Fault("sure-of-groups", "analysis", "samples that no subset has right count as right in each group",
          "every - settled - never", "every - settled", "test_by_group.py"),
    Fault("folds-taken-in", "analysis", "a fold's temperature is fitted to the fold itself",
          "total - by_fold if apart", "by_fold if apart", "test_temperature.py", "held_out or groups"),
    Fault("chance-of-groups", "ensemble", "chance among samples of a class is off",
          "product * (n - left) * (n - right)", "product * (n - left) * (n - left)", "test_alignment.py"),
    Fault("seals-by-size", "ensemble", "a file that was changed in place is believed by its size",
          "state.st_size, state.st_mtime_ns, state.st_ctime_ns)", "state.st_size)", "test_atomic.py", "seal"),
    Fault("full-disk-in-rows", "ensemble", "what a full disk did not take of rows is not told",
          "self.error = error", "self.error = None", "test_bounded_memory.py", "disk"),
    Fault("rows-as-read", "ensemble", "rows of a file that are asked for in an order come as they stand",
          "else found[at - first]", "else np.sort(found[at - first], axis=0)", "test_sources.py"),
    Fault("geometric-brier", "analysis", "the geometric mean's Brier score is off",
          "(total * total) - 2 * own + 1", "(total * total) - own + 1", "test_engine.py", "definitions"),
    Fault("geometric-mean", "analysis", "the geometric mean is a product",
          "np.exp(total / len(indices))", "np.exp(total)", "test_engine.py test_selection.py",
          "plain_reference or other_rules"),
    Fault("shapley-weights", "analysis", "Shapley values weigh subsets by their number alone",
          "1 / (members * math.comb(members - 1, s))", "1 / (members * math.comb(members, s))", "test_shapley.py"),
    Fault("greedy-ties", "analysis", "greedy selection prefers members that take no part yet",
          "if used[tied].any():\n            tied = tied[used[tied]]",
          "if not used[tied].all():\n            tied = tied[~used[tied]]", "test_selection.py", "greedy"),
    Fault("greedy-brier", "analysis", "greedy selection by Brier divides by k, not k^2",
          "+ own) / (self.size + 1) ** 2", "+ own) / (self.size + 1)", "test_selection.py", "greedy"),
    Fault("greedy-rounds", "analysis", "greedy selection keeps every round, not the best one",
          "return order[:kept],", "return order,", "test_selection.py", "greedy"),
    Fault("certificate", "analysis", "weights count as the best before they are",
          "np.log(slope.max())", "np.log(slope.mean())", "test_selection.py", "weights"),
    Fault("best-of-equals", "analysis", "of equally good subsets the largest is chosen",
          "self._sizes[rows] == self._sizes[rows].min()", "self._sizes[rows] == self._sizes[rows].max()",
          "test_selection.py", "best"),
    Fault("stacked-probabilities", "analysis", "what stacking says does not sum to 1",
          "seen] = own / own.sum(axis=1, keepdims=True)", "seen] = own", "test_selection.py", "stacking"),
    Fault("some-samples", "analysis", "rivals go to the neighbour's sample where a part is looked at",
          "np.repeat(starts[rows] - before", "np.repeat(starts[rows - 1] - before",
          "test_selection.py", "some_of or left_out"),
    Fault("honest-leak", "analysis", "an ensemble is chosen on the samples that then score it",
          "weights, weights == 0, halves", "weights, weights == 1, halves",
          "test_cross_validation.py", "did_not_choose or left_out"),
    Fault("forward-leak", "analysis", "the forward test scores samples it chose on",
          "(fold < steps)", "(fold <= steps)", "test_cross_validation.py", "did_not_choose or forward"),
    Fault("honest-interval", "analysis", "the honest interval leaves out that other samples choose otherwise",
          "ratio + between * n", "ratio + 0 * between * n", "test_cross_validation.py", "wilsons"),
    Fault("class-weights", "analysis", "every class counts as many samples as it has",
          "own / size, 0.0)", "own, 0.0)", "test_class_sums.py test_class_metrics.py", "definition or scales"),
    Fault("auroc-ties", "analysis", "ties count as won in the AUROC",
          "(\"left\", \"right\"):\n        place", "(\"left\", \"left\"):\n        place",
          "test_class_metrics.py", "by_hand or scikit"),
    Fault("f1-predicted", "analysis", "F1 divides by the samples alone",
          "times @ (samples + _cells(block, values, count, classes))", "times @ (samples + samples)",
          "test_class_metrics.py", "by_hand or scikit"),
    Fault("front-dominated", "analysis", "a front holds subsets that a cheaper one equals",
          "loss[order] < before - TIE", "loss[order] <= before + TIE", "test_costs.py", "pairs"),
    Fault("cost-limit", "analysis", "what costs too much is chosen all the same",
          "self.costs <= (np.inf if self.max_cost is None else self.max_cost)", "self.costs >= 0", "test_costs.py",
          "within_the_cost"),
    Fault("class-groups", "analysis", "a class's interval takes samples of one group for separate ones",
          "(1 + (squares - 1) * correlation)", "(1 + 0 * squares * correlation)", "test_per_class.py",
          "by_hand or groups"),
    Fault("unstratified", "analysis", "folds are dealt without a look at the classes",
          "fold[laid_out] =", "fold[shuffled] =", "test_cross_validation.py", "stratified"),
    Fault("hardest-classes", "analysis", "twice as many classes count as the hardest",
          "worst_k = min(10, c // 4)", "worst_k = min(10, c // 2)", "test_per_class.py"),
    Fault("drawn-accuracies", "analysis", "the easiest classes are drawn as the hardest",
          "standard_gamma(a + right,", "standard_gamma(a + wrong,", "test_per_class.py"),
    Fault("class-order-of-equals", "analysis", "classes without samples stand first",
          "(samples[i] == 0, accuracy[i]", "(samples[i] != 0, accuracy[i]", "test_per_class.py"),
    Fault("confusion-turned", "analysis", "what is true and what was predicted change places",
          "np.asarray(y_true, dtype=np.int64) * classes + y_pred",
          "np.asarray(y_pred, dtype=np.int64) * classes + y_true", "test_confusion.py"),
    Fault("pairs-turned", "analysis", "of two classes the one that was taken for the other less often stands first",
          "counts[higher, lower] > counts[lower, higher]", "counts[higher, lower] < counts[lower, higher]",
          "test_confusion.py", "pairs"),
    Fault("many-classes", "analysis", "the smallest difference is promised as if one class were tested",
          "int((q[seen] <= level).sum())) / len(seen)", "int((q[seen] <= level).sum()))", "test_improved.py"),
    Fault("bin-edges", "analysis", "a confidence on an edge lies in the bin that begins there",
          'side="left") - 1, 0)', 'side="right") - 1, 0)', "test_calibration.py", "edge or certain or hand"),
    Fault("ece-weights", "analysis", "every bin counts alike in the ECE",
          "(gaps * counts[counts > 0]).sum() / len(right)", "gaps.mean()", "test_calibration.py"),
    Fault("equal-mass", "analysis", "adaptive bins end a sample too early",
          "-(-np.arange(1, bins + 1) * len(values) // bins)", "np.arange(1, bins + 1) * len(values) // bins",
          "test_calibration.py", "adaptive"),
    Fault("brier-parts", "analysis", "the uncertainty is the share alone",
          "(share * (1 - share)).sum()", "share.sum()", "test_class_wise.py"),
    Fault("tempered", "analysis", "a temperature sharpens where it should flatten",
          "np.exp(logs / np.reshape(at, (-1, 1)))", "np.exp(logs * np.reshape(at, (-1, 1)))", "test_temperature.py"),
    Fault("chance-p", "analysis", "the p-value of an ECE can be 0",
          "(1 + (found >= ece - 1e-12).sum()) / (draws + 1)", "(found >= ece - 1e-12).sum() / draws",
          "test_ece_by_chance.py"),
    Fault("yules-q", "analysis", "Yule's Q is divided by half of what it should be",
          "product - crossed, product + crossed", "product - crossed, product", "test_diversity.py"),
    Fault("entropy", "analysis", "the entropy of an odd number of members is off",
          "(m - -(-m // 2))", "(m - m // 2)", "test_diversity.py"),
    Fault("pair-gains", "analysis", "a pair's gain is over the worse of the two",
          "np.maximum(alone[pairs[:, 0]],", "np.minimum(alone[pairs[:, 0]],", "test_pair_gains.py"),
    Fault("rescued", "analysis", "half of the members wrong is called most of them",
          "2 * wrong > len(self.members)", "2 * wrong >= len(self.members)", "test_errors.py"),
    Fault("confident-learning", "analysis", "classes count whose threshold is not reached",
          "part >= thresholds - 1e-12", "part >= thresholds - 1", "test_errors.py", "confident"),
    Fault("high-frequency", "analysis", "only the highest frequencies count as high",
          "frequency[None, :]) > 0.25", "frequency[None, :]) > 0.5", "test_filter_measures.py"),
    Fault("dead-filters", "analysis", "dead filters are told by the mean norm",
          "np.median(norms)", "np.mean(norms)", "test_filter_measures.py", "dead"),
    Fault("shared-scale", "analysis", "a shared scale leaves 0..1",
          "exact / (2 * limit) + 0.5", "exact / limit + 0.5", "test_filters.py"),
    Fault("script-ends", "analysis", "a name on the page can end its script",
          'for sign in "<>&', 'for sign in "&', "test_page.py", "script"),
    Fault("markup", "analysis", "a name on the page is taken for markup",
          "part if isinstance(part, Markup) else html.escape(part)", "part", "test_page.py", "markup or hostile"),
    Fault("carried-points", "analysis", "the worst subsets are carried, not the best",
          "np.argpartition(-table.correct,", "np.argpartition(table.correct,", "test_page.py", "very_many"),
    Fault("formulas", "analysis", "a spreadsheet runs a cell that begins with +",
          '"=", "+", "-"', '"=", "-"', "test_csv_cells.py"),
    Fault("empty-cells", "analysis", "a number that is not there is written as nan",
          '"" if np.isnan(value) else repr(float(value))', "repr(float(value))", "test_csv_cells.py"),
    Fault("likelier-of-equals", "analysis", "of equally good subsets the one with the higher NLL is told",
          "self.nll[rows] <= self.nll[rows].min()", "self.nll[rows] >= self.nll[rows].max()", "test_table.py", "ties"),
    Fault("unmeasured-epoch", "analysis", "an epoch that was not measured is the best",
          "measured, accuracy, -np.inf", "measured, accuracy, np.inf", "test_history.py"),
    Fault("steps-of-the-rate", "analysis", "the rate's steps stand an epoch late",
          "[x[rows - 1] for", "[x[rows] for", "test_curves.py", "steps"),
    Fault("spread", "analysis", "a group's deviation is divided by n",
          "values.std(ddof=1)", "values.std()", "test_compare.py", "spread"),
    # -- cli -----------------------------------------------------------------------------------------------
    Fault("usage-status", "cli", "a misspelt option leaves with status 1",
          "error.format_message() + hint, 2, as_json", "error.format_message() + hint, 1, as_json",
          "test_combine_command.py", "bad"),
    Fault("part-status", "cli", "some members that failed are told like all",
          "return 3 if len(failed) < len(outcomes)", "return 1 if len(failed) < len(outcomes)",
          "test_train_command.py", "some_members_failing"),
    Fault("interrupt-status", "cli", "Ctrl-C leaves with status 1",
          "130, as_json)", "1, as_json)", "test_train_command.py", "ctrl_c"),
    Fault("unsound-data", "cli", "ens-data check calls unsound images sound",
          "return 0 if report.ok else 2", "return 0", "test_data_command.py", "check"),
    Fault("errors-as-json", "cli", "a failure under --json leaves standard output empty",
          "if as_json:", "if not as_json:", "test_import_command.py", "bad"),
    Fault("nan-in-json", "cli", "JSON holds NaN, which is no JSON",
          "not math.isfinite(value)", "value == math.inf", "test_combine_command.py", "other_rules"),
    Fault("honest-key", "cli", "the JSON's honest accuracy is the apparent one",
          '"honest_accuracy": result.honest.score', '"honest_accuracy": result.honest.apparent',
          "test_combine_command.py",
          "contract or (ways_to_choose and greedy)"),
    Fault("unread-weights", "cli", "the JSON gives the weights of the wrong members",
          "chosen.weights[list(chosen.members)],", "chosen.weights[: len(chosen.members)],",
          "test_combine_command.py", "ones_own"),
    Fault("ranges-of-sizes", "cli", "--k 2-3 is --k 2",
          "int(match[2] or match[1])", "int(match[1])", "test_combine_command.py", "sizes"),
    Fault("falling-ranges", "cli", "--k 3-2 is taken",
          "if not 1 <= low <= high:", "if not 1 <= low:", "test_combine_command.py", "bad_sizes"),
    Fault("next-split", "cli", "the next command forgets the split",
          'on = "" if split == "val" else', 'on = "" if split != "val" else', "test_combine_command.py", "next"),
    Fault("next-study", "cli", "the next command forgets the study",
          "str(self.study) == os.environ", "str(self.study) != os.environ",
          "test_combine_command.py test_import_command.py", "next"),
    Fault("points-gained", "cli", "a gain in points is told as a share",
          "{100 * gain:+z.2f} points", "{gain:+.2f} points", "test_combine_command.py", "terminal"),
    Fault("control-signs", "cli", "a name can drive the terminal",
          'bad = ("Cc", "Cf", "Cs")', 'bad = ("Cs",)', "test_class_reports.py", "hostile"),
    Fault("options-of-others", "cli", "an option that a report has no use for is ignored in silence",
          'kind in (*kinds, "all"):', "kind or kinds:", "test_report_command.py test_class_reports.py", "bad_input"),
    Fault("misspelt-keys", "cli", "a misspelt key of an option file is ignored in silence",
          'key.replace("-", "_") not in known:', "key.isdigit():", "test_data_command.py", "config"),
    Fault("import-by-chance", "cli", "nobody is warned of labels in another order",
          "share <= 1 / len(p.class_ids)", "share < 0", "test_import_command.py", "next"),
    Fault("bins-in-json", "cli", "the JSON's bins end where they begin",
          "value.edges[b + 1],", "value.edges[b],", "test_report_calibration.py", "json_of_calibration"),
    Fault("errors-in-json", "cli", "the JSON counts the wrong images out",
          '"samples": wrong + good,', '"samples": good,', "test_class_reports.py", "errors_are"),
    Fault("answers-ending", "cli", "answers are written to a file of any ending",
          "path.suffix.lower() != ending", "not path.suffix and ending",
          "test_predict_command.py", "bad_input"),
    Fault("common-samples", "cli", "nobody is told what --intersect leaves out",
          "which are scored; left out: {lost}", "which are scored", "test_combine_command.py", "intersected"),
)  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
