"""The command line: `fer-tune` and its sub-commands. It knows every room and imports no torch.

- `main`: the parser, the sub-commands, errors and exit codes
- `exits`: the exit codes
- `run`: `fer-tune run`: a study from its file to its report
- `preflight`: what is checked before a study starts: the results folder, disk space, precision
- `description`: what is said of a study beforehand
- `progress`: a live table on a terminal, plain lines elsewhere
- `reporter`: the process that writes the report while Ray shuts down
- `report`, `recommend`, `compare`: on finished results
- `data`, `annotate`, `predict`: data sets and trained networks
- `studies`, `bench`, `completion`: shipped study files, benchmarks, shell completion
"""
