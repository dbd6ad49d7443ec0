"""One training run in plain PyTorch: `Trainer(data, model, training, seed).run_epoch()`.

- `spec`: TrainingSpec, a run's settings (imports no torch)
- `methods`: the systems compared; `build_trainer` builds the one that a TrainingSpec names
- `trainer`: adversarial (joint) training: one epoch, one step, the updates, the whole state
- `coteaching`: Co-teaching, two networks that pick each other's samples
- `averaging`: the moving average of the encoder's weights, which is evaluated
- `batches`: which images and labels each iteration sees: order, class balance, augmentation
- `pairs`: the real and generated pairs that the discriminator tells apart
- `losses`: the losses of joint training and of the other methods
- `evaluation`: predictions and the discriminator's accuracy on held-out images
- `scores`: accuracy, F1, recall, CCC and RMSE of predictions
- `diagnostics`: readings that need no clean label: prediction changes, susceptibility, DMI, peer accuracy
- `devices`: CPU or GPU, fp32 or bf16
- `noise_estimate`: estimates how many labels of a data set are wrong
- `reference`: the step as the paper writes it, which benchmarks and tests compare with
"""
