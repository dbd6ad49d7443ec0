"""Where a run computes and in which precision."""

import torch


def usual_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has bf16 arithmetic. A CPU without it emulates bf16 about 50 times slower than fp32."""
    if device.type != "cpu":
        return True
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """A context that computes in bf16 where `precision` is "bf16", and changes nothing otherwise."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
