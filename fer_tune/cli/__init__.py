"""The command line: `fer-tune` and its sub-commands. It knows every room and imports no torch.

- `main`: the parser, the sub-commands, errors and exit codes
- `exits`: the exit codes
- `run`, `report`, `recommend`, `compare`, `data`, `predict`, `annotate`, `studies`, `bench`, `completion`: one
  sub-command each: its help, its options, and `run`; they import what they need when they run
- `study_run`: `fer-tune run` from the study file to the report
- `preflight`: what is checked before a study starts: the results folder, disk space, precision
- `description`: tells a user what a study runs and costs
- `progress`: a live table on a terminal, plain lines elsewhere
- `reporter`: the process that writes the report while Ray shuts down
- `datasets`: loads, checks and shows the data set that a user names
- `near_duplicates`, `face_boxes`: what `fer-tune data` does on request
- `advice`: what `fer-tune recommend` says
"""
