"""Recipes: published results as TOML files, repeated from raw files by the commands that a user would type."""

from astrokeras.repeat_recipe.recipe_file import Recipe, read_recipe, recipe_names
from astrokeras.repeat_recipe.repeat import outcome, repeat
from astrokeras.repeat_recipe.side_by_side import SideBySide

__all__ = ["Recipe", "SideBySide", "outcome", "read_recipe", "recipe_names", "repeat"]
