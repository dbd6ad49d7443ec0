"""Trains the joint game with an encoder of your own: any module that maps images (N, 3, S, S) to features (N, D)."""

from torch import nn

from fer_tune import ModelSpec, Trainer, TrainingSpec, load_data


class SmallNetwork(nn.Sequential):
    """Three convolutions and a mean over positions: 64 features."""

    def __init__(self) -> None:
        sizes = [(3, 16), (16, 32), (32, 64)]
        layers = [nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU()) for a, b in sizes]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


data = load_data({"kind": "synthetic", "train": 280, "validation": 70, "test": 70}, {"ratio": 0.4})
training = TrainingSpec(lam=0.3, lr=1e-3, epochs=2, batch_size=32)
trainer = Trainer(data, ModelSpec(width=0.125), training, backbone=SmallNetwork)
while not trainer.done:
    metrics = trainer.run_epoch()
    print(f"epoch {trainer.epoch}: L_G {metrics['generator_joint_loss']:.2f}, accuracy {metrics['val_accuracy']:.2f}")
