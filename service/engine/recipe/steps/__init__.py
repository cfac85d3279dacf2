"""One file a family of steps. Each names its kinds in `KINDS`; the registry reads them all."""
