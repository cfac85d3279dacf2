"""Where work runs: in this process, or in children that die with it."""
