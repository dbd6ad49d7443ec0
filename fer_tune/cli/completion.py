"""`fer-tune completion`: prints a completion script for a shell."""

import argparse
from dataclasses import dataclass

HELP = "Print a script that lets your shell complete fer-tune's commands and options."
EPILOG = """examples:
  fer-tune completion bash > ~/.local/share/bash-completion/completions/fer-tune
  fer-tune completion zsh > ~/.zfunc/_fer-tune          (~/.zfunc on your fpath)
  fer-tune completion fish > ~/.config/fish/completions/fer-tune.fish"""
SHELLS = ("bash", "zsh", "fish")


@dataclass(frozen=True)
class CompletionOptions:
    """The options of `fer-tune completion`."""

    shell: str


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add this command's options."""
    parser.add_argument("shell", choices=SHELLS, help="the shell to complete in")


def read_options(namespace: argparse.Namespace, command: tuple[str, ...]) -> CompletionOptions:
    """The options as given."""
    return CompletionOptions(namespace.shell)


def run(options: CompletionOptions) -> int:
    """Run the command; return the exit code 0."""
    import shtab

    from fer_tune.cli.main import parser

    print(_with_own_head(shtab.complete(parser(), shell=options.shell), options.shell))
    return 0


def _with_own_head(script: str, shell: str) -> str:
    """A completion script without shtab's comments at its head, which name another place to save it."""
    first, *rest = script.splitlines()
    while rest[0].startswith("#") or not rest[0]:
        rest.pop(0)
    kept = [first] if first.startswith("#compdef") else []  # zsh reads this line
    head = f"# Made with shtab by `fer-tune completion {shell}`. `fer-tune completion --help` says where to save it."
    return "\n".join([*kept, head, "", *rest])
