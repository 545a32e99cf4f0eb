"""Past the papers: networks made for 64 pixels, not 224."""

from torch import nn

from ensemble.zoo import Model, Wanted, from_torchvision
from ensemble.zoo.network import Network
from ensemble.zoo.refusal import check, features_of


def build(model: Model, wanted: Wanted) -> Network:
    """Build torchvision's ResNet18 with a stem of 3x3 and stride 1 and no max pool: its last grid is 8x8, not 2x2."""
    check(model, wanted, "dropout")
    base = from_torchvision.base("resnet18", wanted.image_shape)
    stem = nn.Conv2d(wanted.image_shape[2], 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    base.conv1, base.maxpool = stem, nn.Identity()
    features = features_of(model, wanted, base)
    return Network(base, nn.Sequential(nn.Dropout(wanted.dropout), nn.Linear(features, wanted.classes)))
