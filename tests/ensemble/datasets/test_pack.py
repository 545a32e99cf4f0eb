"""The packed cache: found again, whole or absent, one builder at a time, nothing left by a kill or a full disk."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ensemble.datasets import check_source, load_dataset, pack, pack_source
from ensemble.datasets.pack import cache_folder, open_pack
from ensemble.errors import BadInput, StorageError

# A builder that says when it has begun, and waits for a file before it goes on.
BUILDER = """
import sys, time
from pathlib import Path
from ensemble.datasets import load_dataset
source, go = Path(sys.argv[1]), Path(sys.argv[2])
calls = 0
def progress(done, total):
    global calls
    calls += 1
    print("building", flush=True)
    while not go.exists():
        time.sleep(.01)
data = load_dataset(source, progress=progress)
print(calls, data.fingerprint, flush=True)
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("ENS_CACHE", str(folder))
    return folder


def builder(source, go, **options):
    return subprocess.Popen([sys.executable, "-c", BUILDER, source, go], stdout=subprocess.PIPE, text=True, **options)


def names(folder):
    return sorted(p.name for p in folder.iterdir() if not p.name.endswith(".lock"))


def test_built_once_and_found_again(tmp_path, tree, cache, monkeypatch):
    root = tree(tmp_path / "my pets!")
    seen = []
    first = load_dataset(root, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)
    (packed,) = names(cache)
    assert packed.startswith("my-pets-")
    monkeypatch.setattr(pack, "_build", lambda *a: pytest.fail("built twice"))
    second = load_dataset(root)
    assert second.fingerprint == first.fingerprint
    assert second.source == str(root)
    images = second.split("train").images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_a_changed_source_is_packed_anew(tmp_path, tree, picture, cache):
    root = tree(tmp_path / "pets")
    first = load_dataset(root)
    picture(root / "train/cat/cat_0.png", seed=99)
    second = load_dataset(root)
    assert second.fingerprint != first.fingerprint
    assert len(names(cache)) == 2


def test_the_fingerprint_knows_pixels_labels_ids_and_classes(tmp_path, tree, picture, cache):
    seen = {load_dataset(tree(tmp_path / "same")).fingerprint, load_dataset(tree(tmp_path / "other name")).fingerprint}
    assert len(seen) == 1
    root = tree(tmp_path / "pets")
    (root / "train/cat/cat_0.png").rename(root / "train/cat/cat_00.png")  # an id, the order kept
    seen.add(load_dataset(root).fingerprint)
    root = tree(tmp_path / "classes", ("cat", "dogs"))
    for path in root.rglob("dogs_*"):
        path.rename(path.with_name(path.name.replace("dogs", "dog")))
    seen.add(load_dataset(root).fingerprint)
    root = tree(tmp_path / "pixels")
    picture(root / "train/cat/cat_0.png", seed=99)
    seen.add(load_dataset(root).fingerprint)
    assert len(seen) == 4


@pytest.mark.parametrize("damage", ["cut", "meta", "shape", "gone"])
def test_a_pack_that_is_not_whole_is_built_again(tmp_path, tree, cache, damage):
    root = tree(tmp_path / "pets")
    whole = load_dataset(root).fingerprint
    packed = cache / names(cache)[0]
    if damage == "cut":
        os.truncate(packed / "val.npy", 500)
    elif damage == "meta":
        (packed / "meta.json").write_text("{")
    elif damage == "shape":
        meta = json.loads((packed / "meta.json").read_text())
        meta["splits"][0]["shape"][0] = 5
        (packed / "meta.json").write_text(json.dumps(meta))
    else:
        (packed / "train.npy").unlink()
    with pytest.raises(BadInput, match="pack"):
        open_pack(packed)
    data = load_dataset(root)
    assert data.fingerprint == whole
    assert len(data.split("val")) == 6


def test_two_builders_at_once(tmp_path, tree, cache):
    root = tree(tmp_path / "pets")
    go = tmp_path / "go"
    first = builder(root, go)
    assert first.stdout.readline() == "building\n"
    second = builder(root, go)
    time.sleep(1.0)  # time for it to reach the lock
    assert second.poll() is None
    go.touch()
    one, two = first.communicate(timeout=60)[0].split(), second.communicate(timeout=60)[0].split()
    calls = sorted((int(out[-2]) for out in (one, two)), reverse=True)
    assert calls[0] > 0
    assert calls[1] == 0, "the second must use what the first built"
    assert one[-1] == two[-1]
    assert len(names(cache)) == 1


def test_killed_in_mid_build(tmp_path, tree, cache):
    root, other = tree(tmp_path / "pets"), tree(tmp_path / "other", ("a", "b"))
    child = builder(root, tmp_path / "never")
    assert child.stdout.readline() == "building\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    (left,) = names(cache)
    assert left.endswith(".part")
    assert (cache / left / "train.npy").exists()
    load_dataset(other)  # the next builder cleans, even of another source
    assert [n for n in names(cache) if n.endswith(".part")] == []
    data = load_dataset(root)
    assert len(data.split("train")) == 6
    assert len(names(cache)) == 2


def test_a_builder_at_work_is_not_cleaned_away(tmp_path, tree, cache):
    root, other = tree(tmp_path / "pets"), tree(tmp_path / "other", ("a", "b"))
    go = tmp_path / "go"
    child = builder(root, go)
    assert child.stdout.readline() == "building\n"
    load_dataset(other)
    go.touch()
    out = child.communicate(timeout=60)[0].split()
    assert child.returncode == 0
    assert out[-1] == load_dataset(root).fingerprint


def test_interrupted_in_mid_build(tmp_path, tree, cache):
    root = tree(tmp_path / "pets")
    child = builder(root, tmp_path / "never", stderr=subprocess.DEVNULL)
    assert child.stdout.readline() == "building\n"
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) != 0
    child.stdout.close()
    assert names(cache) == []


@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_a_full_disk(tmp_path, tree, cache, monkeypatch, call):
    root = tree(tmp_path / "pets")

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(StorageError) as error:
        load_dataset(root)
    text = str(error.value)
    assert str(cache) in text
    assert "no space left" in text
    assert "ENS_CACHE" in text
    assert names(cache) == []
    monkeypatch.undo()


def test_a_file_system_that_cannot_reserve_room(tmp_path, tree, cache, monkeypatch):
    def unsupported(*arguments):
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(os, "posix_fallocate", unsupported)
    assert len(load_dataset(tree(tmp_path / "pets")).split("train")) == 6


def test_a_limit_on_file_size_in_a_real_process(tmp_path, tree, cache):
    root = tree(tmp_path / "pets", per_class=20)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"
    code = limit + BUILDER.replace(
        "data = load", "from ensemble.errors import StorageError\ntry: data = load", 1
    ).replace("print(calls, data.fingerprint, flush=True)", "except StorageError as error: print(error)")
    (tmp_path / "go").touch()
    done = subprocess.run(
        [sys.executable, "-c", code, root, tmp_path / "go"], capture_output=True, text=True, timeout=60
    )
    assert "cannot be written, file too large" in done.stdout, done.stderr
    assert names(cache) == []


def test_a_full_tmpfs(tmp_path, tree, monkeypatch):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"needs to mount a tmpfs: {mounted.stderr.strip()}")
    try:
        monkeypatch.setenv("ENS_CACHE", str(small / "cache"))
        with pytest.raises(StorageError, match="no space left"):
            load_dataset(tree(tmp_path / "pets", per_class=100))
        assert names(small / "cache") == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_cache_that_cannot_be_written(tmp_path, tree, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError) as error:
        load_dataset(tree(tmp_path / "pets"))
    assert str(tmp_path / "file" / "cache") in str(error.value)
    assert "set ENS_CACHE to name another folder" in str(error.value)


def test_where_the_cache_lies(monkeypatch):
    monkeypatch.setenv("ENS_CACHE", "/a/b")
    assert cache_folder() == Path("/a/b")
    monkeypatch.delenv("ENS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_folder() == Path("/x/kofn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "kofn"


# --- a pack of one's own


def test_a_pack_in_a_folder_of_ones_own(tmp_path, tree, picture, cache):
    root = tree(tmp_path / "pets")
    picture(root / "val/dog/big.png", (20, 10))
    out = pack_source(root, tmp_path / "pets-16", 16)
    assert out == tmp_path / "pets-16"
    data = load_dataset(out)
    assert data.image_shape == (16, 16, 3)
    assert data.name == "pets"
    assert data.source == str(out)
    assert "Every image was resized and cut to 16 x 16." in data.notes
    assert not cache.exists()
    assert sorted(p.name for p in out.iterdir()) == ["meta.json", "train.npy", "val.npy"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    assert pack_source(root, out, 16) == out  # there already
    with pytest.raises(BadInput, match=r"is there already, and is not a pack of .*; name a new folder with out=DIR"):
        pack_source(root, out, 24)
    with pytest.raises(BadInput, match="is a pack already"):
        pack_source(out)


def test_a_folder_with_files_is_not_overwritten(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="is there already"):
        pack_source(root, tmp_path / "out")
    assert (tmp_path / "out/thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("size", [7, 1025])
def test_a_size_out_of_range(tmp_path, tree, size):
    with pytest.raises(BadInput, match="expected 8 to 1024"):
        pack_source(tree(tmp_path / "pets"), None, size)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 9}, "of version 1, found 'kofn pack' 9"),
        ({"splits": []}, "holds no splits"),
        ({"splits": 3}, "is not a pack that can be understood"),
        ({"notes": None}, "is not a pack that can be understood"),
    ],
)
def test_a_pack_of_another_make(tmp_path, tree, change, words):
    out = pack_source(tree(tmp_path / "pets"), tmp_path / "out")
    meta = json.loads((out / "meta.json").read_text())
    (out / "meta.json").write_text(json.dumps(meta | change))
    with pytest.raises(BadInput, match=r"meta\.json: does not match its checksum"):
        load_dataset(out)
    del meta["seal"]  # as older versions wrote it
    (out / "meta.json").write_text(json.dumps(meta | change))
    with pytest.raises(BadInput, match=words):
        load_dataset(out)


def test_a_check_compares_a_packs_pixels(tmp_path, tree):
    out = pack_source(tree(tmp_path / "pets"), tmp_path / "out")
    meta = json.loads((out / "meta.json").read_text())
    del meta["seal"]  # of an older version
    (out / "meta.json").write_text(json.dumps(meta))
    assert check_source(out).ok
    pixels = bytearray((out / "val.npy").read_bytes())
    pixels[-1] ^= 1
    (out / "val.npy").write_bytes(pixels)
    (problem,) = check_source(out).problems
    assert "holds other pixels, labels or ids than were packed" in problem


def test_a_pack_reaches_no_file_outside_of_it(tmp_path, tree):
    out = pack_source(tree(tmp_path / "pets"), tmp_path / "out")
    meta = json.loads((out / "meta.json").read_text())
    meta["splits"][0]["name"] = "../secret"
    del meta["seal"]
    (out / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(BadInput, match="is not a name of a split"):
        load_dataset(out)


def test_a_killed_build_is_gone_on_with(tmp_path, tree, cache, monkeypatch):
    """Segments of four images; the second build, cut off in its third segment, decodes what is left and no more."""
    root = tree(tmp_path / "pets", per_class=6)
    whole = load_dataset(root).fingerprint
    shutil.rmtree(cache)
    monkeypatch.setattr(pack, "SEGMENT", 4)
    decode_all, asked = pack.decode_all, []

    def cut_off(job, paths, progress=None):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(list(paths))
        return decode_all(job, paths, progress)

    monkeypatch.setattr(pack, "decode_all", cut_off)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(root)
    (left,) = names(cache)
    other = tree(tmp_path / "other", ("a", "b"), per_class=1)
    monkeypatch.setattr(pack, "decode_all", decode_all)
    load_dataset(other)  # another's builder leaves it alone
    assert left in names(cache)
    with (cache / left / "journal.jsonl").open("a") as journal:
        journal.write('{"split": "train", "fir')  # a line that was cut off
    again = []
    monkeypatch.setattr(
        pack, "decode_all", lambda job, paths, p=None: again.append(list(paths)) or decode_all(job, paths, p)
    )
    data = load_dataset(root)
    assert data.fingerprint == whole
    assert [len(paths) for paths in asked + again] == [4] * 6
    assert sorted(path for paths in asked + again for path in paths) == sorted(
        p.relative_to(root).as_posix() for p in root.rglob("*.png")
    )
    assert left not in names(cache)
    assert not list(cache.rglob("journal.jsonl"))


def test_a_build_of_other_images_is_not_gone_on_with(tmp_path, tree, cache, monkeypatch):
    root = tree(tmp_path / "pets", per_class=6)
    monkeypatch.setattr(pack, "SEGMENT", 4)
    out, decode_all, asked = tmp_path / "packed", pack.decode_all, []

    def cut_off(job, paths, progress=None):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(len(paths))
        return decode_all(job, paths, progress)

    monkeypatch.setattr(pack, "decode_all", cut_off)
    with pytest.raises(KeyboardInterrupt):
        pack.pack_source(root, out)
    monkeypatch.setattr(pack, "decode_all", decode_all)
    (root / "train" / "cat" / "cat_0.png").unlink()
    assert open_pack(pack.pack_source(root, out)).fingerprint == load_dataset(root).fingerprint
