"""What is remembered: datasets, jobs, histories, events, models and workers, in one database."""
