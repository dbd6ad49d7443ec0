"""What is said of a file of arrays or tensors that is refused. Neither numpy nor torch is needed for it."""

import re

UNKNOWN_NAME = re.compile(r"(?:GLOBAL|class|function)\s+([A-Za-z_]\w*(?:\.\w+)+)")


def why_not_loaded(error: Exception) -> str:
    """Why `torch.load(..., weights_only=True)` failed, in our own words: torch's advise to run the file's code.

    >>> why_not_loaded(ValueError("Unsupported global: GLOBAL os.system was not an allowed global by default."))
    'it refers to os.system, which is neither an array nor a tensor; no code in a file is ever run'
    """
    text = str(error)
    if "TorchScript" in text:
        return "it is a TorchScript archive, and what is needed is a file that torch.save wrote"
    found = UNKNOWN_NAME.search(text)
    if found:
        return f"it refers to {found[1]}, which is neither an array nor a tensor; no code in a file is ever run"
    return "it is empty, cut or damaged, or torch.save did not write it"
