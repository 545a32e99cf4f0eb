"""Every public name of `ensemble` and `analysis`."""

from analysis import *
from ensemble import *
