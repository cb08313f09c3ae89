#!/usr/bin/env python3
"""Writes the study's pages from results: OUT/README.md, OUT/tables/*.md, OUT/*.svg, OUT/data/*.json.

DATA/study/<experiment> and DATA/modes/<mix>_<mode> are what tools/run_study.sh leaves. Every figure comes from
`cotenant analyze --json`; nothing is computed here but the ratio of two runs' throughputs. What is missing is named.
"""

import argparse
import json
import math
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from study_plots import bar_chart, grouped_chart  # noqa: E402

MODES = ["timeslice", "mps_shares", "mps", "streams", "green"]  # "mps_shares" before "mps": names end in either
MODE_ORDER = ["timeslice", "mps", "mps_shares", "streams", "green"]
NONE = "–"


# What becomes of figures in tables. None is a dash: unknown.


def fixed(value, digits, unit=""):
    return NONE if value is None else f"{value:.{digits}f}{unit}"


def milliseconds(value):
    return NONE if value is None else fixed(value, 3 if abs(value) < 10 else 2 if abs(value) < 100 else 1)


def times(value):
    return fixed(value, 2, "x")


def count(value):
    return NONE if value is None else f"{value:,.0f}"


def percent(value):
    return fixed(value, 0)


def table(columns, rows):
    """columns: titles; those that start with '<' are text and stand left."""
    titles = [title.lstrip("<") for title in columns]
    rules = ["---" if title.startswith("<") else "---:" for title in columns]
    escape = lambda cell: str(cell).replace("|", "\\|").replace("\n", " ")
    lines = ["| " + " | ".join(titles) + " |", "|" + "|".join(rules) + "|"]
    lines += ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# Reading.


def significant(value):
    """Six significant digits are more than any measurement here has."""
    if isinstance(value, float):
        return value if value == 0 or not math.isfinite(value) else float(f"{value:.6g}")
    if isinstance(value, list):
        return [significant(each) for each in value]
    if isinstance(value, dict):
        return {key: significant(each) for key, each in value.items()}
    return value


def compact(analysis, data):
    """An analysis without what pages do not show, and without this machine's paths."""
    kept = {key: value for key, value in analysis.items() if key not in ("significance", "repeats")}

    def relative(text):
        return text.replace(str(data) + "/", "")

    kept["directory"] = relative(kept["directory"])
    kept["warnings"] = [relative(text) for text in kept["warnings"]]
    kept["reasons"] = [relative(text) for text in kept["reasons"]]
    for tenant in kept["tenants"]:
        if tenant["baseline"]:
            tenant["baseline"]["directory"] = relative(tenant["baseline"]["directory"])
    return significant(kept)


def analyze(cotenant, directory, solos):
    """The analysis of a directory, or a sentence that says why there is none."""
    command = [cotenant, "analyze", str(directory), "--json", "--no-plots"]
    tries = [command]
    if solos and not (directory / "baselines").is_dir():
        tries.insert(0, command + ["--baseline", str(solos)])
    for words in tries:
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode == 0:
            return json.loads(done.stdout), None
    return None, done.stderr.strip().splitlines()[0] if done.stderr.strip() else f"exit code {done.returncode}"


def is_experiment(directory):
    return directory.is_dir() and not directory.is_symlink() and (directory / "experiment.json").is_file()


class Study:
    """What there is and what there is not."""

    def __init__(self, data, cotenant):
        self.analyses = {}  # name -> compact analysis, of DATA/study
        self.modes = {}  # mix -> mode -> compact analysis, of DATA/modes
        self.missing = []  # sentences
        for directory in self._experiments(data / "study"):
            # A tenant alone has no baseline; the others find the solo experiments beside them.
            self._add(data, cotenant, directory, None, lambda a, d=directory: self.analyses.update({d.name: a}))
        for directory in self._experiments(data / "modes"):
            found = re.fullmatch(rf"(.+)_({'|'.join(MODES)})", directory.name)
            if not found:
                self.missing.append(f"{directory.name}: its name ends in none of {', '.join(MODE_ORDER)}")
                continue
            mix, mode = found.groups()
            keep = lambda a, mix=mix, mode=mode: self.modes.setdefault(mix, {}).update({mode: a})
            self._add(data, cotenant, directory, data / "study", keep)

    def _experiments(self, root):
        if not root.is_dir():
            self.missing.append(f"there is no {root.name}/")
            return []
        for directory in sorted(root.glob("*.incomplete")):
            name = directory.name[: -len(".incomplete")]
            if not is_experiment(root / name):
                self.missing.append(f"{name}: its run did not come to its end")
        return [each for each in sorted(root.iterdir()) if is_experiment(each) and not each.name.endswith(".incomplete")]

    def _add(self, data, cotenant, directory, solos, keep):
        analysis, why = analyze(cotenant, directory.resolve(), solos)
        if analysis is None:
            self.missing.append(f"{directory.name}: cannot be analysed: {why}")
        else:
            keep(compact(analysis, data))

    def expect(self, configs):
        for config in sorted(configs.glob("solo/*.yaml")) + sorted(configs.glob("multitenant/*.yaml")):
            named = re.search(r"^experiment_name: *(\S+)", config.read_text(), re.M)
            name = named.group(1) if named else config.stem
            if name not in self.analyses and not any(text.startswith(name + ":") for text in self.missing):
                self.missing.append(f"{name}: was not run")
        for mix, found in self.modes.items():
            for mode in MODE_ORDER:
                name = f"{mix}_{mode}"
                if mode not in found and not any(text.startswith(name + ":") for text in self.missing):
                    self.missing.append(f"{name}: was not run")

    def of_tenants(self, least, most):
        return {n: a for n, a in self.analyses.items() if least <= len(a["tenants"]) <= most}


# Writing.


def jain_of(analysis):
    fairness = analysis["progress_fairness"] or analysis["fairness"]
    return fairness["jain"] if fairness else None


def worst_of(analysis):
    slowed = [tenant for tenant in analysis["tenants"] if tenant["slowdown_p50"] is not None]
    return max(slowed, key=lambda tenant: tenant["slowdown_p50"]) if slowed else None


def validity(analysis):
    return {True: "valid", False: "not valid", None: NONE}[analysis["valid"]]


def bound(of):
    return of["bound"] or NONE


def device_row(name, analysis):
    device, system = analysis["device"], analysis["system"]
    return [name, analysis["sharing"], len(analysis["tenants"]), count(device["tokens_per_s"]),
            fixed(system["stp"], 3), fixed(system["antt"], 3), fixed(jain_of(analysis), 4),
            percent(device["sm_percent"]), percent(device["tensor_percent"]), percent(device["dram_percent"]),
            bound(device), fixed(device["sm_clock_mhz"], 0), fixed(device["power_w"], 0), validity(analysis)]


DEVICE_COLUMNS = ["<experiment", "<sharing", "tenants", "tokens/s", "STP", "ANTT", "Jain", "SM %", "tensor %", "DRAM %",
                  "<bound", "SM clock MHz", "power W", "<valid"]
TENANT_COLUMNS = ["<experiment", "<tenant", "p50 ms", "p99 ms", "GPU p50 ms", "tokens/s", "slowdown p50",
                  "slowdown mean", "clock", "progress", "contention ms", "<bound alone", "<verdict"]


def tenant_rows(name, analysis):
    for tenant in analysis["tenants"]:
        latency, gpu = tenant["latency_ms"], tenant["gpu_ms"] or {}
        yield [name, tenant["name"], milliseconds(latency.get("p50")), milliseconds(latency.get("p99")),
               milliseconds(gpu.get("p50")), count(tenant["tokens_per_s"]), times(tenant["slowdown_p50"]),
               times(tenant["slowdown_mean"]), times(tenant["clock_ratio"]), fixed(tenant["progress"], 3),
               milliseconds(tenant["contention_ms"]), bound(tenant),
               tenant["verdict"] or NONE]


def rate_rows(name, analysis):
    for spread in analysis["rate_spreads"]:
        yield [name, spread["work"], spread["tenants"], fixed(spread["max_min_ratio"], 4), spread["fastest"],
               spread["slowest"]]


def shared_page(title, about, analyses):
    text = f"# {title}\n\n{about}\n\n## The device\n\n"
    text += table(DEVICE_COLUMNS, [device_row(name, a) for name, a in analyses.items()])
    text += "\n## The tenants\n\n"
    text += table(TENANT_COLUMNS, [row for name, a in analyses.items() for row in tenant_rows(name, a)])
    rates = [row for name, a in analyses.items() for row in rate_rows(name, a)]
    if rates:
        text += "\n## Work rates of equal tenants\n\n"
        text += table(["<experiment", "<work", "tenants", "largest / smallest", "<fastest", "<slowest"], rates)
    return text + reasons_of(analyses)


def reasons_of(analyses):
    lines = [f"- {name}: {reason}" for name, a in analyses.items() for reason in a["reasons"]]
    return "\n## Why a run is not valid\n\n" + "\n".join(lines) + "\n" if lines else ""


def solo_page(analyses):
    rows = []
    for name, analysis in analyses.items():
        tenant, device = analysis["tenants"][0], analysis["device"]
        latency, gpu = tenant["latency_ms"], tenant["gpu_ms"] or {}
        rows.append([name, tenant["model"], milliseconds(latency.get("p50")), milliseconds(latency.get("p99")),
                     milliseconds(gpu.get("p50")), count(tenant["tokens_per_s"]), percent(device["sm_percent"]),
                     percent(device["tensor_percent"]), percent(device["dram_percent"]), bound(tenant),
                     tenant["bound_reason"] or NONE, fixed(device["sm_clock_mhz"], 0), fixed(device["power_w"], 0),
                     validity(analysis)])
    return "# Each model alone\n\n" + table(
        ["<experiment", "<model", "p50 ms", "p99 ms", "GPU p50 ms", "tokens/s", "SM %", "tensor %", "DRAM %", "<bound",
         "<because", "SM clock MHz", "power W", "<valid"], rows) + reasons_of(analyses)


def ratio(a, b):
    return a / b if a is not None and b else None


def sizes(analysis):
    """The worst slowdown of the smallest and of the largest tenants, by their time alone; None for equal ones."""
    known = [t for t in analysis["tenants"] if t["slowdown_p50"] is not None and t["baseline"] and t["baseline"]["p50"]]
    if not known:
        return None, None
    alone = [t["baseline"]["p50"] for t in known]
    if max(alone) < 1.5 * min(alone):
        return None, None
    middle = math.sqrt(min(alone) * max(alone))
    small = [t["slowdown_p50"] for t in known if t["baseline"]["p50"] < middle]
    large = [t["slowdown_p50"] for t in known if t["baseline"]["p50"] >= middle]
    return max(small), max(large)


def modes_page(modes):
    text = ("# Mixes under each way of sharing\n\n"
            "STP is the throughput against running the tenants one after another: above 1 it pays to share. Small and "
            "large tenants are told apart by their time alone (at the geometric mean of the shortest and the longest); "
            "shown is the worst slowdown of each. The clock is the mean SM clock shared / alone.\n")
    for mix, found in modes.items():
        first = found.get("timeslice")
        rows = []
        for mode in MODE_ORDER:
            if mode not in found:
                rows.append([mode] + [NONE] * 12 + ["was not run"])
                continue
            analysis = found[mode]
            device, system = analysis["device"], analysis["system"]
            small, large = sizes(analysis)
            worst = worst_of(analysis)
            rows.append([mode, count(device["tokens_per_s"]),
                         times(ratio(device["tokens_per_s"], first["device"]["tokens_per_s"]) if first else None),
                         count(device["tokens_per_s_alone_in_turn"]), fixed(system["stp"], 3),
                         f"{times(worst['slowdown_p50'])} {worst['name']}" if worst else NONE,
                         times(worst["clock_ratio"]) if worst else NONE, times(small), times(large),
                         fixed(jain_of(analysis), 4), bound(device), fixed(device["sm_clock_mhz"], 0),
                         fixed(device["power_w"], 0), validity(analysis)])
        text += f"\n## {mix}\n\n" + table(
            ["<sharing", "tokens/s", "of time slicing", "one after another", "STP", "worst slowdown", "its clock",
             "small slowed", "large slowed", "Jain", "<bound", "SM clock MHz", "power W", "<valid"], rows)
        text += "\n" + table(TENANT_COLUMNS, [row for mode in MODE_ORDER if mode in found
                                              for row in tenant_rows(mode, found[mode])]).replace("experiment", "sharing", 1)
        text += reasons_of({mode: found[mode] for mode in MODE_ORDER if mode in found}).replace("## Why", "### Why")
    return text


def first_page(study, out):
    every = list(study.analyses.values()) + [a for found in study.modes.values() for a in found.values()]
    devices = sorted({a["device"]["name"] or "CPU" for a in every})
    commits = sorted({a["commit"] for a in every if a["commit"]})
    dates = sorted(a["started_at"][:10] for a in every if a["started_at"])
    text = "# The study, measured with cotenant\n\n"
    text += f"{len(every)} experiments on {', '.join(devices) or 'no device'}"
    text += f", {dates[0]}{'' if dates[0] == dates[-1] else ' to ' + dates[-1]}" if dates else ""
    text += f", commit {', '.join(commits)}.\n\n" if commits else ".\n\n"
    if (out / "answers.md").exists():  # written by hand from these pages
        text += "- **[What the study left open](answers.md)**\n"
    text += ("- [Each model alone](tables/solo.md)\n- [Pairs](tables/pairs.md)\n- [Mixes of three and more]"
             "(tables/mixes.md)\n- [Mixes under each way of sharing](tables/modes.md)\n- [The analyses behind "
             "them](data), as `cotenant analyze --json` gives them\n\nEvery figure is defined in "
             "[metrics.md](../metrics.md). `tools/run_study.sh` measures, `tools/make_study.sh` makes these pages.\n\n")
    return text


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_plots(study, out):
    """Returns the names of the files that could be drawn."""
    drawn = []

    def draw(name, svg):
        if svg:
            write(out / name, svg)
            drawn.append(name)

    shared = {name: a for name, a in study.analyses.items() if len(a["tenants"]) > 1}
    draw("stp.svg", bar_chart("Work done, against one after another (STP)",
                              [(name, a["system"]["stp"]) for name, a in shared.items()], reference=1))
    draw("slowdown.svg", bar_chart("Slowdown of the most slowed tenant, median",
                                   [(name, (worst_of(a) or {}).get("slowdown_p50")) for name, a in shared.items()],
                                   reference=1))
    for name, title, value, reference in [
            ("modes_tokens.svg", "Tokens/s of the device, against time slicing", None, 1),
            ("modes_stp.svg", "Work done, against one after another (STP)", lambda a: a["system"]["stp"], 1),
            ("modes_slowdown.svg", "Slowdown of the most slowed tenant, median",
             lambda a: (worst_of(a) or {}).get("slowdown_p50"), 1)]:
        groups = []
        for mix, found in study.modes.items():
            base = found["timeslice"]["device"]["tokens_per_s"] if "timeslice" in found else None
            of = value or (lambda a, base=base: ratio(a["device"]["tokens_per_s"], base))
            groups.append((mix, [(mode, of(found[mode]) if mode in found else None) for mode in MODE_ORDER]))
        draw(name, grouped_chart(title, groups, reference=reference))
    return drawn


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--cotenant", default="cotenant")
    parser.add_argument("--configs", type=pathlib.Path, help="whose experiments are expected")
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"make_study: there is no directory {options.data}")
    study = Study(options.data.resolve(), options.cotenant)
    if options.configs:
        study.expect(options.configs)
    if not study.analyses and not study.modes:
        sys.exit(f"make_study: {options.data} holds no results: " + "; ".join(study.missing[:5]))

    for name, analysis in study.analyses.items():
        write(options.out / "data" / f"{name}.json", json.dumps(analysis, separators=(",", ":")) + "\n")
    for mix, found in study.modes.items():
        for mode, analysis in found.items():
            write(options.out / "data" / "modes" / f"{mix}_{mode}.json",
                  json.dumps(analysis, separators=(",", ":")) + "\n")
    write(options.out / "tables" / "solo.md", solo_page(study.of_tenants(1, 1)))
    about = ("Slowdown: latency shared / alone, by the median and by the mean; beside it the mean SM clock shared / "
             "alone. Where tenants take turns, few requests wait for long and the median may hide it: then the mean, "
             "p99 and progress tell. Bound alone: of the tenant's run without company; the device's is of all together.")
    write(options.out / "tables" / "pairs.md", shared_page("Pairs", about, study.of_tenants(2, 2)))
    write(options.out / "tables" / "mixes.md", shared_page("Mixes of three and more", about, study.of_tenants(3, 999)))
    write(options.out / "tables" / "modes.md", modes_page(study.modes))
    drawn = write_plots(study, options.out)
    text = first_page(study, options.out) + "\n".join(f"![{name}]({name})" for name in drawn) + "\n"
    if study.missing:
        text += "\n## What is missing\n\n" + "\n".join(f"- {line}" for line in study.missing) + "\n"
    write(options.out / "README.md", text)
    for line in study.missing:
        print(f"make_study: missing: {line}", file=sys.stderr)
    print(f"{len(study.analyses)} experiments and {sum(len(f) for f in study.modes.values())} of modes: {options.out}")


if __name__ == "__main__":
    main()
