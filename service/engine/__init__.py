"""How a fit is done: tables, recipes, training, metrics, artifacts. No web, no database."""
