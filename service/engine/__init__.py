"""How a fit is done: tables, recipes, training, metrics, artifacts, predictions. No web, no database."""
