"""What a study needs of the operating system; imports no other room.

- `forks`: run tasks in forked processes
- `memory`: measure and tune memory
- `randomness`: one seed, many independent random streams
- `safe_loading`: what is said of a file of tensors that is refused
- `signals`: handle Ctrl-C, SIGTERM and a closed terminal
"""
