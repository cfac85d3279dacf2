"""The directory that a fit leaves: written once, named by its content, verified when read."""

from service.engine.artifact.contents import Artifact
from service.engine.artifact.publishing import publish
from service.engine.artifact.reading import read, read_part
from service.engine.artifact.writing import write

__all__ = ["Artifact", "publish", "read", "read_part", "write"]
