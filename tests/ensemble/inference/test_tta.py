"""Test-time views, by hand and against torchvision."""

import pytest
import torch
from torchvision.transforms import functional as V

from ensemble.errors import BadInput
from ensemble.inference.tta import PLAIN, VIEWS, Crop, mirrored, turned, upside_down, views_named

IMAGE = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).reshape(1, 2, 2, 1)


def test_flips_by_hand() -> None:
    assert mirrored(IMAGE).flatten().tolist() == [2, 1, 4, 3]
    assert upside_down(IMAGE).flatten().tolist() == [3, 4, 1, 2]
    assert turned(IMAGE).flatten().tolist() == [4, 3, 2, 1]
    assert PLAIN.each[0](IMAGE) is IMAGE


def test_a_crop_is_what_torchvision_cuts_out_and_enlarges() -> None:
    images = torch.randint(0, 256, (3, 16, 24, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    planes = images.permute(0, 3, 1, 2).float()
    for crop, (top, left) in {Crop(0, 0): (0, 0), Crop(0, 1): (0, 3), Crop(1, 0): (2, 0), Crop(1, 1): (2, 3)}.items():
        wanted = V.resized_crop(planes, top, left, 14, 21, [16, 24], antialias=False)
        torch.testing.assert_close(crop(images), wanted)
    middle = V.resized_crop(V.hflip(planes), 1, 1, 14, 21, [16, 24], antialias=False)  # 1.5 is rounded to even: 2 of 3
    torch.testing.assert_close(Crop(0.5, 0.5, mirror=True)(images), middle)


def test_the_names_say_how_many_views_there_are() -> None:
    assert {name: len(views.each) for name, views in VIEWS.items()} == {
        "none": 1, "mirror": 2, "flips": 4, "crops5": 5, "crops10": 10,
    }  # fmt: skip
    assert all(views.name == name for name, views in VIEWS.items())
    images = torch.randint(0, 256, (1, 16, 16, 3), dtype=torch.uint8)
    for views in VIEWS.values():
        looks = [view(images).float().flatten().tolist() for view in views.each]
        assert len({tuple(sorted(enumerate(look))) for look in looks}) == len(looks), "two views are the same"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BadInput, match=r"tta='miror': is not known; known: mirror, "):
        views_named("miror")
