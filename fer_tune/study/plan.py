"""Plan."""
from fer_tune.study.schema import Cell as Cell
