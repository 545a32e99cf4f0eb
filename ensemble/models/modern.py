"""Past the papers: networks made for 64 pixels, not 224."""

from torch import nn

from ensemble.models import Model, NetworkSpec, from_torchvision
from ensemble.models.network import Network, check, features_of


def build(model: Model, spec: NetworkSpec) -> Network:
    """Build torchvision's ResNet18 with a stem of 3x3 and stride 1 and no max pool: its last grid is 8x8, not 2x2."""
    check(model, spec, "dropout")
    base = from_torchvision.base("resnet18", spec.image_shape)
    stem = nn.Conv2d(spec.image_shape[2], 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    base.conv1, base.maxpool = stem, nn.Identity()
    features = features_of(model, spec, base)
    return Network(base, nn.Sequential(nn.Dropout(spec.dropout), nn.Linear(features, spec.classes)))
