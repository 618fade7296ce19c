// Lookup in the plane: drag the query, keys and values; scores, weights and output follow.
const X = [-3, 3];
const Y = [-2, 2];
const MOST = 6;
// What a new entry brings: its key and its value.
const SPARE = [[[1, 1], [0, 0]], [[0, 1.5], [1.7, -1]], [[-1.5, 0], [1.2, 1.6]], [[0.8, -1.5], [2.3, -0.9]],
  [[2.4, -0.6], [0.2, 0.5]], [[-0.3, 1.7], [-0.5, -0.7]]];
const nth = (i) => "₁₂₃₄₅₆"[i];

function lookUp({ query, key_list: keys, value_list: values, score, hard }) {
  const n = Math.min(keys.length, values.length);
  const scores = keys.slice(0, n).map((k) => score === "dot" ? dot(query, k)
    : -0.5 * ((query[0] - k[0]) ** 2 + (query[1] - k[1]) ** 2));
  const weights = softmax(scores, hard ? 0 : 1);
  const mean = (points) => [0, 1].map((c) => blend(weights, points.slice(0, n).map((p) => p[c])));
  const [output, centre] = [mean(values), mean(keys)];
  // d output / d query is the covariance of values and keys under the weights.
  const slopes = [0, 1].flatMap((a) => [0, 1].map((b) =>
    sum(weights.map((w, i) => w * (values[i][a] - output[a]) * (keys[i][b] - centre[b])))));
  return { scores, weights, output, sensitivity: hard ? 0 : Math.hypot(...slopes) };
}

// The corners of the convex hull, in order (Andrew's monotone chain).
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const left = ([ax, ay], [bx, by], [x, y]) => (bx - ax) * (y - ay) - (by - ay) * (x - ax);
  const chain = (ordered) => ordered.reduce((corners, p) => {
    while (corners.length > 1 && left(corners.at(-2), corners.at(-1), p) <= 0) corners.pop();
    return [...corners, p];
  }, []).slice(0, -1);
  return [...chain(sorted), ...chain(sorted.reverse())];
}

// Two planes of one scale, beside each other or, on a phone, above each other; the bars below.
function plan(width) {
  const narrow = width < 520;
  const across = narrow ? width - 54 : (width - 108) / 2;
  const tall = (across * (Y[1] - Y[0])) / (X[1] - X[0]);
  const panel = (left, top) => ({ left, top, bottom: top + tall,
    x: linear(X, [left, left + across]), y: linear(Y, [top + tall, top]) });
  const panels = narrow ? [panel(44, 22), panel(44, tall + 88)] : [panel(44, 22), panel(across + 98, 22)];
  const bars = panels[1].bottom + 76;
  return { panels, bars, height: bars + 116 };
}

const moved = (points, i, point) => points.map((p, j) => (j === i ? point : p));

function render({ model, el }) {
  return figure({
    model, el,
    title: "Drag the query: the output moves, and never leaves the hull of the values",
    legend: [["query", "query q"], ["key", "keys kᵢ"], ["value", "values vᵢ, output"], ["weight", "scores sᵢ, weights αᵢ"]],
    controls: [
      choice("score", { label: "Score", options: [["dot", "dot product"], ["distance", "distance, −½‖q − kᵢ‖²"]] }),
      toggle("hard", { label: "Hard (T = 0)" }),
      presets([
        ["Orthogonal keys", { query: [1.5, 0], key_list: [[1.5, 0], [0, 1.5]], value_list: [[-2, 1.3], [1.7, -1]], score: "dot", hard: false }],
        ["Identical keys", ({ key_list: keys }) => ({ key_list: keys.map(() => [1.2, 0.8]), hard: false })],
        ["Identical values", ({ value_list: values }) => ({ value_list: values.map(() => [1, 0.5]) })],
      ], { label: "Special cases" }),
    ],
    more: [presets([
      ["Add an entry", ({ key_list: keys, value_list: values }) => (keys.length < MOST
        ? { key_list: [...keys, SPARE[keys.length][0]], value_list: [...values, SPARE[keys.length][1]] } : {})],
      ["Remove the last entry", ({ key_list: keys, value_list: values }) => (keys.length > 1
        ? { key_list: keys.slice(0, -1), value_list: values.slice(0, -1) } : {})],
      ["Query at the origin", { query: [0, 0] }],
      ["Query at k₁", ({ key_list: keys }) => ({ query: keys[0] })],
    ], { label: "Entries and query" })],
    readouts: [
      { name: "output", label: "output", role: "value" },
      { name: "sensitivity", label: "how fast it moves, ‖∂output/∂q‖" },
    ],
    height: (width) => plan(width).height,
    compute: lookUp,
    draw: ({ state, numbers: { scores, weights, output }, layer, width }) => {
      const { panels, bars } = plan(width);
      const ends = [state.query, output];
      panels.forEach(({ x, y, left, top, bottom }, side) => {
        const points = (side ? state.value_list : state.key_list).slice(0, weights.length);
        const at = ([a, b]) => [x(a), y(b)];
        const [role, letter] = side ? ["value", "v"] : ["key", "k"];
        layer.append(label(left, top - 8, side ? "Values and output" : "Query and keys", { class: "ab-name" }),
          svg("path", { d: `M${x(X[0])},${y(0)}H${x(X[1])}M${x(0)},${top}V${bottom}`, class: "ab-hair" }),
          axis(x, { at: bottom, name: "dimension 1", values: [-3, -2, -1, 0, 1, 2, 3] }),
          axis(y, { side: "left", at: left, name: "dimension 2", values: [-2, -1, 0, 1, 2] }));
        if (side) layer.append(svg("polygon", { points: hull(points).map((p) => at(p).join()).join(" "),
          class: "ab-value-line", style: "fill:var(--ab-value);fill-opacity:0.1" }));
        points.forEach((p, i) => {
          layer.append(line([at(ends[side]), at(p)], { class: "ab-weight-line", opacity: 0.45, style: `stroke-width:${(0.4 + 11 * weights[i]).toFixed(2)}` }),
            label(x(p[0]) + 12, y(p[1]) - 8, letter + nth(i), { class: `ab-${role}-text` }));
        });
        const [px, py] = at(ends[side]);
        if (side) layer.append(svg("rect", { x: px - 8, y: py - 8, width: 16, height: 16, class: "ab-value-line", "stroke-width": 3, style: "fill:var(--ab-page)" }));
        layer.append(label(px + 13, py + 16, side ? "output" : "q", { class: side ? "ab-value-text" : "ab-query-text" }));
      });
      // The bars: name, score (signed), weight.
      const row = Math.min(26, 104 / weights.length);
      const half = (width - 74) / 2;
      const reach = Math.max(1, ...scores.map(Math.abs));
      const s = linear([-reach, reach], [40, 40 + half - 54]);
      const a = linear([0, 1], [40 + half + 24, width - 50]);
      layer.append(label(s(0), bars - 10, state.score === "dot" ? "score sᵢ = q·kᵢ" : "score sᵢ = −½‖q − kᵢ‖²", { class: "ab-name", "text-anchor": "middle" }),
        label(a(0), bars - 10, state.hard ? "weight αᵢ at T = 0" : "weight αᵢ = softmax(s)ᵢ", { class: "ab-name" }),
        svg("path", { d: `M${s(0)},${bars}v${row * weights.length}M${a(0)},${bars}v${row * weights.length}`, class: "ab-muted-line" }));
      const bar = (from, to, y, opacity) => svg("rect", { x: Math.min(from, to), width: Math.abs(to - from), y: y - row * 0.3, height: row * 0.6, class: "ab-weight", opacity });
      weights.forEach((w, i) => {
        const y = bars + (i + 0.5) * row;
        layer.append(marker("key", 8, y, 4), label(18, y + 4, i + 1),
          bar(s(0), s(scores[i]), y, 0.45), label(40 + half - 46, y + 4, text(scores[i]), {}),
          bar(a(0), a(w), y, 1), label(a(w) + 6, y + 4, text(w, 3)));
      });
    },
    handles: ({ state, width, set }) => {
      const { panels } = plan(width);
      const grip = (side, id, role, words, point, move) => {
        const { x, y } = panels[side];
        return { id, role, label: `${words}, in the plane`, at: [x(point[0]), y(point[1])], step: [x(0.1) - x(0), x(0.1) - x(0)],
          value: `${words} at ${text(point)}`, now: point[0], range: X, move: (px, py) => move(
            [[x, px, X], [y, py, Y]].map(([scale, p, ends]) => Math.round(clamp(scale.invert(p), ...ends) * 100) / 100)) };
      };
      return [
        ...state.key_list.map((k, i) => grip(0, `key-${i}`, "key", `key ${i + 1}`, k, (p) => set({ key_list: moved(state.key_list, i, p) }))),
        ...state.value_list.map((v, i) => grip(1, `value-${i}`, "value", `value ${i + 1}`, v, (p) => set({ value_list: moved(state.value_list, i, p) }))),
        grip(0, "query", "query", "query", state.query, (p) => set({ query: p })),
      ];
    },
  });
}
export default { render };
