"""Every network's count to the unit, beside the papers' own numbers, and the list of models that shows them."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cli.common import Output
from cli.train_text import show_models
from ensemble.models import MODELS, NetworkSpec, build_network, measure
from ensemble.models.bastidas import figure_5, figure_6
from ensemble.models.keras import ACTIVATIONS, convolution_biases
from ensemble.models.measure import Size, describe, size_of

# Trainable parameters, batch norm's statistics, MMAC of one image; at 200 classes and the paper's input.
COUNTS = {
    "basutkar-1": (31_696_968, 0, 35),
    "basutkar-2": (13_070_472, 0, 32),
    "basutkar-3": (15_132_424, 13_568, 515),
    "basutkar-4": (18_403_848, 384, 477),
    "basutkar-5": (25_837_768 - 26_560, 53_120, 336),
    "basutkar-6": (44_856_008 - 52_672, 105_344, 639),
    "mkrtchyan-baseline": (584_120, 0, 9),
    "mkrtchyan-m4": (2_343_080, 0, 202),
    "mkrtchyan-alexnet": (61_301_040, 0, 98),
    "mkrtchyan-resnet18": (11_279_112, 9_600, 148),
    "mkrtchyan-resnet34": (21_387_272, 17_024, 299),
    "mkrtchyan-resnet34-preact": (21_385_480, 15_232, 299),
    "mkrtchyan-densenet161": (26_913_800, 219_936, 631),
    "bastidas-vgg": (1_693_288, 704, 24),
    "bastidas-inception": (763_928, 6_368, 56),
    "bastidas-inception-w1": (2_765_688, 12_320, 178),
    # The base's total, and GAP's 512 or 2048 features to 200 classes.
    "de-vgg16": (14_714_688 + 512 * 200 + 200, 0, 6616),
    "de-resnet50": (23_587_712 - 53_120 - 26_560 + 2048 * 200 + 200, 53_120, 1989),
    "de-xception": (20_806_952 + 2048 * 200 + 200, 54_528, 1925),
    # A bias a class; 64 * 64 * 3 pixels to 200 classes; 3x3 to 32, 3x3 to 64, 16 * 16 * 64 features to 128, to 200.
    "de-guess": (200, 0, 2),
    "de-linear": (64 * 64 * 3 * 200 + 200, 0, 2),
    "de-cnn": (896 + 18_496 + 16 * 16 * 64 * 128 + 128 + 128 * 200 + 200, 0, 25),
    # ResNet18 with 3 * 3 for 7 * 7 weights a filter of the stem.
    "resnet18-64": (11_279_112 - 64 * 3 * (49 - 9), 9_600, 2222),
    # Kernels by stage, the two 1x1 of its shortcuts; two numbers a filter of each batch norm; 256 features to 200.
    "resnet-small": (
        9 * (3 * 32 + 2 * 32 * 32)
        + 9 * (32 * 128 + 3 * 128 * 128)
        + 32 * 128
        + 9 * (128 * 256 + 3 * 256 * 256)
        + 128 * 256
        + 2 * (3 * 32 + 5 * 128 + 5 * 256)
        + 256 * 200
        + 200,
        2 * (3 * 32 + 5 * 128 + 5 * 256),
        278,
    ),
}

# What Basutkar's paper prints, in Keras' form.
PRINTED = {1: 31_696_968, 2: 13_070_472, 3: 15_145_992, 4: 18_404_232, 5: 25_890_888, 6: 44_961_352}

# Figs. 1 to 4: the column "Param #" without its zeros. Fig. 1 prints 31490048 for its first dense layer, its 1,024
# biases left out; the paper's total has them.
FIGURES = {
    1: [896, 31490048 + 1024, 205000],
    2: [896, 18496, 12846080, 205000],
    3: [1792, 256, 36928, 256, 73856, 512, 147584, 512, 147584, 512, 147584, 512, 147584, 512, 147584, 512,
        295168, 1024, 1180160, 2048, 8392704, 16384, 4195328, 4096, 205000],
    4: [1792, 36928, 256, 73856, 512, 295168, 590080, 16778240, 524800, 102600],
}  # fmt: skip


@cache
def size(name: str) -> Size:
    return size_of(MODELS[name])


def on_meta(name: str, **settings: Any) -> Any:
    side = MODELS[name].input
    with torch.device("meta"):
        return build_network(name, NetworkSpec((side, side, 3), 200, **settings))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_to_the_unit(name: str) -> None:
    parameters, statistics, mmac = COUNTS[name]
    assert (size(name).parameters, size(name).statistics) == (parameters, statistics)
    assert round(size(name).gflops * 500) == mmac


def test_no_row_of_the_papers_is_missing() -> None:
    papers = {paper: [m.name for m in MODELS.values() if m.paper == paper and m.reported] for paper in
              ("Ting", "Basutkar", "Mkrtchyan", "Bastidas", "De")}  # fmt: skip
    assert {paper: len(names) for paper, names in papers.items()} == {
        "Ting": 4, "Basutkar": 6, "Mkrtchyan": 7, "Bastidas": 2, "De": 3,
    }  # fmt: skip


@pytest.mark.parametrize("number", PRINTED)
def test_basutkars_printed_totals_in_keras_form(number: int) -> None:
    model, found = MODELS[f"basutkar-{number}"], size(f"basutkar-{number}")
    assert found.keras_parameters + found.statistics == model.paper_parameters == PRINTED[number]
    assert (found.keras_parameters == found.parameters) == (number < 5)


@pytest.mark.parametrize("number", FIGURES)
def test_basutkars_summaries_layer_by_layer(number: int) -> None:
    rows = describe(on_meta(f"basutkar-{number}"), (64, 64, 3))["layers"]
    # Keras counts the statistics as parameters that are not trained.
    assert [n for row in rows if (n := row["parameters"] + row["statistics"])] == FIGURES[number]


def test_keras_resnet50_counted_from_a_network_with_its_biases() -> None:
    base = on_meta("basutkar-5").base
    without = sum(p.numel() for p in base.parameters())
    statistics = size("basutkar-5").statistics
    assert without + statistics == 23_561_152
    rule = convolution_biases(base)
    for layer in list(base.modules()):
        if isinstance(layer, nn.Conv2d):
            layer.bias = nn.Parameter(torch.empty(layer.out_channels, device="meta"))
    assert sum(p.numel() for p in base.parameters()) == without + rule
    assert without + rule + statistics == 23_587_712
    assert convolution_biases(base) == 0


@pytest.mark.parametrize(
    ("name", "trained", "statistics"),
    [("de-vgg16", 14_714_688, 0), ("de-resnet50", 23_587_712 - 53_120, 53_120), ("de-xception", 20_806_952, 54_528)],
)
def test_de_heads_on_bases_of_known_size(name: str, trained: int, statistics: int) -> None:
    features = 512 if name == "de-vgg16" else 2048
    heads = {
        "a": features * 200 + 200,
        "b": features * 512 + 512 + 512 * 256 + 256 + 256 * 200 + 200,
    }
    for head, count in heads.items():
        network = on_meta(name, head=head, dropout=0.4)
        biases = convolution_biases(network.base) if MODELS[name].keras_biases else 0
        assert sum(p.numel() for p in network.base.parameters()) + biases == trained
        assert sum(p.numel() for p in network.head.parameters()) == count
        assert sum(b.numel() for key, b in network.named_buffers() if "running_" in key) == statistics


def test_inception_modules_by_hand() -> None:
    """A convolution with batch norm: kernel * in * out + out + 2 * out. At w = 1 from 80 and from 288 channels."""

    def conv(area: int, inputs: int, filters: int) -> int:
        return area * inputs * filters + 3 * filters

    relu = ACTIVATIONS["relu"]
    five = figure_5(80, 32, 1.0, relu)
    assert five.channels == 64 + 64 + 96 + 32 == 256
    assert sum(p.numel() for p in five.parameters()) == (
        conv(1, 80, 64) + conv(1, 80, 48) + conv(9, 48, 64)
        + conv(1, 80, 64) + conv(9, 64, 96) + conv(9, 96, 96) + conv(1, 80, 32)
    )  # fmt: skip
    six = figure_6(288, 128, 1.0, relu)
    assert six.channels == 4 * 192
    assert sum(p.numel() for p in six.parameters()) == (
        conv(1, 288, 192) + conv(1, 288, 128) + conv(2, 128, 128) + conv(2, 128, 192)
        + conv(1, 288, 128) + 3 * conv(2, 128, 128) + conv(2, 128, 192) + conv(1, 288, 192)
    )  # fmt: skip
    half = figure_6(144, 160, 0.5, relu)
    assert half.channels == 384
    assert half(torch.zeros(2, 144, 4, 4)).shape == (2, 384, 4, 4)


def test_the_list_fits_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(measure, "size_of", lambda model: size(model.name))
    monkeypatch.setenv("COLUMNS", "80")
    assert show_models(Output(study=tmp_path, json=False, quiet=False)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(MODELS)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows["mkrtchyan-alexnet"] == ["Mkrtchyan", "61,301,040", "0.197", "64", "<", "20.0%", "val"]
    assert rows["de-xception"][3:] == ["150", "74.5%", "val", "*"]
    assert rows["resnet18-64"] == ["none", "11,271,432", "4.444", "64", "-"]
