"""Writes tests/stats/fixtures/*.json: small samples, and what scipy and numpy say about them.

    python3 tools/make_stats_fixtures.py            # needs numpy and scipy >= 1.11

The C++ tests compare every figure to 1e-9 relative. NaN and infinities are written as strings.
"""

import json
import math
import pathlib
import warnings

import numpy as np
from scipy import stats

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "stats" / "fixtures"


def plain(value):
    """Numbers of numpy as JSON's own; NaN and infinities as strings."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else str(float(value))
    return value


def write(name, cases):
    text = json.dumps(plain(cases), indent=None, separators=(",", ":")).replace('},{"name"', '},\n{"name"')
    (FOLDER / f"{name}.json").write_text(text + "\n")


def samples(rng):
    """One sample each: ordinary, small, tied, constant, heavy-tailed, correlated."""
    noise = rng.normal(size=300)
    correlated = np.zeros(300)
    for i in range(1, 300):
        correlated[i] = 0.8 * correlated[i - 1] + noise[i]
    step = np.concatenate([rng.normal(14, 0.4, 30), rng.normal(10, 0.4, 90)])
    return {
        "one": [3.25],
        "two": [3.25, 4.5],
        "three": [1.0, 2.0, 4.0],
        "constant": [2.5] * 20,
        "normal": rng.normal(10, 1, 100),
        "lognormal": rng.lognormal(1, 0.5, 137),
        "heavy": 5 + np.abs(rng.standard_t(1.5, 90)),
        "ties": np.round(rng.normal(6, 1, 80), 1),
        "bimodal": np.concatenate([rng.normal(4, 0.2, 60), rng.normal(9, 0.3, 61)]),
        "large_offset": 1e6 + rng.normal(0, 1, 64),
        "correlated": 20 + correlated,
        "alternating": 5 + np.tile([0.0, 1.0], 40) + rng.normal(0, 0.1, 80),
        "step": step,
    }


def acf(x, lag):
    d = x - x.mean()
    return float((d[: len(d) - lag] * d[lag:]).sum() / (d * d).sum())


def effective_size(x):
    """Geyer's initial positive sequence, over all lags at once."""
    n = len(x)
    if n == 1 or np.ptp(x) == 0:
        return float(n)
    d = x - x.mean()
    full = np.correlate(d, d, mode="full")[n - 1 :] / (d * d).sum()
    pairs = full[: n // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.nonzero(pairs <= 0)[0]
    kept = pairs[: ends[0]] if len(ends) else pairs
    return float(min(n, max(1.0, n / max(1.0, 2 * kept.sum() - 1))))


def describe(all_samples):
    cases = []
    for name, values in all_samples.items():
        x = np.asarray(values, dtype=float)
        case = {
            "name": name,
            "values": x,
            "mean": x.mean(),
            "std": x.std(ddof=1) if len(x) > 1 else 0.0,
            "variance_n": x.var(),
            "median": np.median(x),
            "percentiles": {str(q): np.percentile(x, q) for q in (0, 1, 25, 50, 75, 90, 95, 99, 100)},
            "mean_interval": stats.ttest_1samp(x, 0).confidence_interval(0.95) if len(x) > 1 else None,
            "mad": stats.median_abs_deviation(x, scale="normal"),
            "n_eff": effective_size(x),
        }
        mad, median = case["mad"], case["median"]
        case["outliers"] = int((np.abs(x - median) > 3.5 * mad).sum()) if mad > 0 else 0
        if np.ptp(x) > 0:
            case["acf"] = {str(lag): acf(x, lag) for lag in (0, 1, 2, 7) if lag < len(x)}
            kernel = stats.gaussian_kde(x)
            grid = np.linspace(x.min() - 1, x.max() + 1, 23)
            case["kde"] = {"bandwidth": math.sqrt(kernel.covariance[0, 0]), "grid": grid, "density": kernel(grid)}
        ecdf = stats.ecdf(x).cdf
        case["ecdf"] = {"values": ecdf.quantiles, "fraction": ecdf.probabilities}
        cases.append(case)
    return cases


def histograms(all_samples):
    cases = []
    for name, parts in {
        "one": ["normal"],
        "three": ["normal", "heavy", "lognormal"],
        "ties": ["ties"],
        "constant": ["constant"],
        "small": ["two", "three"],
    }.items():
        pooled = np.concatenate([np.asarray(all_samples[p], dtype=float) for p in parts])
        edges = np.histogram_bin_edges(pooled, bins="auto")
        cases.append({
            "name": name,
            "samples": [all_samples[p] for p in parts],
            "edges": edges,
            "counts": [np.histogram(all_samples[p], bins=edges)[0] for p in parts],
        })
    return cases


def inequality(rng):
    cases = []
    for name, x in {
        "one": np.array([4.0]),
        "equal": np.array([2.0, 2.0, 2.0]),
        "two": np.array([1.0, 3.0]),
        "ten": rng.uniform(23, 29, 10),
        "one_has_all": np.array([0.0, 0.0, 0.0, 8.0]),
        "wide": np.array([0.001, 1.0, 1000.0]),
    }.items():
        n = len(x)
        with np.errstate(divide="ignore"):
            cases.append({
                "name": name,
                "values": x,
                "cv": stats.variation(x),
                "gini": np.abs(x[:, None] - x[None, :]).sum() / (2 * n * n * x.mean()),
                "max_min_ratio": np.divide(x.max(), x.min()),
                "range": np.ptp(x),
                "max_deviation_percent": 100 * np.abs(x - x.mean()).max() / x.mean(),
                "jain": x.sum() ** 2 / (n * (x**2).sum()),
            })
    return cases


def quantile_intervals():
    """By summing binomial probabilities from their definition, whole numbers only."""
    cases = []
    for n in (1, 5, 6, 7, 35, 71, 72, 100, 367, 368, 1000, 20000):
        for q in (0.25, 0.5, 0.9, 0.95, 0.99):
            below = stats.binom(n, q)
            k = np.arange(n + 1)
            low = np.nonzero(below.cdf(k) <= 0.025)[0]
            high = np.nonzero(below.sf(k - 1) <= 0.025)[0]
            found = len(low) > 0 and len(high) > 0
            cases.append({"name": f"n={n} q={q}", "n": n, "q": q, "interval": [low[-1], high[0] - 1] if found else None})
    return cases


def pair_results(a, b):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = {}
        if len(a) > 1 and len(b) > 1:
            result["student"] = list(stats.ttest_ind(a, b, equal_var=True))
            welch = stats.ttest_ind(a, b, equal_var=False)
            result["welch"] = list(welch)
            result["welch_interval"] = welch.confidence_interval(0.95)
        u = stats.mannwhitneyu(a, b, alternative="two-sided", method="auto")
        result["mann_whitney"] = list(u)
        result["cohens_d"] = np.float64(a.mean() - b.mean()) / np.sqrt((a.var() + b.var()) / 2)
        result["rank_biserial"] = 1 - 2 * u.statistic / (len(a) * len(b))
        signs = np.sign(a[:, None] - b[None, :])
        result["cliffs_delta"] = signs.mean()
        result["hodges_lehmann"] = np.median((a[:, None] - b[None, :]).ravel())
    return result


def pairs(rng):
    chosen = {
        "normal": (rng.normal(10, 1, 100), rng.normal(10.4, 1.2, 100)),
        "unequal_sizes": (rng.normal(5, 1, 7), rng.normal(5.5, 3, 200)),
        "exact": (rng.normal(0, 1, 8), rng.normal(1, 1, 9)),
        "exact_small": (np.array([1.0, 5.0]), np.array([2.0, 3.0, 4.0])),
        "exact_tiny": (np.array([1.0]), np.array([2.0])),
        "exact_one_long": (rng.normal(0.7, 1, 8), rng.normal(0, 1, 500)),
        "exact_far": (rng.normal(0, 1, 6), rng.normal(50, 1, 60)),
        "small_with_ties": (np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0, 4.0, 4.0])),
        "nine_each": (rng.normal(0, 1, 9), rng.normal(0.3, 1, 9)),
        "ties": (np.round(rng.normal(6, 1, 90), 1), np.round(rng.normal(6.1, 1, 80), 1)),
        "heavy": (5 + np.abs(rng.standard_t(1.2, 90)), 6 + np.abs(rng.standard_t(1.2, 110))),
        "far_apart": (rng.normal(10, 0.1, 100), rng.normal(90, 0.1, 100)),
        "same_values": (np.arange(20.0), np.arange(20.0)),
        "constant_each": (np.full(10, 2.0), np.full(12, 3.0)),
        "constant_all": (np.full(10, 2.0), np.full(12, 2.0)),
        "one_constant": (np.full(10, 2.0), rng.normal(2, 1, 15)),
        "two_and_two": (np.array([1.0, 2.0]), np.array([4.0, 8.0])),
    }
    return [{"name": name, "a": a, "b": b, **pair_results(a, b)} for name, (a, b) in chosen.items()]


def groups(rng):
    chosen = {
        "three_normal": [rng.normal(10, 1, 100), rng.normal(10.2, 1, 100), rng.normal(10.1, 1, 100)],
        "unequal_variance": [rng.normal(10, 1, 50), rng.normal(10, 4, 60), rng.normal(11, 0.5, 70)],
        "ties": [np.round(rng.normal(6, 1, n), 1) for n in (30, 40, 50)],
        "ten": [rng.normal(25 + 0.3 * i, 2, 100) for i in range(10)],
        "small": [np.array([1.0, 2.0]), np.array([2.0, 5.0]), np.array([3.0, 9.0, 4.0])],
        "far_apart": [rng.normal(m, 0.01, 50) for m in (1, 2, 3)],
        "constant_all": [np.full(5, 2.0), np.full(6, 2.0)],
        "constant_each": [np.full(5, 2.0), np.full(6, 3.0)],
        "two": [rng.lognormal(1, 0.3, 40), rng.lognormal(1.1, 0.6, 45)],
    }
    cases = []
    for name, parts in chosen.items():
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                kruskal = list(stats.kruskal(*parts))
            except ValueError:  # older scipy: all values are equal
                kruskal = [math.nan, math.nan]
            cases.append({
                "name": name,
                "samples": parts,
                "levene": list(stats.levene(*parts, center="median")),
                "anova": list(stats.f_oneway(*parts)),
                "kruskal": kruskal,
            })
    return cases


def corrections():
    cases = []
    for name, p in {"four": [0.01, 0.04, 0.03, 0.005], "one": [0.2], "ties": [0.02, 0.02, 0.02], "large": [0.6, 0.9]}.items():
        p = np.array(p)
        order = np.argsort(p, kind="stable")
        times = p[order] * (len(p) - np.arange(len(p)))
        holm, hochberg = np.empty(len(p)), np.empty(len(p))
        holm[order] = np.maximum.accumulate(np.minimum(1, times))
        hochberg[order] = np.minimum.accumulate(times[::-1])[::-1]
        cases.append({"name": name, "p": p, "holm": holm, "hochberg": hochberg, "bonferroni": np.minimum(1, p * len(p))})
    return cases


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20261124)
    all_samples = samples(rng)
    write("describe", describe(all_samples))
    write("histogram", histograms(all_samples))
    write("inequality", inequality(rng))
    write("quantile_interval", quantile_intervals())
    write("pairs", pairs(rng))
    write("groups", groups(rng))
    write("correction", corrections())


if __name__ == "__main__":
    main()
