"""The page of a large study, in a real browser: how long it takes to write, how large it is, how fast it answers.

    python -m benchmarks.page [MEMBERS ...]

Times are of one run, on a machine whose load is printed: beside other work the processor time says more than the
clock. Hovering is the median and the 99th percentile of 200 events.
Needs Chromium and the extra `dev`. Figures to reach on two cores: 6 members on 10,000 x 200 with 200 images written in
under 6 s, under 3 MB, ready in under 1 s; 16 members, 65,535 subsets, under 4 MB, hovering under 16 ms of work. Every
report of the six members in under 40 s.
"""

import io
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.generators import member_blocks, member_probs
from ensemble.datasets import load_dataset
from ensemble.study.predictions import Predictions
from ensemble.study.study import Study, config_of
from tests.browser import browser

SAMPLES, CLASSES = 10_000, 200
CASES = ((6, 1), (6, None), (16, 1), (17, 1))  # members, images a class: None is as many as the page takes by itself

# What a browser does for one event: the handler's work, and that of the picture it asks for.
WORK = """async ({count, act}) => {
  const marks = document.getElementById("marks"), box = marks.getBoundingClientRect(), found = [];
  for (let i = 0; i < count; i += 1) {
    let begun, work = 0;
    await new Promise((done) => {
      requestAnimationFrame(() => { begun = performance.now(); });
      const before = performance.now();
      if (act === "hover") marks.dispatchEvent(new PointerEvent("pointermove", {
        clientX: box.left + 50 + (box.width - 60) * ((i * 0.618) % 1),
        clientY: box.top + 20 + (box.height - 60) * ((i * 0.755) % 1), pointerType: "mouse"}));
      else document.getElementById(i % 2 ? "zoom-out" : "zoom-in").click();
      work = performance.now() - before;
      requestAnimationFrame(() => { work += performance.now() - begun; done(); });
    });
    found.push(work);
  }
  return found.sort((a, b) => a - b);
}"""


def images(root: Path) -> Path:
    """Write a folder of smooth JPEGs of 64 x 64, 50 for each of 200 classes."""
    stream = np.random.default_rng(0)
    for c in range(CLASSES):
        folder = root / "val" / f"c{c:03}"
        folder.mkdir(parents=True)
        for i in range(SAMPLES // CLASSES):
            # About as many bytes as a photograph of Tiny ImageNet takes.
            small = Image.fromarray(stream.integers(0, 256, (24, 24, 3), dtype=np.uint8))
            file = io.BytesIO()
            small.resize((64, 64), Image.Resampling.BICUBIC).save(file, "JPEG", quality=80)
            (folder / f"{i:02}.jpg").write_bytes(file.getvalue())
    (root / "train" / "c000").mkdir(parents=True)
    for c in range(CLASSES):
        (root / "train" / f"c{c:03}").mkdir(exist_ok=True)
        (root / "train" / f"c{c:03}" / "00.jpg").write_bytes(file.getvalue())
    return root


def study(root: Path, source: Path, members: int) -> Study:
    """Write a study of made-up predictions on these images."""
    dataset = load_dataset(str(source))
    val = dataset.split("val")
    made = Study.create(root, config_of(dataset))
    streams, shared, labels = member_blocks(members, SAMPLES, CLASSES)
    # The generator draws labels; the images have their own, so columns are turned to put the truth in its place.
    assert val.labels is not None
    turn = (np.arange(CLASSES)[None] + (labels - val.labels)[:, None]) % CLASSES
    for i, stream in enumerate(streams):
        probs = np.take_along_axis(member_probs(stream, shared), turn, axis=1)
        kernels = stream.standard_normal((64, 3, 7, 7)).astype(np.float32)
        made.write(Predictions(f"net-{i}", "val", probs, val.sample_ids, made.config.class_ids, made.config.class_names,
                               labels=val.labels, first_layer=kernels))  # fmt: skip
    return made


def seconds_used() -> float:
    """Return the processor time of the commands that have ended: on a busy machine it says more than the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Print the table, of the numbers of members that are named or of all."""
    wanted = {int(word) for word in sys.argv[1:]} or {members for members, _ in CASES}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    heads = (
        ("members", 7),
        ("subsets", 9),
        ("images", 8),
        ("write s", 9),
        ("CPU s", 7),
        ("MB", 7),
        ("ready ms", 10),
        ("hover ms", 14),
    )
    print("".join(f"{head:>{width}}" for head, width in (*heads, ("zoom ms", 9))))
    with tempfile.TemporaryDirectory() as folder, browser() as chromium:
        os.environ["ENS_CACHE"] = f"{folder}/cache"
        source = images(Path(folder) / "images")
        for members, each in (case for case in CASES if case[0] in wanted):
            root = Path(folder) / f"study-{members}"
            if not root.exists():
                study(root, source, members)
            asked = () if each is None else ("--images", str(each))
            command = (Path(sys.executable).with_name("ens-report"), "html", "--study", root, *asked)
            begun, used = time.perf_counter(), seconds_used()
            subprocess.run(command, capture_output=True, check=True)
            written, worked = time.perf_counter() - begun, seconds_used() - used
            path = root / "report" / "index.html"
            page = chromium.new_page(viewport={"width": 1280, "height": 900})
            page.goto(path.as_uri())
            page.wait_for_selector("html[data-ready]")
            ready = page.evaluate("performance.getEntriesByName('ready')[0].startTime")
            page.locator("#chart").scroll_into_view_if_needed()
            hover = page.evaluate(WORK, {"count": 200, "act": "hover"})
            zoom = page.evaluate(WORK, {"count": 20, "act": "zoom"})
            shown = page.evaluate("document.querySelectorAll('#class-table img').length") if each == 1 else "all"
            page.close()
            print(
                f"{members:7}{2**members - 1:9,}{shown:>8}{written:9.1f}{worked:7.1f}"
                f"{path.stat().st_size / 1e6:7.2f}{ready:10.0f}"
                f"{hover[len(hover) // 2]:7.1f}-{hover[-3]:5.1f} {zoom[len(zoom) // 2]:9.1f}"
            )
        if 6 not in wanted:
            return
        for more in ((), ("--pdf",)):
            command = (Path(sys.executable).with_name("ens-report"), "all", *more, "--study", Path(folder) / "study-6")
            begun, used = time.perf_counter(), seconds_used()
            subprocess.run(command, capture_output=True, check=True)
            written, worked = time.perf_counter() - begun, seconds_used() - used
            print(f"every report of the six{' and the PDF' if more else ''}: {written:.1f} s, {worked:.1f} s of CPU")


if __name__ == "__main__":
    main()
