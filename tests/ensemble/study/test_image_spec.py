"""The notation of augmentation and of normalisation: what it says, and what it refuses."""

from pathlib import Path

import pytest

from ensemble.errors import BadInput
from ensemble.study import image_spec as normalisation
from ensemble.study.image_spec import NAMED, OPERATIONS, Op, check_size, parse_augment


def test_sets_and_values() -> None:
    assert parse_augment("") == parse_augment("  ") == ((),)
    assert parse_augment("mirror") == ((Op("mirror", (0.5,)),),)
    assert parse_augment("flip:0.25 edge rotate:10") == ((Op("flip", (0.25,)), Op("edge"), Op("rotate", (10,))),)
    assert parse_augment("mirror+crop:4 resized-crop") == (
        (Op("mirror", (0.5,)),),
        (Op("crop", (4,)), Op("resized-crop", (0.08, 1.0))),
    )


def test_the_papers_sets() -> None:
    assert parse_augment("set1") == ((Op("mirror", (0.5,)), Op("centre-crop", (56,))),)
    assert parse_augment("set1 + set2") == parse_augment(NAMED["set1"]) + parse_augment(NAMED["set2"])
    assert parse_augment("set1 erase") == ((*parse_augment("set1")[0], Op("erase", (0.25,))),)
    assert all(len(parse_augment(text)) == 1 for text in NAMED.values())
    assert not set(NAMED) & set(OPERATIONS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("miror", "'miror' is not an operation or a set; nearest: mirror"),
        ("mirror + ", "a set beside '+' is empty"),
        ("mirror mirror", "mirror stands twice in one set"),
        ("set1 mirror", "mirror stands twice in one set"),
        ("rotate", "'rotate' must be written rotate:DEG (by -DEG to DEG degrees), with 1 value(s), found 0."),
        ("rotate:ten", "with numbers"),
        ("rotate:nan", "DEG a number from 0 to 180, found nan"),
        ("edge:1", "'edge:1' must be written edge (what rotate"),
        ("blur:5,2,0.1", "LO at most HI, found 2 and 0.1"),
        ("blur:4,1,2", "K odd, found 4"),
        ("crop:1.5", "PAD a whole number from 1 to 1000, found 1.5"),
        ("mirror:2", "P a number from 0 to 1, found 2"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_augment(text)
    assert says in str(caught.value)
    assert f"augment {text!r}" in str(caught.value)


def test_images_too_small() -> None:
    check_size(parse_augment("centre-crop:56"), 56, 64)
    check_size(parse_augment("blur:5,1,1"), 3, 3)  # reflecting two pixels needs three
    with pytest.raises(BadInput, match="centre-crop:56: images of 64x55 are too small, each side must be 56 pixels"):
        check_size(parse_augment("mirror + centre-crop:56"), 64, 55)
    with pytest.raises(BadInput, match="blur:5: images of 2x9 are too small, each side must be 3 pixels"):
        check_size(parse_augment("blur:5,1,1"), 2, 9)


def test_normalisations() -> None:
    assert normalisation.parse_normalise("mean-image") is None
    assert normalisation.parse_normalise("channel") is None
    assert normalisation.parse_normalise("0.5/0.25") == normalisation.Normalisation((0.5,), (0.25,))
    stated = normalisation.parse_normalise("0.485,0.456,0.406/0.229,0.224,0.225")
    assert stated == normalisation.FIXED["imagenet"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("imagnet", "is not known; known: imagenet"),
        ("0.5/a", "expected numbers"),
        ("0.5,0.5/0.2", "as many means as standard deviations"),
        ("0.5/0", "the latter above 0"),
        ("inf/1", "finite"),
    ],
)
def test_odd_normalisations(text: str, says: str) -> None:
    with pytest.raises(BadInput, match="normalise") as caught:
        normalisation.parse_normalise(text)
    assert says in str(caught.value)


def test_the_page_tells_of_each() -> None:
    page = (Path(__file__).parents[3] / "docs" / "augmentation.md").read_text(encoding="utf-8")
    for name, kind in OPERATIONS.items():
        form = name + (":" + ",".join(kind.values) if kind.values else "")
        assert f"`{form}`" in page
    for name, text in NAMED.items():
        assert f"| `{name}` | `{text}` |" in page
    for name in (*normalisation.MEASURED, *normalisation.FIXED):
        assert f"| `{name}` |" in page
