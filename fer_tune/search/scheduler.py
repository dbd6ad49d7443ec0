"""Moved soon."""
from fer_tune.search.runner import ConditionScheduler as ConditionScheduler
