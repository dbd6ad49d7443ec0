"""Reads a results folder and nothing else: tables, then statistics, then figures, then the report.

Reading:
- `study_record`: the study that was run, typed, its settings' short names resolved
- `reading`: the files of a results folder, each checked as it is read
- `tables`: a results folder as tables
- `trial_files`: a trial's predictions and labels
- `gaps`: what a report lacks, and why
- `labels`: which noisy labels the trials were trained on

Statistics:
- `statistics`: rank correlation, running means, trends over conditions
- `rules`: what rules choose from, and what their choices cost
- `gains`: what a λ gains over λ = 0 on the test labels
- `race`: which λ the race over seeds answers with, what trusting it can lose, how it compares
- `networks`: which trained network in hand is best
- `recommendation`: which λ, how certain, at what cost; `recommendation.json`
- `answer`: which λ at another noise ratio

One question each, with its figure:
- `curves`: accuracy and losses by epoch and by λ
- `budget`: which λ leads after how many epochs
- `conditions`: how the best λ depends on the noise ratio
- `convergence`: whether converged losses predict accuracy
- `methods`: every method side by side
- `domains`: which rules carry over to faces that look different
- `examples`: confusion matrices and test faces
- `leaks`: equal images in two splits
- `majority`: what the largest class alone scores, and which λs do no better

Presentation:
- `screen`: the words of the first screen, and the commands to paste
- `text`: names that other people gave, literal or legibly replaced
- `figures`: plot functions and the figures' style
- `page_figures`, `page`: what the report shows
- `report`: the report itself
- `compare`: two studies side by side
"""
