# Writes rsample_1_1_1.json: what real R makes of small tables, for test_against_rsample.py.
# Run with R 4.2.2 and rsample 1.1.1 (Debian 12: apt-get install r-base-core r-cran-rsample r-cran-jsonlite):
#   Rscript rsample_1_1_1.R rsample_1_1_1.json
suppressPackageStartupMessages({ library(rsample); library(jsonlite) })
table_of <- function(n) data.frame(x = seq_len(n))
sizes <- function(set) {
  list(
    id = set$id, id2 = if (is.null(set$id2)) rep(NA_character_, nrow(set)) else set$id2,
    analysis = sapply(set$splits, function(s) length(as.integer(s, data = "analysis"))),
    assessment = sapply(set$splits, function(s) length(as.integer(s, data = "assessment")))
  )
}
case <- function(spec, n, set) c(list(spec = spec, n_rows = n), sizes(set))
set.seed(1)
cases <- list()
for (n in c(11, 23, 101)) {
  for (v in c(2, 5, 10)) {
    for (repeats in c(1, 2)) {
      spec <- list(kind = "vfold", v = v, repeats = repeats, seed = 1)
      cases <- c(cases, list(case(spec, n, vfold_cv(table_of(n), v = v, repeats = repeats))))
    }
  }
  for (prop in c(.5, .75, 5 / 6, .29)) {
    spec <- list(kind = "validation_split", prop = prop, seed = 1)
    cases <- c(cases, list(case(spec, n, validation_split(table_of(n), prop = prop))))
    spec <- list(kind = "mc", prop = prop, times = 11, seed = 1)
    cases <- c(cases, list(case(spec, n, mc_cv(table_of(n), prop = prop, times = 11))))
  }
}
rolling <- list()
for (n in c(8, 20, 31)) for (initial in c(3, 5)) for (assess in c(1, 3)) for (skip in c(0, 2, 6)) for (cumulative in c(TRUE, FALSE)) {
  set <- rolling_origin(table_of(n), initial = initial, assess = assess, skip = skip, cumulative = cumulative)
  rolling <- c(rolling, list(list(
    spec = list(kind = "rolling_origin", initial = initial, assess = assess, skip = skip, cumulative = cumulative),
    n_rows = n, id = set$id,
    analysis = lapply(set$splits, function(s) I(as.integer(s, data = "analysis"))),
    assessment = lapply(set$splits, function(s) I(as.integer(s, data = "assessment")))
  )))
}
groups <- rep(c("a", "b", "c", "d", "e", "f", "g"), times = c(3, 1, 4, 1, 5, 9, 2))
grouped <- lapply(c(2, 3, 7), function(v) {
  set <- group_vfold_cv(data.frame(g = groups), group = "g", v = v)
  list(
    v = v, id = set$id,
    groups = sort(sapply(set$splits, function(s) length(unique(assessment(s)$g))), decreasing = TRUE)
  )
})
boot <- bootstraps(table_of(40), times = 10)
numbers <- list(
  round(rnorm(90, 10, 3), 1), c(rep(0, 60), 1:60), as.numeric(1:101), round(rexp(133), 2), rep(as.numeric(1:7), 15)
)
strata <- lapply(numbers, function(x) {
  # Without pooling, which ours has not, and with 20 rows a quarter, which rsample wants.
  list(values = x, stratum = as.integer(make_strata(x, breaks = 4, pool = 0)))
})
write_json(
  list(sizes = cases, rolling = rolling, groups = groups, grouped = grouped,
       bootstraps = sizes(boot), strata = strata),
  commandArgs(TRUE)[1], auto_unbox = TRUE, digits = NA, na = "null"
)
