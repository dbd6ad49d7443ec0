"""What a study's results decide, and with what certainty: pure rules on tables and small records.

- `next_trial`: which trial of a running study starts next, and how far it runs
- `intervals`: means and differences with their 95 % intervals
- `response`: how a score depends on λ, and which λ is best
- `rising`: whether a curve still rises at the end of training
- `stationarity`: whether a loss has converged
- `rules`: rules that choose λ, or the epoch to stop at, and what each choice costs
- `transfer`: what rules lose in a domain that they were not set up on
- `recommendation`: the recommended λ of one condition, and its limitations
- `race`: which arms drop out of a paired race over seeds, when it stops, and what its pick can lose
- `prior`: what earlier studies say of the spread between seeds
- `interpolation`: the λ between two noise ratios

`search` calls them to act, `analysis` to explain. They read no file and know neither Ray nor torch.
"""
