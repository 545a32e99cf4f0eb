"""`ens-data`: documents on stdout, the rest on stderr, exit statuses."""

import json
import subprocess
import sys

import pytest
from commands import call, process


def ens_data(*arguments, cwd=None):
    return call("ens-data", *arguments, cwd=cwd)


@pytest.mark.parametrize("part", [[], ["list"], ["check"], ["pack"], ["fetch"]])
def test_help_teaches_by_example(part):
    done = ens_data(*part, "--help")
    assert done.status == 0
    assert "Examples:\n    ens-data " in done.out
    assert "--study" not in done.out
    if part:
        assert all(option in done.out for option in ("--json", "--quiet", "--config", "--debug"))


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from cli.data import data; from cli.common import run; run(data, ['check', '--help'])\n"
        "print([m for m in ('torch', 'matplotlib', 'numpy', 'PIL', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_list_as_a_process():
    done = process("ens-data", "list")
    assert done.status == 0
    assert "digits" in done.out
    assert done.err == "Next: ens-train --data digits\n"
    content = json.loads(ens_data("list", "--json").out)
    assert content["schema"] == 1
    assert content["datasets"][0]["name"] == "digits"
    assert [layout["name"] for layout in content["layouts"]] == [
        "tiny-imagenet",
        "folder",
        "csv",
        "npz",
        "datasets",
        "function",
        "pack",
    ]


def test_check(tmp_path, tree):
    root = tree(tmp_path / "my pets")
    done = ens_data("check", root)
    assert done.status == 0
    assert "layout folder, 2 classes (cat, dog)" in done.out
    assert "sizes: 8x8 (12)" in done.out
    assert done.err == f"Next: ens-train --data '{root}'\n"
    content = json.loads(ens_data("check", root, "--json", "--quiet").out)
    assert content["schema"] == 1
    assert content["ok"] is True
    assert content["splits"]["val"] == {"images": 6, "labelled": True, "fewest": 3, "most": 3}
    assert content["classes"][1] == {"id": "dog", "name": "dog"}
    assert content["modes"] == {"RGB": 12}


def test_check_of_a_broken_image(tmp_path, tree):
    root = tree(tmp_path / "pets")
    (root / "val/cat/cat_0.png").write_bytes(b"")
    done = ens_data("check", root)
    assert done.status == 2
    assert f"Problem: {root}/val/cat/cat_0.png: expected an image, found 0 bytes" in done.out
    assert done.err == f"Warning: {root} cannot be used as it is.\n"
    done = ens_data("check", root, "--json")
    assert done.status == 2
    assert len(json.loads(done.out)["unreadable"]) == 1


def test_bad_input_is_one_sentence(tmp_path):
    done = ens_data("check", tmp_path / "nowhere", "--json")
    assert done.status == 2
    assert json.loads(done.out)["error"].startswith(f"{tmp_path}/nowhere: is neither")
    assert "Traceback" not in done.err
    done = ens_data("chek")
    assert done.status == 2
    assert "'check'" in done.err
    assert ens_data().status == 2


def test_pack(tmp_path, tree, picture):
    root = tree(tmp_path / "pets")
    picture(root / "train/cat/wide.png", (30, 10))
    done = ens_data("pack", root)
    assert done.status == 0, done.err
    assert "1 of 13 images, of 2 sizes, was resized and cut to 8 x 8" in done.out
    done = ens_data("pack", "pets", "--size", 16, "--out", "pets-16", cwd=tmp_path)
    assert done.status == 0, done.err
    assert "7 train, 6 val images of 16 x 16 x 3, 2 classes" in done.out
    assert "Next: ens-train --data" in done.err
    assert "pets-16" in done.err
    content = json.loads(ens_data("pack", root, "--size", 16, "--json").out)
    assert content["splits"] == {"train": 7, "val": 6}
    assert content["shape"] == [16, 16, 3]
    assert len(content["fingerprint"]) == 64
    assert json.loads(ens_data("check", tmp_path / "pets-16", "--json").out)["layout"] == "pack"


def test_config_of_a_subcommand(tmp_path, tree):
    root = tree(tmp_path / "pets")
    config = tmp_path / "kofn.toml"
    tables = "[train]\nvariants = 3\n[data]\njson = true\n[data.pack]\nsize = 24\n"
    config.write_text(f"{tables}out = {str(tmp_path / 'p')!r}\n")
    content = json.loads(ens_data("pack", root, "--config", config).out)
    assert content["shape"] == [24, 24, 3]
    assert content["pack"] == str(tmp_path / "p")
    config.write_text("[data.pack]\nsizes = 24\n")
    done = ens_data("pack", root, "--config", config)
    assert done.status == 2
    assert "data.pack.sizes is not an option" in done.err


def test_fetch_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    done = ens_data("fetch", "tiny-imagenet", "--out", tmp_path)
    assert done.status == 1
    assert done.err.startswith("Error: http://cs231n.stanford.edu/tiny-imagenet-200.zip: cannot be fetched")
    assert done.err.count("\n") == 1
    assert ens_data("fetch", "imagenet").status == 2
