"""The results folder: the only interface between running a study and analysing it. Format version 1.

The modules of this room, which knows neither the study file nor torch:

- `records`: typed records of a trial: what it is, how it ended
- `folder`: one trial's folder, and all of a study's
- `files`: every file written whole or not at all, every file read with its faults named
- `tables`, `tensorboard`: derived from the trial folders
- `environment`: software and machine of a run
- `lock`: one run at a time
- `repair`: sets damaged files aside so that everything else goes on
- `storage`: a results folder mirrored to object storage

What lies in a folder:

    results/NAME/
      study.json            the resolved study (a trial's configuration is computed from it)
      environment.json      format version, package versions, machine, git commit, data digests of the first run
      run.json              for each run of the study: environment, wall seconds, seconds in epochs and between
                            the first trial's start and the last one's end, starts of trials and slices, most trials
                            at once, peak memory, whether the study was complete, budget_spent (whether
                            it ended because the time, epochs or trials that it was given were used up)
      data/DIGEST/          images.npy (uint8, memory-mapped by trials), labels.npz, dataset.json
      data/digests.json     the digest of each data set of the study
      weights.json          the digest of each weight file that encoders start from, if any
      .lock                 held by the run that works on the folder, with its process and host
      extensions.json       to how many epochs the leaders of a race were trained on, if they were
      prior.json            what an earlier study says of the spread between seeds, where a race starts from it
      warm_start.json       the configurations and values of an earlier study, where this one starts from it
      trials/KEY/           one trial; KEY is CELL,nNUMBER,sSEED[,baseline] or CONDITION,warm_up=DIGEST,sSEED
        trial.json          its role (trial, baseline, reference, warm_up), cell, condition, suggestion, seed,
                            configuration
        state.pt            everything needed to continue it, its history included (weights-only loading)
        history.csv         one row per epoch, derived from state.pt
        predictions.csv     once finished, the test split: true label and prediction of each label set
        predictions_validation.csv  once finished, the validation split: for the first categorical set the predicted
                            class, and the class given (the label that scores trials; -1 for none)
        labels.json         once finished: a digest of the noisy labels trained on; for the first categorical set the
                            classes, and counts of training labels given (columns) by known class (rows)
        result.json         once it has ended: status, objective, epochs, seconds, reason
      trials.csv            one row per trial, derived from the folders above; a few seconds old while a study runs
      epochs.csv            one row per epoch of a trial, derived from the folders above
      tensorboard/          event files, one folder per trial
      optuna.sqlite3        every search as an Optuna study (opens in optuna-dashboard)
      report/               index.html, report.md, figures
      prior.json            what earlier studies say of the spread between seeds: spread (standard deviation of a score
                            about its λ and seed), degrees_of_freedom, source; only where a study decides
      recommendation.json   what the report answers, for programs
      ray/                  Ray's own files; not needed to resume

Every file is written to a temporary name, synced and renamed, so it is complete or absent. A trial's folder holds
everything about that trial. Missing values are empty in CSV and null in JSON.
A warm-up is the first epochs, without the joint loss, which trials that differ only in lambda share. They continue from
its state. The seconds of its epochs are counted in the warm-up alone.

A trial's role is trial, baseline (λ = 0 of a gain), reference (a comparison method on the same seeds, which takes no
part in tables of λ) or warm_up. recommendation.json has a format version of its own, 2: for each condition `lambda`,
`verdict` and `answer` (the content of `fer_tune.analysis.race.Answer`; null where λ was searched). Its version 1 had no
answer.

`status` is finished, stopped (by a scheduler), diverged (a loss was not finite, or scores were saturated) or failed.
"""
