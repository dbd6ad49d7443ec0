"""Moved soon."""
from fer_tune.search.runner import export_optuna as export_optuna
