// Kernel regression: a soft lookup by distance. Move the query, change the bandwidth.
const REACH = [0, 5];
const curve = (x) => Math.sin(2 * x) + x / 2;

function lookUp(query, { xs, ys, kernel, bandwidth }) {
  const points = xs.slice(0, ys.length);
  let weights;
  if (kernel === "gaussian") weights = softmax(points.map((x) => -0.5 * (query - x) ** 2), bandwidth * bandwidth);
  else {
    const heights = points.map((x) => {
      const u = (query - x) / bandwidth;
      return u * u > 1 ? 0 : kernel === "boxcar" ? 1 : 1 - u * u;
    });
    const total = sum(heights) || 1;
    weights = heights.map((height) => height / total);
  }
  return { weights, prediction: blend(weights, ys) };
}

// On a phone the heatmap stands below the fit.
function plan(width) {
  const narrow = width < 520;
  const fit = { left: 46, right: narrow ? width - 10 : Math.round(width * 0.56), top: 24, bottom: 236, base: 322 };
  const map = narrow ? { x: 46, y: 398, width: width - 46 - 52, height: 210 }
    : { x: fit.right + 62, y: 24, width: width - fit.right - 62 - 48, height: 298 };
  return { fit, map, height: narrow ? 656 : 362 };
}

function render({ model, el }) {
  return figure({
    model, el,
    title: "The bandwidth decides how many points a prediction listens to",
    legend: [["query", "query x"], ["key", "keys xᵢ"], ["value", "values yᵢ, fit"], ["weight", "weights αᵢ"]],
    controls: [
      slider("bandwidth", { label: "Bandwidth h", values: [0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1, 1.4, 2, 3, 5] }),
      choice("kernel", { label: "Kernel", options: [["gaussian", "Gaussian"], ["boxcar", "boxcar"], ["epanechnikov", "Epanechnikov"]] }),
      presets([["Too small", { bandwidth: 0.05 }], ["About right", { bandwidth: 0.25 }], ["Too large", { bandwidth: 2 }]]),
    ],
    readouts: [
      { name: "prediction", label: "prediction", role: "value" },
      { name: "effective", label: "points that count, exp H", digits: 2, role: "weight" },
      { name: "error", label: "mean squared error of the fit" },
    ],
    height: (width) => plan(width).height,
    compute: (state) => {
      const here = lookUp(state.query, state);
      const grid = range(100).map((i) => (i + 0.5) / 20);
      return { ...here, effective: sum(here.weights) > 0 ? Math.exp(entropy(here.weights)) : 0,
        error: sum(grid.map((x) => (lookUp(x, state).prediction - curve(x)) ** 2)) / grid.length };
    },
    draw: ({ state, numbers: { weights, prediction }, under, layer, width, say, memory }) => {
      const { fit, map } = plan(width);
      const x = linear(REACH, [fit.left, fit.right]);
      const y = linear([-1, 4], [fit.bottom, fit.top]);
      const tallest = Math.max(...weights);
      const bars = linear([0, tallest || 1], [fit.base, fit.bottom + 24]);
      const grid = linspace(...REACH, 126);
      layer.append(
        svg("path", { d: `M${x(state.query)},${fit.top}V${fit.base}`, class: "ab-query-line ab-dashed" }),
        axis(y, { side: "left", at: fit.left, name: "y", values: [-1, 0, 1, 2, 3, 4] }),
        svg("path", { d: `M${fit.left},${fit.bottom}H${fit.right}`, class: "ab-hair" }),
        line(grid.map((q) => [x(q), y(curve(q))]), { class: "ab-muted-line ab-dashed" }),
        line(grid.map((q) => [x(q), y(lookUp(q, state).prediction)]), { class: "ab-value-line" }),
        label(fit.right, 12, "solid: fit   dashed: true curve", { class: "ab-muted-text", "text-anchor": "end" }),
        axis(bars, { side: "left", at: fit.left, name: "weight", values: tallest ? [0, tallest] : [0], digits: 2 }),
        axis(x, { at: fit.base, name: "x", count: 5 }));
      layer.append(svg("path", { class: "ab-weight",
        d: weights.map((w, i) => `M${(x(state.xs[i]) - 3).toFixed(1)},${fit.base}V${bars(w).toFixed(1)}h6V${fit.base}Z`).join("") }));
      layer.append(marker("value", x(state.query), y(prediction), 8));
      // 11 queries against all data points; the line is the query that the reader holds.
      const queries = linspace(...REACH, 11);
      const matrix = queries.map((q) => lookUp(q, state).weights);
      const stamp = JSON.stringify([width, state.xs, state.ys]); // what the parts that stay depend on
      if (memory.stamp === stamp) memory.map.update(matrix);
      else {
        Object.assign(memory, { stamp, map: heatmap({ ...map, matrix, rowLabels: queries.map(String), colLabels: weights.map((_, i) => String(i + 1)),
          rowEvery: 2, colEvery: 4, rowName: "query", colName: "data point", say, memory }) });
        under.replaceChildren(memory.map, ...weights.flatMap((_, i) => [
          marker("key", x(state.xs[i]), fit.bottom + 9, 4), marker("value", x(state.xs[i]), y(state.ys[i]), 4)]));
      }
      layer.append(
        label(map.x + map.width / 2, map.y + map.height + 34, "data point i", { class: "ab-name", "text-anchor": "middle" }),
        label(map.x - 34, map.y - 8, "query x", { class: "ab-name" }));
      const row = map.y + (state.query * 2 + 0.5) * (map.height / 11);
      layer.append(svg("path", { d: `M${map.x},${row}h${map.width}`, class: "ab-query-line ab-dashed", "pointer-events": "none" }));
    },
    handles: ({ state, width, set }) => {
      const { fit } = plan(width);
      const x = linear(REACH, [fit.left, fit.right]);
      return [{ id: "query", role: "query", label: "query, along x", at: [x(state.query), fit.base], step: [x(0.05) - x(0), 0],
        now: state.query, value: `x = ${text(state.query)}`, range: REACH,
        move: (px) => set({ query: Math.round(clamp(x.invert(px), ...REACH) * 100) / 100 }) }];
    },
  });
}
export default { render };
