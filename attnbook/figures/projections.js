// Three projections: two embeddings, three 2 × 2 matrices by the images of the axes, one lookup.
const REACH = 2;
const SUB = "₁₂";
const snap = (v) => Math.round(clamp(v, -REACH, REACH) * 20) / 20;
const IDENTITY = [[1, 0], [0, 1]];
const START = { x1: [1.7, 0], x2: [-0.85, 1.45], wk: IDENTITY, wv: [[1, 0], [0, -1]], tied: false };

function project({ x1, x2, wq, wk, wv, tied }) {
  const x = [x1, x2];
  const [queries, keys, values] = [wq, tied ? wq : wk, wv].map((w) => matmul(x, w));
  const scores = matmul(queries, transpose(keys));
  const scaled = scores.map((row) => row.map((s) => s / Math.SQRT2));
  const weights = scaled.map((row) => softmax(row));
  return { queries, keys, values, scores, scaled, weights, outputs: matmul(weights, values),
    asymmetry: Math.abs(scores[0][1] - scores[1][0]) };
}

// Where everything stands: four square planes and two heatmaps, in one row or in pairs.
function plan(width) {
  const narrow = width < 520;
  const side = narrow ? (width - 14) / 2 : Math.min(176, (width - 42) / 4);
  const pitch = narrow ? side + 14 : (width - side) / 3;
  const planes = ["x", "query", "key", "value"].map((role, i) => ({ role, side,
    x: (narrow ? i % 2 : i) * pitch, y: 22 + (narrow && i > 1 ? side + 34 : 0) }));
  const foot = planes[3].y + side;
  const cell = narrow ? 92 : 130;
  const maps = [0, 1].map((i) => ({ x: (narrow ? 26 : 60) + i * (narrow ? width / 2 + 4 : width / 2), y: foot + 46, cell }));
  return { planes, maps, height: foot + 46 + cell + 38 };
}
// Each plane shows at least ±REACH, and more when a product is longer.
function scales(plane, points) {
  const span = 1.12 * Math.max(REACH, ...points.flat().map(Math.abs));
  return [linear([-span, span], [plane.x, plane.x + plane.side]), linear([-span, span], [plane.y + plane.side, plane.y])];
}
function scenes({ state, numbers, width }) {
  const { planes } = plan(width);
  const parts = [
    { words: "embeddings x", points: [state.x1, state.x2] },
    { words: "queries q = x W_Q", points: numbers.queries, matrix: state.wq, name: "wq", letter: "q" },
    { words: "keys k = x W_K", points: numbers.keys, matrix: state.tied ? state.wq : state.wk, name: state.tied ? "wq" : "wk", letter: "k" },
    { words: "values v = x W_V", points: numbers.values, matrix: state.wv, name: "wv", letter: "v" }];
  return parts.map((part, i) => {
    const [sx, sy] = scales(planes[i], part.points);
    return { ...part, ...planes[i], sx, sy, at: ([a, b]) => [sx(a), sy(b)] };
  });
}
const subscripted = (words) => {
  const [head, tail] = words.split("_");
  return tail ? [head, svg("tspan", { dy: 3, "font-size": 9 }, tail)] : [head];
};
const ring = (words) => svg("g", {}, svg("circle", { r: 9, style: "fill: var(--ab-page)", class: "ab-muted-line", "stroke-width": 2 }),
  label(0, 4, words, { "text-anchor": "middle", "font-size": 10 }));
const arrowTip = (role, words) => svg("g", {}, svg("circle", { r: 9, style: "fill: var(--ab-page)", class: `ab-${role}-line`, "stroke-width": 1.5 }),
  label(0, 4, words, { class: `ab-${role}-text`, "text-anchor": "middle" }));

function render({ model, el }) {
  return figure({
    model, el,
    title: "With two projections, 1 can look at 2 without 2 looking back",
    legend: [["query", "queries q"], ["key", "keys k"], ["value", "values v; hollow: outputs"], ["weight", "scores, weights"]],
    controls: [
      toggle("tied", { label: "Tie W_K to W_Q" }),
      presets([
        ["Turn W_Q", { ...START, wq: [[-0.5, 0.85], [-0.85, -0.5]] }],
        ["W_Q = W_K", { ...START, wq: IDENTITY }],
        ["Mirror W_Q", { ...START, wq: [[-0.5, 0.85], [0.85, 0.5]] }],
        ["W_K = 0", { ...START, wq: [[-0.5, 0.85], [-0.85, -0.5]], wk: [[0, 0], [0, 0]] }],
      ]),
    ],
    readouts: [
      { name: "scores", label: "s₁₂", role: "weight", show: (s) => text(s[0][1]) },
      { name: "scores", label: "s₂₁", role: "weight", show: (s) => text(s[1][0]) },
      { name: "asymmetry", label: "asymmetry |s₁₂ − s₂₁|", digits: 2 },
      { name: "outputs", label: "o₁, o₂", role: "value", show: (o) => `${text(o[0])}, ${text(o[1])}` },
    ],
    height: (width) => plan(width).height,
    compute: project,
    draw: (ctx) => {
      const { numbers, layer, width, say, memory, narrow } = ctx;
      scenes(ctx).forEach((scene) => {
        const { x, y, side, sx, sy, at, role } = scene;
        layer.append(svg("rect", { x, y, width: side, height: side, class: "ab-outline" }),
          svg("path", { d: `M${x},${sy(0)}h${side}M${sx(0)},${y}v${side}`, class: "ab-hair" }),
          label(x + 2, y - 7, "", {}));
        layer.lastChild.append(...subscripted(scene.words));
        if (!scene.matrix) return;
        scene.matrix.forEach((tip) => layer.append(line([at([0, 0]), at(tip)], { class: `ab-${role}-line`, "stroke-width": 1.5 })));
        if (role === "value") {
          layer.append(line(scene.points.map(at), { class: "ab-value-line ab-dashed", "stroke-width": 1 }));
          numbers.outputs.forEach((o, i) => {
            const [px, py] = at(o);
            layer.append(svg("rect", { x: px - 5, y: py - 5, width: 10, height: 10, class: "ab-value-line", "stroke-width": 1.5 }),
              label(px + 8, py + 16, `o${SUB[i]}`, { class: "ab-value-text" }));
          });
        }
        scene.points.forEach((p, i) => {
          const [px, py] = at(p);
          const [dx, dy] = [px - sx(0), py - sy(0)]; // the name stands outwards, or inwards at the edge
          const reach = Math.hypot(dx, dy) || 1;
          const away = (Math.max(Math.abs(dx), Math.abs(dy)) + 18 > side / 2 ? -18 : 16) / reach;
          layer.append(marker(role, px, py, 6), label(px + dx * away, py + dy * away + (reach === 1 ? 18 : 4),
            `${scene.letter}${SUB[i]}`, { class: `ab-${role}-text`, "text-anchor": "middle" }));
        });
      });
      const names = [["x₁", "x₂"], ["x₁", "x₂"]];
      plan(width).maps.forEach(({ x, y, cell }, i) => {
        const matrix = [numbers.scores, numbers.weights][i];
        const name = ["score", "weight"][i];
        layer.append(label(x, y - 10, i ? "weights, rows sum to 1" : "scores q·k"),
          heatmap({ x, y, width: cell, height: cell, matrix, rowLabels: names[0], colLabels: names[1], name, say,
            rowName: "query of", colName: "key of", domain: i ? [0, 1] : null, memory: (memory[name] ??= {}) }),
          label(x + cell / 2, y + cell + 32, narrow ? "key of" : "column: key of", { class: "ab-muted-text", "text-anchor": "middle" }));
        if (!narrow) layer.append(label(0, 0, "row: query of", { class: "ab-muted-text", "text-anchor": "middle",
          transform: `translate(${x - 30},${y + cell / 2}) rotate(-90)` }));
      });
    },
    handles: (ctx) => {
      const { state, set } = ctx;
      const list = [];
      scenes(ctx).forEach(({ sx, sy, at, role, matrix, name, points }) => {
        const step = [sx(0.1) - sx(0), sy(0) - sy(0.1)];
        if (!matrix) points.forEach((p, i) => list.push({ id: `x${i + 1}`, role, label: `embedding x${i + 1}`, at: at(p), step,
          now: p[0], value: text(p), range: [-REACH, REACH], mark: ring(`x${SUB[i]}`),
          move: (px, py) => set({ [`x${i + 1}`]: [snap(sx.invert(px)), snap(sy.invert(py))] }) }));
        else matrix.forEach((tip, i) => list.push({ id: `${role}-${i}`, role, label: `${role} projection: where axis ${i + 1} goes`,
          at: at(tip), step, now: tip[0], value: text(tip), range: [-REACH, REACH], mark: arrowTip(role, `e${SUB[i]}`),
          move: (px, py) => set({ [name]: state[name].map((row, r) => (r === i ? [snap(sx.invert(px)), snap(sy.invert(py))] : row)) }) }));
      });
      return list;
    },
  });
}
export default { render };
