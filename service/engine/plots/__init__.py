"""Pictures as bytes: bar chart, histogram, learning curve, and one row as a grey image."""
