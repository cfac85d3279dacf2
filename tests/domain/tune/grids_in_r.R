# Writes grids_in_r.json: the order of R's grids and the arithmetic of their sequences, for test_grids_against_r.py.
# Run with R 4.2.2 and tidyr 1.3.0 (Debian 12: apt-get install r-base-core r-cran-tidyr r-cran-jsonlite):
#   Rscript grids_in_r.R grids_in_r.json
# dials is no Debian package: `sequence` is what its documentation says of value_seq(), in base R.
suppressPackageStartupMessages({ library(tidyr); library(jsonlite) })
sequence <- function(low, high, n, whole, inverse) {
  points <- inverse(seq(low, high, length.out = n))
  if (whole) unique(floor(points)) else points
}
inverses <- list(identity = identity, log10 = function(x) 10^x, log2 = function(x) 2^x, log = exp)
sequences <- list()
for (scale in names(inverses)) for (n in c(1, 2, 3, 5, 7, 12)) for (whole in c(TRUE, FALSE)) {
  ends <- if (scale == "identity") list(c(1, 10), c(10, 1000), c(-3, 4.5), c(1, 4)) else list(c(-5, -1), c(0, 2), c(1, 3.5))
  for (range in ends) {
    values <- sequence(range[1], range[2], n, whole, inverses[[scale]])
    sequences <- c(sequences, list(list(
      low = range[1], high = range[2], scale = scale, n = n, whole = whole, values = I(values)
    )))
  }
}
grid <- function(data) lapply(seq_len(nrow(data)), function(i) as.list(data[i, ]))
expanded <- expand_grid(
  hidden_units = c(5, 10, 20, 30, 50, 100), penalty = c(1e-5, 1e-4, 1e-2, 1e-1), activation = c("relu", "elu")
)
regular <- expand.grid(
  hidden_units = sequence(1, 10, 3, TRUE, identity), penalty = sequence(-10, 0, 2, FALSE, inverses$log10),
  epochs = sequence(10, 1000, 4, TRUE, identity)
)
write_json(
  list(sequences = sequences, expand_grid = grid(expanded), regular = grid(regular)),
  commandArgs(TRUE)[1], auto_unbox = TRUE, digits = NA
)
