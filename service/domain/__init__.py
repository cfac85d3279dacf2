"""What there is to do: specs, datasets, jobs, histories, models and errors, as frozen values."""
