"""The plan as one Ray Tune run: which trial runs where and when. Never analysis; never how a step is computed.

- `jobs`: the trials of a configuration, and what a worker is told about one
- `cell_search`: the search of one cell: Optuna asked and told in batches, resumed from the trial folders
- `searcher`: all cells as one Ray searcher, the trial that would end last first
- `scheduler`: early stopping within a condition
- `session`: the Ray that a study runs on
- `runner`: runs what is left of a study
- `callback`: follows a run: what it costs, what a person sees, why a trial failed
- `trainable`: Ray's adapter of one trial
- `trial`: one trial in its own folder; knows no Ray
- `preparation`: data sets, weights and environment of a study, before its first trial
- `warm_start`: configurations of an earlier study
- `exports`: the searches as an Optuna database
- `checkpoint`: a trained encoder, taken out of a trial folder
- `annotator`: labels a data set with a trained encoder
"""
