"""The study file: what to run. Never Ray, torch or results.

- `schema`: every setting with its type, limits and default; the only description of the study file
- `loading`: reads the YAML file and `--set` overrides
- `placement`: turns a validation error into one line with file, line number, key and what would be right
- `errors`: the exceptions, and words for one mistake
- `plan`: what a study runs, worked out once and passed down: cells, trials, data sets
- `cost`: what the plan costs in core-seconds and bytes
- `differences`: how two versions of a study differ, and whether finished trials stay valid
- `shipped`: the study files that come with fer-tune
"""
