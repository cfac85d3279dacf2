"""Preprocessing as R's recipes does it: learned on training rows, applied by column name."""

from service.engine.recipe.bake import bake
from service.engine.recipe.fitted import FittedRecipe
from service.engine.recipe.fold import Affine, affine
from service.engine.recipe.memory import Category, MemoryColumns
from service.engine.recipe.prep import learn, prep, training_rows
from service.engine.recipe.preview import Preview, prepared, preview
from service.engine.recipe.source import ColumnSource, Rows
from service.engine.recipe.step import RecipeWarning, Removal

__all__ = [
    "Affine",
    "Category",
    "ColumnSource",
    "FittedRecipe",
    "MemoryColumns",
    "Preview",
    "RecipeWarning",
    "Removal",
    "Rows",
    "affine",
    "bake",
    "learn",
    "prep",
    "prepared",
    "preview",
    "training_rows",
]
