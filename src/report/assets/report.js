// The page: reads the data, fills the sections, and keeps charts, toggles, tooltips and tables together.
const data = JSON.parse(document.getElementById("data").textContent);
const colours = data.colours;
const items = data.items;  // tenants, or experiments in a comparison: {name, colour}
const shown = new Set(items.map((_, i) => i));
const charts = [];
const at = (id) => document.getElementById(id);

function table(head, rows, textColumns = 1) {
  const cell = (tag, content, column) => {
    const node = html(tag, column < textColumns ? { class: "text" } : {}, ...(Array.isArray(content) ? content : [content ?? "–"]));
    if (tag === "th") node.setAttribute("scope", "col");
    return node;
  };
  return html("table", {}, html("thead", {}, html("tr", {}, ...head.map((h, i) => cell("th", h, i)))),
    html("tbody", {}, ...rows.map((row) => html("tr", {}, ...row.map((c, i) => cell("td", c, i))))));
}

const swatch = (item) => html("span", { class: "swatch", style: `--colour: var(--t${item.colour % colours})` });

// A figure with its caption, its hover and keyboard cursor, and the table behind it.
function chart(parent, { title, note, wide, draw, rows, items: own = items }) {
  const canvas = html("div", { class: "canvas", tabindex: "0", role: "img", "aria-label": `${title}. Arrow keys read its values; the table below has them all.` });
  const body = html("div", { class: "scroll" });
  const details = html("details", {}, html("summary", {}, "Data"), body);
  parent.append(html("figure", wide ? { class: "wide" } : {},
    html("figcaption", {}, html("h3", {}, title), note ? html("p", {}, note) : null), canvas, details));
  const self = { canvas, details, drawn: null, index: null, marks: [] };
  const tip = html("div", { class: "tip", hidden: "" });

  const leave = () => {
    self.marks.forEach((mark) => mark.remove());
    self.marks = [];
    self.index = null;
    tip.hidden = true;
  };
  const point = (index, announce) => {
    leave();
    const probe = self.drawn?.probe;
    if (!probe || probe.count === 0) return;
    self.index = Math.max(0, Math.min(probe.count - 1, index));
    const found = probe.at(self.index);
    self.marks = found.marks;
    self.drawn.root.append(...found.marks);
    tip.replaceChildren(html("b", {}, found.title), ...found.rows.slice(0, 14).map(([label, value]) =>
      html("div", {}, typeof label === "string" ? html("span", {}, label) : html("span", {}, swatch(label), label.name), html("span", {}, value))));
    tip.hidden = false;
    const scale = canvas.clientWidth / self.width;
    const onLeft = found.x * scale > canvas.clientWidth / 2;
    tip.style.left = onLeft ? "auto" : `${found.x * scale + 14}px`;
    tip.style.right = onLeft ? `${canvas.clientWidth - found.x * scale + 14}px` : "auto";
    tip.style.top = `${found.y * scale}px`;
    if (announce) at("announce").textContent = [found.title, ...found.rows.map(([l, v]) => `${l.name ?? l}: ${v}`)].join("; ");
  };
  canvas.addEventListener("pointermove", (event) => {
    if (!self.drawn) return;
    const box = canvas.getBoundingClientRect(), scale = self.width / box.width;
    const index = self.drawn.probe.locate((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    if (index !== self.index) point(index, false);
  });
  canvas.addEventListener("pointerleave", leave);
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") return leave();
    if (!step) return;
    event.preventDefault();
    const many = self.drawn.probe.count > 40 && !event.shiftKey ? 4 : 1;
    point(self.index === null ? (step > 0 ? 0 : self.drawn.probe.count - 1) : self.index + step * many, true);
  });
  const fill = () => {
    if (details.open) body.replaceChildren(table(...rows(own === items ? shown : new Set(own.keys()))));
  };
  details.addEventListener("toggle", fill);

  self.redraw = () => {
    leave();
    const visible = own === items ? shown : new Set(own.keys());
    self.width = Math.max(280, Math.round(canvas.clientWidth));
    self.drawn = visible.size ? draw(self.width, visible) : null;
    canvas.replaceChildren(self.drawn ? self.drawn.root : html("p", { class: "empty" }, "All are switched off."), tip);
    fill();
  };
  charts.push(self);
  return self;
}

const redraw = () => charts.forEach((each) => each.redraw());

function toggles() {
  const bar = at("toggles");
  if (items.length < 2) return void (bar.hidden = true);
  const buttons = items.map((item, i) => {
    const button = html("button", { type: "button", "aria-pressed": "true", title: item.name }, swatch(item), item.name);
    button.addEventListener("click", () => {
      shown.has(i) ? shown.delete(i) : shown.add(i);
      update();
    });
    return button;
  });
  const all = html("button", { type: "button", class: "plain" }, "Show all");
  all.addEventListener("click", () => {
    items.forEach((_, i) => shown.add(i));
    update();
  });
  const update = () => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(shown.has(i))));
    all.hidden = shown.size === items.length;
    document.querySelectorAll("#summary-table tbody tr").forEach((row, i) => row.classList.toggle("off", !shown.has(i)));
    redraw();
  };
  all.hidden = true;
  bar.append(...buttons, all);
}

function list(id, lines) {
  at(id).hidden = lines.length === 0;
  at(id).append(...lines.map((line) => html("li", {}, line)));
}

function pairs(section, id, entries) {
  at(section).hidden = entries.length === 0;
  at(id).append(...entries.flatMap(([key, value]) => [html("dt", {}, key), html("dd", {}, value)]));
}

function head() {
  at("name").textContent = data.name;
  at("answer").textContent = data.answer.replace(/^(the|most|mildest) /, (word) => word[0].toUpperCase() + word.slice(1));
  at("subtitle").textContent = data.subtitle;
  at("footer").textContent = data.footer;
  const [text, style] = { true: ["valid", "good"], false: ["not valid", "bad"], null: ["", ""] }[String(data.valid)];
  at("validity").textContent = text;
  at("validity").hidden = text === "";
  if (style) at("validity").classList.add(style);
  at("facts").append(...data.facts.map((fact) => html("div", {}, html("dt", {}, fact.label),
    html("dd", { class: "value" }, fact.value), fact.note ? html("dd", { class: "note" }, fact.note) : null)));
  at("facts").hidden = data.facts.length === 0;
  list("reasons", data.reasons);
  list("warnings", data.warnings);
}

const range = (pair) => (pair ? `${number(pair[0])} – ${number(pair[1])}` : "n too small");
const figure = (column, value) => (column.times ? times(value) : column.percent && value !== null ? `${number(value * 100, 4)}%` : number(value));
const times = (value) => (value === null ? null : `${number(value)}×`);
const verdictClass = { fair: "good", hogging: "warn", starved: "bad", unclear: "quiet" };
const verdict = (word) => (word ? html("span", { class: verdictClass[word] }, word) : "–");

function tenantTable(tenants) {
  const any = (key) => tenants.some((t) => t[key] !== null && t[key] !== "");
  const columns = [
    ["Tenant", (t, i) => [swatch(items[i]), t.name]],
    ["Work", (t) => t.work],
    [`p50 (ms)`, (t) => number(t.p50)],
    ["95% of p50", (t) => range(t.ci)],
    ["p95", (t) => number(t.p95)],
    ["p99", (t) => number(t.p99)],
    ["n", (t) => number(t.count)],
    ["n eff.", (t) => number(t.n_eff)],
    ...data.columns.map((c) => [c.title, (t) => figure(c, t[c.id])]),
    any("bound") && ["bound alone", (t) => [html("span", { title: t.bound_reason }, t.bound || "–")]],
    any("verdict") && ["verdict", (t) => [verdict(t.verdict)]],
    any("study_verdict") && !any("verdict") && ["study’s verdict", (t) => [verdict(t.study_verdict)]],
    any("died") && ["ended", (t) => [html("span", { class: "bad" }, t.died ?? "")]],
  ].filter(Boolean);
  const node = table(columns.map((c) => c[0]), tenants.map((t, i) => columns.map((c) => c[1](t, i))), 2);
  node.querySelectorAll("tbody tr").forEach((row, i) => {
    row.firstChild.classList.add("name");
    row.firstChild.title = tenants[i].name;
  });
  at("summary-table").append(node);
}

const pick = (visible) => items.map((_, i) => i).filter((i) => visible.has(i));
const curveRows = (curves, xName, yName) => (visible) => [["", xName, yName],
  pick(visible).flatMap((i) => curves[i].x.map((x, k) => [items[i].name, number(x, 6), number(curves[i].y[k], 5)]))];

function latencyCharts(parent, d) {
  const metric = d.metric.title, plain = d.metric.name;
  const t = d.tenants;
  const slow = t.some((tenant) => tenant.slowdown_p50 !== null);
  if (slow) {
    const keys = ["slowdown_mean", "slowdown_p50", "slowdown_p95", "slowdown_p99"];
    chart(parent, {
      title: "Slowdown: latency shared / alone", note: "1 is as fast as alone; whiskers: 95% interval of the median’s",
      draw: barChart(items, {
        groups: ["mean", "p50", "p95", "p99"], value: (i, g) => t[i][keys[g]], interval: (i, g) => (g === 1 ? t[i].slowdown_p50_ci95 : null),
        reference: 1, yTitle: "slowdown (×)", yUnit: "×",
      }),
      rows: (visible) => [["", "mean", "p50", "p95", "p99", "95% of p50"], pick(visible).map((i) => [t[i].name, ...keys.map((k) => number(t[i][k], 4)), range(t[i].slowdown_p50_ci95)])],
    });
  }
  const figures = ["mean", "p50", "p95", "p99"];
  chart(parent, {
    title: `Mean, median and tail of ${plain}`, note: "whiskers: 95% interval, where there are enough samples",
    draw: barChart(items, {
      groups: figures, value: (i, g) => t[i][figures[g]], interval: (i, g) => [null, t[i].ci, t[i].ci95_p95, t[i].ci95_p99][g],
      yTitle: metric, yUnit: " ms",
    }),
    rows: (visible) => [["", "count", "mean", "std", "min", "p50", "p90", "p95", "p99", "max"], pick(visible).map((i) =>
      [t[i].name, number(t[i].count), ...["mean", "std", "min", "p50", "p90", "p95", "p99", "max"].map((k) => number(t[i][k], 4))])],
  });
  chart(parent, {
    title: `Boxes of ${plain}`, note: "box: quartiles; diamond: mean; whiskers: last sample within 1.5 box lengths",
    draw: rowChart(items, {
      boxes: d.boxes, logX: d.log_axis, xTitle: metric,
      rows: (i) => [["mean", d.boxes[i].mean], ["median", d.boxes[i].p50], ["quartiles", null], ["whiskers", null]].map(([label, v]) =>
        [label, v !== null ? `${number(v)} ms` : label === "quartiles" ? `${number(d.boxes[i].p25)} – ${number(d.boxes[i].p75)} ms` : `${number(d.boxes[i].low)} – ${number(d.boxes[i].high)} ms`])
        .concat([["outliers", String(d.boxes[i].outlier_count)]]),
    }),
    rows: (visible) => [["", "low", "p25", "p50", "p75", "high", "mean", "outliers"], pick(visible).map((i) =>
      [t[i].name, ...["low", "p25", "p50", "p75", "high", "mean", "outlier_count"].map((k) => number(d.boxes[i][k], 4))])],
  });
  const grid = d.distribution;
  const beyond = grid.beyond ? `; ${number(grid.beyond)} slower samples lie beyond the right edge` : "";
  chart(parent, {
    title: `Distribution of ${plain}`, note: `histogram with common edges and gaussian density${beyond}`,
    draw: lineChart(items, {
      curves: grid.density.map((y) => ({ x: y.length ? grid.grid : [], y })), fills: grid.histogram.map((values) => ({ edges: grid.edges, values })),
      logX: grid.logarithmic, xRange: [grid.edges[0], grid.edges.at(-1)], yFrom: 0, xTitle: metric,
      yTitle: grid.logarithmic ? "density (per decade)" : "density (per ms)", xUnit: " ms",
    }),
    rows: (visible) => [["", "from (ms)", "to (ms)", "density"], pick(visible).flatMap((i) =>
      grid.histogram[i].map((v, b) => [t[i].name, number(grid.edges[b], 4), number(grid.edges[b + 1], 4), number(v, 3)]))],
  });
  chart(parent, {
    title: `Share of samples below (ECDF)`, note: `how many of a tenant’s samples were at most so long`,
    draw: lineChart(items, {
      curves: d.ecdf, shape: "steps", logX: grid.logarithmic, xRange: [grid.edges[0], grid.edges.at(-1)],
      yFrom: 0, yTo: 1, xTitle: metric, yTitle: "share of samples", xUnit: " ms",
    }),
    rows: curveRows(d.ecdf, "at most (ms)", "share"),
  });
  if (t.some((tenant) => tenant.tokens_per_s !== null)) {
    chart(parent, {
      title: "Throughput", note: "tokens within the window, edges pro rata",
      draw: rowChart(items, {
        value: (i) => t[i].tokens_per_s, xTitle: "tokens/s",
        rows: (i) => [["tokens/s", number(t[i].tokens_per_s)], ["requests/s", number(t[i].requests_per_s)]].concat(t[i].progress === null ? [] : [["of alone", `${number(t[i].progress * 100)}%`]]),
      }),
      rows: (visible) => [["", "tokens/s", "requests/s", "progress"], pick(visible).map((i) => [t[i].name, number(t[i].tokens_per_s, 5), number(t[i].requests_per_s, 4), number(t[i].progress)])],
    });
  }
  const line = d.timeline;
  if (line.curves.some((curve) => curve.x.length)) {
    const xTitle = line.has_times ? "time since the start (s)" : "iteration";
    chart(parent, {
      title: `${plain[0].toUpperCase()}${plain.slice(1)} over time`, wide: true,
      note: [line.window ? "shaded: the window in which all tenants are active" : null, line.thinned ? "drawn: the least and greatest of equal stretches" : null].filter(Boolean).join("; "),
      draw: lineChart(items, { curves: line.curves, shape: "dots", logY: d.log_axis, yFrom: d.log_axis ? undefined : 0, window: line.window, xTitle, yTitle: metric, xUnit: line.has_times ? " s" : "", yUnit: " ms", height: 300 }),
      rows: curveRows(line.curves, xTitle, metric),
    });
  }
}

function fairness(d) {
  const body = at("fairness-body");
  const spreads = d.fairness;
  const tests = d.significance;
  at("fairness").hidden = spreads.length === 0 && !tests;
  for (const each of spreads) {
    const block = html("div", {}, html("h3", {}, each.title), html("p", { class: "quiet" }, each.note));
    block.append(html("div", { class: "scroll" }, table(["Figure", "value", "all equal"], each.figures)));
    if (each.by_quantile.length) {
      block.append(html("div", { class: "scroll" }, table(["At quantile", "variation", "max / min"], each.by_quantile.map((q) => [q.name, number(q.cv), number(q.max_min_ratio)]))));
    }
    body.append(block);
  }
  if (!tests) return;
  const n = items.length;
  const found = new Map(tests.pairs.map((pair) => [pair.a * n + pair.b, pair]));
  const pair = (a, b) => found.get(Math.min(a, b) * n + Math.max(a, b));
  const rows = (a, b) => {
    const p = pair(a, b);
    return [["p (Mann-Whitney, Holm)", number(p.p_holm)], ["rank-biserial", number(p.rank_biserial)], ["Cohen’s d", number(p.cohens_d)], ["p (t-test)", number(p.t_p)]]
      .concat(p.hodges_lehmann_ms === null ? [] : [["shift", `${number(p.hodges_lehmann_ms)} ms`]]);
  };
  if (tests.pairs.length) chart(body, {
    title: "p-values of pairs", note: "Mann-Whitney with Holm’s correction; darker: less likely by chance, if samples were independent",
    draw: heatChart(items, { p: (a, b) => pair(a, b)?.p_holm ?? null, rows }),
    rows: (visible) => [["Pair", "t", "p of t", "Cohen’s d", "U", "p of U", "p Holm", "rank-biserial", "Cliff’s δ", "shift (ms)"], tests.pairs.filter((p) => visible.has(p.a) && visible.has(p.b)).map((p) =>
      [`${items[p.a].name} – ${items[p.b].name}`, ...["t", "t_p", "cohens_d", "u", "u_p", "p_holm", "rank_biserial", "cliffs_delta", "hodges_lehmann_ms"].map((k) => number(p[k]))])],
  });
  body.append(html("div", {}, html("h3", {}, "Are the tenants alike?"),
    html("p", { class: "quiet" }, "Tests of independent samples, which consecutive requests are not: read the effect sizes, not p alone."),
    html("div", { class: "scroll" }, table(["Test", "statistic", "p"], tests.summary.map(([name, statistic, p]) => [name, number(statistic), number(p)])))));
}

function device(d) {
  at("device").hidden = d.telemetry.length === 0;
  for (const panel of d.telemetry) {
    const own = panel.curves.map((curve) => ({ name: curve.name, colour: curve.colour }));
    chart(at("device-body"), {
      title: panel.title, items: own,
      draw: lineChart(own, { curves: panel.curves, window: d.timeline.window, xTitle: "time since the start (s)", yTitle: panel.unit, xUnit: " s", yUnit: ` ${panel.unit}`, yFrom: 0, height: 210 }),
      rows: () => [["", "s", panel.unit], panel.curves.flatMap((c) => c.x.map((x, k) => [c.name, number(x, 5), number(c.y[k], 4)]))],
    });
  }
}

function experiment(d) {
  at("summary-title").textContent = "Tenants";
  tenantTable(d.tenants);
  latencyCharts(at("charts"), d);
  fairness(d);
  device(d);
}

function comparison(d) {
  const e = d.experiments;
  at("summary-title").textContent = "Experiments";
  const columns = [
    ["Experiment", (x, i) => [swatch(items[i]), x.link ? html("a", { href: x.link }, x.name) : x.name]], ["Sharing", (x) => x.sharing],
    ["tenants", (x) => number(x.tenants)], ["valid", (x) => (x.valid === null ? "–" : x.valid ? "yes" : "no")], ["STP", (x) => number(x.stp)], ["worst slowdown", (x) => times(x.worst_slowdown)],
    ["its clock", (x) => times(x.worst_clock_ratio)], ["SM clock (MHz)", (x) => number(x.sm_clock_mhz)], ["bound", (x) => x.bound],
    ["tokens/s", (x) => number(x.tokens_per_s)], ["in turn", (x) => number(x.tokens_per_s_in_turn)], ["J/token", (x) => number(x.joules_per_token)],
    ["memory (GiB)", (x) => number(x.memory_gib)], ["Jain", (x) => number(x.jain)],
  ];
  const known = columns.filter(([, cell]) => e.some((x, i) => !["–", "", null].includes(cell(x, i))));
  at("summary-table").append(table(known.map((c) => c[0]), e.map((x, i) => known.map((c) => c[1](x, i)))));
  const value = (key) => (i) => e[i][key];
  const rows = (i) => [["STP", number(e[i].stp)], ["worst slowdown", times(e[i].worst_slowdown)], ["tokens/s", number(e[i].tokens_per_s)], ["tenants", String(e[i].tenants)]].filter((row) => row[1] !== null && row[1] !== "–");
  const behind = (...keys) => (visible) => [["", ...keys], pick(visible).map((i) => [e[i].name, ...keys.map((k) => number(e[i][k], 4))])];
  const bars = (title, key, xTitle, note, reference) => {
    if (e.every((x) => x[key] === null)) return;
    chart(at("charts"), { title, note, draw: rowChart(items, { value: value(key), xTitle, rows, reference }), rows: behind(key) });
  };
  if (e.some((x) => x.stp !== null && x.worst_slowdown !== null)) {
    chart(at("charts"), {
      title: "Work done against worst slowdown", note: "better is up and left", wide: true,
      draw: scatterChart(items, { x: value("worst_slowdown"), y: value("stp"), xTitle: "worst tenant’s slowdown (×)", yTitle: "STP (devices’ worth of work)", rows }),
      rows: behind("worst_slowdown", "stp"),
    });
  }
  bars("Device throughput", "tokens_per_s", "tokens/s", "all tenants together");
  bars("Work of how many devices (STP)", "stp", "STP", "against running one after another: 1", 1);
  bars("Worst slowdown", "worst_slowdown", "slowdown (×)", "the most slowed tenant’s median latency, shared / alone", 1);
  bars(`Mean of the tenants’ median ${d.metric.name}`, "median_ms", d.metric.title, "");
  bars("Energy", "joules_per_token", "J/token", "of the whole device");
  bars("Memory", "memory_gib", "GiB", "used on the device");
  const against = (series, xKey, xTitle, note) => (title, key, yTitle) => {
    if (!series.length) return;
    const lines = series.map((s, i) => ({ name: s.name, colour: i }));
    chart(at("charts"), {
      title, note, items: lines,
      draw: lineChart(lines, { curves: series.map((s) => ({ x: s[xKey], y: s[key] })), marks: true, xTitle, yTitle, yFrom: 0 }),
      rows: () => [["", xTitle, yTitle], series.flatMap((s) => s[xKey].map((x, k) => [s.name, number(x, 4), number(s[key][k], 4)]))],
    });
  };
  const byTenants = against(d.scaling, "tenants", "tenants", "one line per kind of sharing");
  byTenants("Throughput against the number of tenants", "tokens_per_s", "tokens/s");
  byTenants("Latency against the number of tenants", "median_ms", d.metric.title);
  const byLoad = against(d.load, "offered_per_s", "requests/s that were due", "one line per tenant whose requests come by themselves");
  byLoad("Latency against load", "p99_ms", "latency, p99 (ms)");
  byLoad("Goodput against load", "goodput_per_s", "goodput (requests/s)");
}

document.querySelectorAll("input[name=theme]").forEach((input) => input.addEventListener("change", () => {
  if (input.value) document.documentElement.dataset.theme = input.value;
  else delete document.documentElement.dataset.theme;
}));
head();
(data.kind === "comparison" ? comparison : experiment)(data);
toggles();
pairs("environment", "environment-list", data.environment);
at("config").hidden = data.config === "";
at("config-text").textContent = data.config;
redraw();
let width = document.documentElement.clientWidth;
window.addEventListener("resize", () => {
  if (document.documentElement.clientWidth === width) return;
  width = document.documentElement.clientWidth;
  redraw();
});
