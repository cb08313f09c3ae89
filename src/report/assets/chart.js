"use strict";
// Small SVG charts. A chart is a function of (width, shown) that returns {root, probe}: `root` the <svg>, `probe` what
// can be pointed at: probe.count positions, probe.locate(x, y) the nearest one, probe.at(i) its {title, rows, x, y, marks}.
// `shown` is the set of indices of items (tenants, or experiments) that are not switched off. Text enters through
// text nodes only, so that a name cannot become markup.

const SVG = "http://www.w3.org/2000/svg";

function element(make, name, attributes, children) {
  const node = make(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const html = (name, attributes = {}, ...children) =>
  element((n) => document.createElement(n), name, attributes, children);
const svg = (name, attributes = {}, ...children) =>
  element((n) => document.createElementNS(SVG, n), name, attributes, children);
const colour = (index) => `var(--t${index % colours})`;

// Three to four significant digits, as people write them.
function number(value, digits = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e6) return `${number(value / 1e6, 3)}M`;
  if (size >= 1000) return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  if (size !== 0 && size < 1e-4) return value.toExponential(1);
  if (Number.isInteger(value)) return String(value);
  return value.toPrecision(size >= 100 ? digits + 1 : digits);
}

function tick(value, step) {
  if (Math.abs(value) >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (Math.abs(value) >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  const decimals = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toFixed(decimals);
}

// A scale maps data to 0..1 and knows its ticks.
function linearScale(low, high, most = 6) {
  if (!(high > low)) high = low + 1;
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const ticks = [];
  const first = Math.ceil(low / step - 1e-9);
  // Counted: beside a very large number steps may be too small to lead anywhere.
  for (let n = 0; n <= 2 * most && (first + n) * step <= high + step * 1e-9; ++n)
    ticks.push([(first + n) * step, tick((first + n) * step, step)]);
  return { low, high, ticks, to: (v) => (v - low) / (high - low), from: (f) => low + f * (high - low) };
}

function logScale(low, high) {
  const a = Math.log10(low), b = Math.log10(high > low ? high : low * 10);
  const ticks = [];
  const steps = b - a > 2.2 ? [1] : b - a > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  for (let p = Math.floor(a); p <= b; ++p) {
    for (const m of steps) {
      const v = m * 10 ** p;
      if (v >= low * 0.999 && v <= high * 1.001) ticks.push([v, String(Number(v.toPrecision(3)))]);
    }
  }
  return { low, high, ticks, to: (v) => (Math.log10(v) - a) / (b - a), from: (f) => 10 ** (a + f * (b - a)) };
}

const textWidth = (text) => 6.9 * [...text].length;
const shorten = (text, most) => ([...text].length <= most ? text : [...text].slice(0, most - 1).join("") + "…");

let clips = 0;

// Axes, grid and titles; returns where data goes: `data`, a group that shows nothing outside the axes. `rows`: labels of a categorical y axis instead of a scale.
function frame(width, height, { x, y, xTitle, yTitle, rows, groups }) {
  const left = rows ? Math.min(width * 0.36, 14 + Math.max(...rows.map((r) => textWidth(shorten(r, 24)))))
                    : 30 + Math.max(...y.ticks.map((t) => textWidth(t[1])));
  const area = { left, top: 10, width: width - left - 14, height: height - 10 - (xTitle ? 44 : 26) };
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const px = (v) => area.left + x.to(v) * area.width;
  const py = (v) => area.top + (1 - y.to(v)) * area.height;
  const bottom = area.top + area.height;
  if (y) {
    for (const [value, label] of y.ticks) {
      root.append(svg("line", { class: "gridline", x1: area.left, x2: area.left + area.width, y1: py(value), y2: py(value) }));
      root.append(svg("text", { x: area.left - 8, y: py(value) + 4, "text-anchor": "end" }, label));
    }
  }
  if (x) {
    let last = -1e9;
    for (const [value, label] of x.ticks) {
      if (rows) root.append(svg("line", { class: "gridline", x1: px(value), x2: px(value), y1: area.top, y2: bottom }));
      if (px(value) - last < textWidth(label) + 10) continue;
      last = px(value);
      root.append(svg("text", { x: px(value), y: bottom + 18, "text-anchor": "middle" }, label));
    }
  }
  if (rows) {
    const step = area.height / rows.length;
    rows.forEach((row, i) => root.append(svg("text", {
      class: "label", x: area.left - 8, y: area.top + step * (i + 0.5) + 4, "text-anchor": "end",
    }, shorten(row, Math.floor((left - 12) / 6.9)))));
  }
  if (groups) {
    const step = area.width / groups.length;
    groups.forEach((group, i) => root.append(svg("text", {
      class: "label", x: area.left + step * (i + 0.5), y: bottom + 18, "text-anchor": "middle",
    }, shorten(group, Math.max(3, Math.floor(step / 7))))));
  }
  root.append(svg("line", { class: "axis", x1: area.left, x2: area.left + area.width, y1: bottom, y2: bottom }));
  if (xTitle) root.append(svg("text", { x: area.left + area.width / 2, y: height - 4, "text-anchor": "middle" }, xTitle));
  if (yTitle) {
    const middle = area.top + area.height / 2;
    root.append(svg("text", { x: 11, y: middle, "text-anchor": "middle", transform: `rotate(-90 11 ${middle})` }, yTitle));
  }
  const clip = `clip${++clips}`;
  const data = svg("g", { "clip-path": `url(#${clip})` });
  root.append(svg("clipPath", { id: clip }, svg("rect", { x: area.left - 1, y: area.top - 6, width: area.width + 2, height: area.height + 7 })), data);
  return { root, data, area, px, py, bottom };
}

const extent = (arrays) => {
  let low = Infinity, high = -Infinity;
  for (const values of arrays) {
    for (const v of values) {
      if (v === null) continue;
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  return low <= high ? [low, high] : [0, 1];
};

// Index of the element of an ascending array that is nearest to a value.
function nearest(sorted, value) {
  let low = 0, high = sorted.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle; else high = middle;
  }
  return Math.abs(sorted[high] - value) < Math.abs(sorted[low] - value) ? high : low;
}

function path(xs, ys, px, py, shape) {
  const parts = [];
  let before = null;
  for (let i = 0; i < xs.length; ++i) {
    if (ys[i] === null) { before = null; continue; }
    const x = px(xs[i]).toFixed(1), y = py(ys[i]).toFixed(1);
    if (shape === "dots") parts.push(`M${x} ${y}h0`);
    else if (before === null) parts.push(`M${x} ${y}`);
    else if (shape === "steps") parts.push(`H${x}V${y}`);
    else parts.push(`L${x} ${y}`);
    before = y;
  }
  return parts.join("");
}

// Curves over a common x axis. options: curves [{x, y}] by item; fills [{edges, values}] by item (histograms); shape
// "line", "steps" or "dots"; logX, logY; yFrom, yTo; window [from, to]; xTitle, yTitle, xUnit, yUnit; height.
function lineChart(items, options) {
  return (width, shown) => {
    const { curves, fills, shape = "line", window: shaded } = options;
    const visible = items.map((_, i) => i).filter((i) => shown.has(i) && curves[i].x.length > 0);
    const xs = extent(options.xRange ? [options.xRange] : curves.map((c) => c.x));
    const ys = extent(visible.flatMap((i) => (fills ? [curves[i].y, fills[i].values] : [curves[i].y])));
    const x = options.logX ? logScale(xs[0], xs[1]) : linearScale(xs[0], xs[1], Math.max(3, width / 90));
    const span = (ys[1] - ys[0]) * 0.05 || Math.abs(ys[0]) * 0.05;
    const y = options.logY ? logScale(ys[0] / 1.1, ys[1] * 1.1)
      : linearScale(options.yFrom ?? ys[0] - span, options.yTo ?? ys[1] + span, 5);
    const { root, data, area, px, py, bottom } = frame(width, options.height ?? 280, { ...options, x, y });
    if (shaded) {
      const from = Math.max(x.low, shaded[0]), to = Math.min(x.high, shaded[1]);
      root.prepend(svg("rect", { class: "window", x: px(from), y: area.top, width: Math.max(0, px(to) - px(from)), height: area.height }));
    }
    for (const i of visible) {
      if (fills) {
        const { edges, values } = fills[i];
        const outline = values.map((v, b) => `V${py(v).toFixed(1)}H${px(edges[b + 1]).toFixed(1)}`).join("");
        data.append(svg("path", {
          d: `M${px(edges[0]).toFixed(1)} ${bottom}${outline}V${bottom}Z`, style: `fill:${colour(items[i].colour)}`, "fill-opacity": 0.16,
        }));
      }
    }
    const few = visible.reduce((sum, i) => sum + curves[i].x.length, 0) < 600;  // then dots may be large
    for (const i of visible) {
      const dots = shape === "dots";
      data.append(svg("path", {
        class: "curve", d: path(curves[i].x, curves[i].y, px, py, shape), fill: "none", style: `stroke:${colour(items[i].colour)}`,
        "stroke-width": dots ? (few ? 6 : 3) : 2, "stroke-linecap": "round", "stroke-linejoin": "round", opacity: dots ? (few ? 0.85 : 0.6) : 1,
        "stroke-dasharray": !dots && items[i].colour >= colours ? "6 4" : null,
      }));
    }
    for (const i of options.marks ? visible : []) {
      curves[i].x.forEach((v, k) => curves[i].y[k] !== null && root.append(svg("circle", { class: "halo", cx: px(v), cy: py(curves[i].y[k]), r: 4, style: `fill:${colour(items[i].colour)}` })));
    }
    const count = 160;
    const probe = {
      count,
      locate: (atX) => Math.round(Math.max(0, Math.min(1, (atX - area.left) / area.width)) * (count - 1)),
      at: (index) => {
        const value = x.from(index / (count - 1));
        const rows = [], marks = [];
        for (const i of visible) {
          const k = nearest(curves[i].x, value);
          if (curves[i].y[k] === null) continue;
          rows.push([items[i], number(curves[i].y[k]) + (options.yUnit ?? "")]);
          marks.push(svg("circle", { class: "halo", r: 4, cx: px(curves[i].x[k]), cy: py(curves[i].y[k]), style: `fill:${colour(items[i].colour)}` }));
        }
        marks.unshift(svg("line", { class: "cross", x1: px(value), x2: px(value), y1: area.top, y2: bottom }));
        return { title: `${number(value)}${options.xUnit ?? ""}`, rows, marks, x: px(value), y: area.top + 8 };
      },
    };
    return { root, probe };
  };
}

// Groups of bars, one bar per item. options: groups [names]; value(item, group); interval(item, group) or undefined;
// reference: a dashed line; yTitle, yUnit, height.
function barChart(items, options) {
  return (width, shown) => {
    const { groups, value, interval = () => null } = options;
    const visible = items.map((_, i) => i).filter((i) => shown.has(i));
    const tops = groups.flatMap((_, g) => visible.flatMap((i) => [value(i, g), interval(i, g)?.[1] ?? null]));
    const y = linearScale(0, Math.max(extent([tops])[1], options.reference ?? 0) * 1.06, 5);
    const { root, area, py, bottom } = frame(width, options.height ?? 280, { ...options, y, groups });
    const step = area.width / groups.length, each = Math.min(64, (step * 0.8) / Math.max(1, visible.length));
    const leftOf = (g, n) => area.left + step * (g + 0.5) + (n - visible.length / 2) * each;
    groups.forEach((_, g) => visible.forEach((i, n) => {
      const v = value(i, g);
      if (v === null) return;
      root.append(svg("rect", { class: "bar", x: leftOf(g, n) + each * 0.06, width: each * 0.88, y: py(v), height: Math.max(0, bottom - py(v)), rx: Math.min(3, each / 6), style: `fill:${colour(items[i].colour)}` }));
      const range = interval(i, g);
      const middle = leftOf(g, n) + each / 2, cap = Math.min(5, each / 4);
      if (range) root.append(svg("path", { class: "whisker", d: `M${middle} ${py(Math.max(0, range[0]))}V${py(range[1])}m${-cap} 0h${2 * cap}M${middle - cap} ${py(Math.max(0, range[0]))}h${2 * cap}` }));
    }));
    if (options.reference) root.append(svg("line", { class: "reference", x1: area.left, x2: area.left + area.width, y1: py(options.reference), y2: py(options.reference) }));
    const probe = {
      count: groups.length,
      locate: (atX) => Math.max(0, Math.min(groups.length - 1, Math.floor((atX - area.left) / step))),
      at: (g) => ({
        title: groups[g],
        rows: visible.filter((i) => value(i, g) !== null).map((i) => {
          const range = interval(i, g);
          return [items[i], number(value(i, g)) + (options.yUnit ?? "") + (range ? ` [${number(range[0])}, ${number(range[1])}]` : "")];
        }),
        marks: [svg("rect", { class: "window", x: area.left + step * g, y: area.top, width: step, height: area.height })],
        x: area.left + step * (g + 0.5), y: area.top + 8,
      }),
    };
    return { root, probe };
  };
}

// One row per item, named at the left: a bar from zero, or a box with whiskers. options: kind "bar" or "box"; value(i)
// or boxes [..] by item; interval(i); reference; logX; xTitle, xUnit.
function rowChart(items, options) {
  return (width, shown) => {
    const boxes = options.boxes;
    const visible = items.map((_, i) => i).filter((i) => shown.has(i) && (boxes ? boxes[i].p50 !== null : options.value(i) !== null));
    const interval = options.interval ?? (() => null);
    const reach = extent(visible.map((i) => (boxes ? [boxes[i].low, boxes[i].high, ...boxes[i].outliers] : [0, options.value(i), interval(i)?.[1] ?? null])));
    const pad = boxes ? (reach[1] - reach[0]) * 0.03 || reach[1] * 0.03 : 0;
    const x = options.logX ? logScale(reach[0] / 1.05, reach[1] * 1.05)
      : linearScale(reach[0] - pad, Math.max(reach[1] * (boxes ? 1 : 1.06) + pad, options.reference ?? 0), Math.max(3, width / 100));
    const height = Math.max(90, visible.length * Math.max(26, Math.min(46, 250 / Math.max(1, visible.length))) + 54);
    const { root, area, px, bottom } = frame(width, height, { ...options, x, rows: visible.map((i) => items[i].name).concat(visible.length ? [] : [""]) });
    const step = area.height / Math.max(1, visible.length), thick = Math.min(24, step * 0.62);
    const middle = (n) => area.top + step * (n + 0.5);
    visible.forEach((i, n) => {
      const y = middle(n), fill = `fill:${colour(items[i].colour)}`;
      if (boxes) {
        const b = boxes[i];
        root.append(svg("path", { class: "whisker", d: `M${px(b.low)} ${y}H${px(b.high)}M${px(b.low)} ${y - thick / 4}v${thick / 2}M${px(b.high)} ${y - thick / 4}v${thick / 2}` }));
        root.append(svg("rect", { class: "bar", x: px(b.p25), width: Math.max(2, px(b.p75) - px(b.p25)), y: y - thick / 2, height: thick, rx: 2, style: fill }));
        root.append(svg("line", { class: "median", x1: px(b.p50), x2: px(b.p50), y1: y - thick / 2, y2: y + thick / 2 }));
        root.append(svg("path", { d: `M${px(b.mean)} ${y - 4}l4 4l-4 4l-4 -4z`, class: "halo", style: "fill:var(--ink)" }));
        for (const v of b.outliers) root.append(svg("circle", { cx: px(v), cy: y, r: 2.2, style: fill, opacity: 0.6 }));
      } else {
        const v = options.value(i), range = interval(i);
        root.append(svg("rect", { class: "bar", x: area.left, width: Math.max(0, px(v) - area.left), y: y - thick / 2, height: thick, rx: 3, style: fill }));
        if (range) root.append(svg("path", { class: "whisker", d: `M${px(range[0])} ${y}H${px(range[1])}M${px(range[0])} ${y - 5}v10M${px(range[1])} ${y - 5}v10` }));
      }
    });
    if (options.reference) root.append(svg("line", { class: "reference", x1: px(options.reference), x2: px(options.reference), y1: area.top, y2: bottom }));
    const probe = {
      count: visible.length,
      locate: (_, atY) => Math.max(0, Math.min(visible.length - 1, Math.floor((atY - area.top) / step))),
      at: (n) => ({
        title: items[visible[n]].name, rows: options.rows(visible[n]),
        marks: [svg("rect", { class: "window", x: area.left, y: area.top + step * n, width: area.width, height: step })],
        x: area.left + area.width * 0.55, y: middle(n),
      }),
    };
    return { root, probe };
  };
}

// Points with names. options: x(i), y(i); xTitle, yTitle; rows(i).
function scatterChart(items, options) {
  return (width, shown) => {
    const visible = items.map((_, i) => i).filter((i) => shown.has(i) && options.x(i) !== null && options.y(i) !== null);
    const xs = extent([visible.map(options.x), [0.95, 1.05]]), ys = extent([visible.map(options.y), [0.95, 1.05]]);
    const room = (r) => (r[1] - r[0]) * 0.12;
    const x = linearScale(xs[0] - room(xs), xs[1] + room(xs), Math.max(3, width / 110));
    const y = linearScale(ys[0] - room(ys), ys[1] + room(ys), 5);
    const { root, area, px, py } = frame(width, options.height ?? 320, { xTitle: options.xTitle, yTitle: options.yTitle, x, y });
    const taken = visible.map((i) => [px(options.x(i)) - 8, py(options.y(i)) - 8, px(options.x(i)) + 8, py(options.y(i)) + 8]);
    const isFree = ([l, t, r, b]) => l > area.left && r < area.left + area.width && taken.every((o) => r < o[0] || l > o[2] || b < o[1] || t > o[3]);
    for (const i of visible) {
      const x0 = px(options.x(i)), y0 = py(options.y(i)), name = shorten(items[i].name, 26), long = textWidth(name);
      root.append(svg("circle", { class: "bar halo", cx: x0, cy: y0, r: 7, style: `fill:${colour(items[i].colour)}` }));
      // Right, left, above or below, where nothing else is; a name that finds no place is in the tooltip.
      const places = [[x0 + 12, y0 + 4], [x0 - 12 - long, y0 + 4], [x0 - long / 2, y0 - 14], [x0 - long / 2, y0 + 22]];
      const box = ([x, y]) => [x, y - 11, x + long, y + 3];
      const place = places.find((p) => isFree(box(p)));
      if (!place) continue;
      taken.push(box(place));
      root.append(svg("text", { class: "label", x: place[0], y: place[1] }, name));
    }
    const distance = (i, a, b) => (px(options.x(i)) - a) ** 2 + (py(options.y(i)) - b) ** 2;
    const probe = {
      count: visible.length,
      locate: (a, b) => visible.reduce((best, i, n) => (distance(i, a, b) < distance(visible[best], a, b) ? n : best), 0),
      at: (n) => ({
        title: items[visible[n]].name, rows: options.rows(visible[n]), x: px(options.x(visible[n])), y: py(options.y(visible[n])),
        marks: [svg("circle", { cx: px(options.x(visible[n])), cy: py(options.y(visible[n])), r: 11, fill: "none", stroke: "var(--ink)" })],
      }),
    };
    return { root, probe };
  };
}

// A matrix of p-values: darker is smaller. options: p(a, b) or null; rows(a, b).
function heatChart(items, options) {
  return (width, shown) => {
    const visible = items.map((_, i) => i).filter((i) => shown.has(i));
    const n = Math.max(1, visible.length);
    const left = Math.min(width * 0.4, 32 + Math.max(20, ...visible.map((i) => textWidth(shorten(items[i].name, 22)))));
    const cell = Math.min(72, (width - left - 8) / n), tall = Math.min(cell, 44);
    const height = tall * n + 34;
    const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const label = (i, most) => shorten(items[i].name, Math.max(2, Math.floor(most / 6.9)));
    const fits = visible.every((i) => textWidth(items[i].name) < cell - 4);
    const cells = [];
    visible.forEach((a, row) => {
      root.append(svg("text", { class: "label", x: left - (fits ? 8 : 26), y: tall * (row + 0.5) + 4, "text-anchor": "end" }, label(a, left - 28)));
      const under = left + cell * (row + 0.5);
      root.append(fits ? svg("text", { class: "label", x: under, y: tall * n + 18, "text-anchor": "middle" }, items[a].name)
        : svg("rect", { x: under - 6, y: tall * n + 6, width: 12, height: 12, rx: 3, style: `fill:${colour(items[a].colour)}` }));
      if (!fits) root.append(svg("rect", { x: left - 18, y: tall * (row + 0.5) - 6, width: 12, height: 12, rx: 3, style: `fill:${colour(items[a].colour)}` }));
      visible.forEach((b, column) => {
        const p = a === b ? null : options.p(a, b);
        const strength = p === null ? 0 : Math.min(1, -Math.log10(Math.max(p, 1e-12)) / 6);
        const box = { x: left + cell * column + 1, y: tall * row + 1, width: cell - 2, height: tall - 2 };
        root.append(svg("rect", { ...box, rx: 3, class: "bar", style: p === null ? "fill:var(--faint)" : `fill:color-mix(in srgb, var(--t0) ${Math.round(8 + strength * 82)}%, var(--paper))` }));
        if (p !== null && cell >= 44) root.append(svg("text", { x: box.x + box.width / 2, y: box.y + box.height / 2 + 4, "text-anchor": "middle", style: `fill:${strength > 0.45 ? "var(--on-t0)" : "var(--ink)"}` }, p < 0.001 ? "<0.001" : p.toFixed(3)));
        if (p !== null) cells.push({ a, b, box });
      });
    });
    const probe = {
      count: cells.length,
      locate: (x, y) => Math.max(0, cells.findIndex(({ box }) => x >= box.x - 1 && x <= box.x + box.width + 1 && y >= box.y - 1 && y <= box.y + box.height + 1)),
      at: (i) => ({
        title: `${items[cells[i].a].name} and ${items[cells[i].b].name}`, rows: options.rows(cells[i].a, cells[i].b),
        marks: [svg("rect", { ...cells[i].box, fill: "none", stroke: "var(--ink)", "stroke-width": 2, rx: 3 })],
        x: cells[i].box.x + cell / 2, y: cells[i].box.y + tall,
      }),
    };
    return { root, probe };
  };
}
