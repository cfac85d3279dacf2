# Writes recipes_1_0_4.json: what real R makes of two small tables, for test_against_recipes.py.
# Run with R 4.2.2 and recipes 1.0.4 (Debian 12: apt-get install r-base-core r-cran-recipes r-cran-jsonlite):
#   Rscript recipes_1_0_4.R recipes_1_0_4.json
suppressPackageStartupMessages({ library(recipes); library(jsonlite) })
set.seed(4)
n <- 40
train <- data.frame(
  a = round(rnorm(n, 10, 3), 2), b = round(rexp(n, .2) + .05, 3), c = round(runif(n), 3),
  k = as.integer(rpois(n, 6)), f = factor(sample(c("red", "green", "dark blue"), n, TRUE, c(.5, .4, .1))),
  g = factor(sample(c("x", "y"), n, TRUE)),
  o = factor(sample(c("low", "mid", "high", "top"), n, TRUE), levels = c("low", "mid", "high", "top"), ordered = TRUE),
  w = as.Date("2023-12-20") + sample(0:900, n)
)
train$d <- round(2 * train$a - train$b + rnorm(n, 0, .3), 3)   # nearly a combination
train$e <- train$a + train$b                                   # exactly one
train$y <- round(rnorm(n), 2)
new <- data.frame(
  a = c(4.5, 9.99, 21, 12.34, 7), b = c(.05, 3, 40, .5, 6), c = c(.001, .999, .5, .25, .75), k = as.integer(c(0, 3, 6, 9, 20)),
  f = factor(c("red", "green", "dark blue", "red", "green"), levels = levels(train$f)), g = factor(c("x", "y", "x", "y", "x")),
  o = factor(c("low", "mid", "high", "top", "low"), levels = levels(train$o), ordered = TRUE),
  w = as.Date(c("2024-02-29", "2024-12-31", "2025-01-01", "1999-07-04", "2026-11-24"))
)
new$d <- 2 * new$a; new$e <- new$a + new$b; new$y <- 0
holes <- function(data, every) {
  for (i in seq_along(every)) { rows <- seq(i, nrow(data), by = every[[i]]); data[rows, names(every)[i]] <- NA }
  data
}
gaps <- c(a = 7, b = 9, k = 5, f = 11, o = 13)
train_na <- holes(train, gaps); new_na <- holes(new, c(a = 3, k = 4, f = 2))
# The training table with more gaps: R's gower takes its ranges from both tables, ours are the training table's.
near <- train_na
near$a[c(2, 4, 17)] <- NA; near$k[c(3, 9)] <- NA; near$f[c(5, 6, 30)] <- NA
strange <- new
strange$f <- factor(c("red", "purple", NA, "green", "dark blue"))
cases <- list(
  normalize = list(F, function(r) r |> step_normalize(a, b)),
  range = list(F, function(r) r |> step_range(a, b, min = -1, max = 2)),
  corr = list(F, function(r) r |> step_corr(a, b, c, d, e, threshold = .8)),
  corr_spearman = list(F, function(r) r |> step_corr(a, b, c, d, e, threshold = .7, method = "spearman")),
  corr_pairwise = list(T, function(r) r |> step_corr(a, b, c, d, e, k, threshold = .6)),
  lincomb = list(F, function(r) r |> step_lincomb(a, b, c, d, e)),
  filter_missing = list(T, function(r) r |> step_filter_missing(all_predictors(), threshold = .12)),
  naomit = list(T, function(r) r |> step_naomit(a, b, f) |> step_center(a, b)),
  box_cox = list(F, function(r) r |> step_BoxCox(a, b, c)),
  yeo_johnson = list(F, function(r) r |> step_YeoJohnson(a, b, c, d)),
  log = list(F, function(r) r |> step_log(a, base = 2) |> step_log(b, offset = 1) |> step_log(d, signed = TRUE) |> step_log(e, base = 10)),
  sqrt = list(F, function(r) r |> step_sqrt(a, b, k)),
  inverse = list(F, function(r) r |> step_inverse(a, b, offset = .5)),
  logit = list(F, function(r) r |> step_logit(c)),
  spatialsign = list(F, function(r) r |> step_spatialsign(a, b, c)),
  pca = list(F, function(r) r |> step_normalize(a, b, c, d) |> step_pca(a, b, c, d, num_comp = 3)),
  pca_threshold = list(F, function(r) r |> step_pca(a, b, c, d, threshold = .99, prefix = "comp_", keep_original_cols = TRUE)),
  dummy = list(F, function(r) r |> step_dummy(f, o, g)),
  dummy_one_hot = list(F, function(r) r |> step_dummy(f, g, one_hot = TRUE, keep_original_cols = TRUE)),
  dummy_ordered_one_hot = list(F, function(r) r |> step_dummy(o, one_hot = TRUE)),
  dummy_missing = list(T, function(r) r |> step_dummy(f, o)),
  novel_unknown = list(T, function(r) r |> step_novel(f, g) |> step_unknown(f) |> step_dummy(f, g)),
  other = list(F, function(r) r |> step_other(f, threshold = .2) |> step_dummy(f)),
  other_count = list(T, function(r) r |> step_other(f, g, threshold = 17, other = "rest")),
  impute_mean = list(T, function(r) r |> step_impute_mean(a, b, k)),
  impute_mean_trim = list(T, function(r) r |> step_impute_mean(a, b, k, trim = .1)),
  impute_median = list(T, function(r) r |> step_impute_median(a, b, k)),
  impute_mode = list(T, function(r) r |> step_impute_mode(f)),
  impute_linear = list(T, function(r) r |> step_impute_linear(a, k, impute_with = imp_vars(c, d, g))),
  impute_knn = list(T, function(r) r |> step_impute_knn(a, k, neighbors = 3, impute_with = imp_vars(a, b, c, g, o, k)), near),
  impute_knn_factor = list(T, function(r) r |> step_impute_knn(f, neighbors = 1, impute_with = imp_vars(b, c, k, g)), near),
  novel_new = list(F, function(r) r |> step_novel(f) |> step_unknown(f) |> step_dummy(f), strange),
  other_new = list(F, function(r) r |> step_other(f, threshold = .2) |> step_dummy(f), strange),
  unknown_new = list(F, function(r) r |> step_unknown(f) |> step_dummy(f), strange),
  discretize = list(F, function(r) r |> step_discretize(a, b, min_unique = 5)),
  discretize_missing = list(T, function(r) r |> step_discretize(a, num_breaks = 3, min_unique = 4, options = list(prefix = "cut"))),
  ns = list(F, function(r) r |> step_ns(a, b)),
  ns_four = list(F, function(r) r |> step_ns(a, deg_free = 4)),
  ns_one = list(F, function(r) r |> step_ns(a, deg_free = 1)),
  ns_eleven = list(F, function(r) r |> step_ns(b, deg_free = 11)),
  poly = list(F, function(r) r |> step_poly(a, b)),
  poly_five = list(F, function(r) r |> step_poly(a, degree = 5)),
  ratio = list(F, function(r) r |> step_ratio(a, b, c, denom = denom_vars(b, d))),
  ratio_only = list(F, function(r) r |> step_ratio(a, c, denom = denom_vars(b), keep_original_cols = FALSE)),
  interact = list(F, function(r) r |> step_interact(~ (a + b + c)^2)),
  interact_selected = list(F, function(r) r |> step_dummy(f) |> step_interact(~ a:starts_with("f_"))),
  interact_three = list(F, function(r) r |> step_interact(~ c:a + b:a:c, sep = "_by_")),
  date = list(F, function(r) r |> step_date(w) |> step_rm(w)),
  date_all = list(F, function(r) r |> step_date(w, features = c("doy", "week", "decimal", "quarter", "semester", "dow", "month"), label = FALSE, keep_original_cols = FALSE)),
  date_words = list(F, function(r) r |> step_date(w, features = c("month", "dow"), abbr = FALSE, keep_original_cols = FALSE)),
  date_ordinal = list(F, function(r) r |> step_date(w, features = "dow", ordinal = TRUE, keep_original_cols = FALSE) |> step_dummy(w_dow)),
  several = list(T, function(r) r |> step_rm(w, e) |> step_impute_median(all_numeric_predictors()) |> step_unknown(f, o) |>
    step_dummy(all_nominal_predictors()) |> step_zv(all_predictors()) |> step_normalize(all_numeric_predictors()))
)
column <- function(x) {
  if (inherits(x, "Date")) list(type = "date", values = as.numeric(x))
  else if (is.factor(x)) list(type = if (is.ordered(x)) "ordered" else "factor", levels = levels(x), values = as.character(x))
  else list(type = if (is.integer(x)) "integer" else "numeric", values = as.numeric(x))
}
columns <- function(data) lapply(as.list(as.data.frame(data)), column)
results <- lapply(cases, function(case) {
  rec <- suppressWarnings(prep(case[[2]](recipe(y ~ ., data = if (case[[1]]) train_na else train))))
  list(gaps = case[[1]], training = columns(bake(rec, NULL)),
       new = columns(suppressWarnings(bake(rec, if (length(case) > 2) case[[3]] else if (case[[1]]) new_na else new))),
       new_data = if (length(case) > 2) columns(case[[3]]))
})
out <- list(r = R.version.string, recipes = as.character(packageVersion("recipes")),
  mtcars = columns(mtcars[c("mpg", "disp", "hp")]), usarrests = columns(USArrests),
  train = columns(train), new = columns(new), train_na = columns(train_na), new_na = columns(new_na), cases = results)
writeLines(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, force = TRUE), commandArgs(TRUE)[1])
