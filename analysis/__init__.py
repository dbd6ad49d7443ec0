"""Scripts that read a results folder; each answers one question: `python -m analysis.convergence results/NAME`.

Every script is a door to the module of the same name in `fer_tune.analysis`, where the work is done. An installed
wheel has no doors; there `python -m fer_tune.analysis.convergence results/NAME` does the same.

- `report`: the whole report; `recommendation`: which λ, and how certain; `compare`: two studies side by side
- `rules`: what each rule would have chosen; `conditions`: the best λ against the noise; `budget`: against epochs
- `convergence`: whether converged losses predict accuracy; `curves`: accuracy and losses by epoch and by λ
- `methods`: every method side by side; `examples`: confusion matrices and faces; `labels`: the noisy labels
"""
