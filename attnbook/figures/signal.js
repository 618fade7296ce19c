// A nudge at position t, felt at position n: through n - t recurrent steps, or one lookup.
const LONGEST = 60;
const WIDTH = 8;
const [LOWEST, HIGHEST] = [-9, 6]; // powers of ten that the stage shows
const identity = range(WIDTH).map((i) => range(WIDTH).map((j) => Number(i === j)));
// A mirror and a shift: orthogonal, so that the gain alone says how much a step stretches.
const MIRROR = range(WIDTH).map((i) => range(WIDTH).map((j) => Number((i + WIDTH - 1) % WIDTH === j) - 2 / WIDTH));

// Some inputs that neither repeat nor grow.
const INPUTS = range(LONGEST).map((t) => range(WIDTH).map((i) => 0.4 * Math.sin((t + 1) * (i + 1))));

function compute({ length, gain, gate, squash, match }) {
  let h = Array(WIDTH).fill(0);
  const steps = INPUTS.slice(0, length).map((x) => {
    const inner = MIRROR.map((row, i) => gain * dot(row, h) + x[i]);
    const fresh = inner.map((a) => (squash ? Math.tanh(a) : a));
    h = h.map((old, i) => gate * old + (1 - gate) * fresh[i]);
    return MIRROR.map((row, i) => row.map((u, j) => gate * identity[i][j] + (1 - gate) * (squash ? 1 - fresh[i] ** 2 : 1) * gain * u));
  });
  let product = identity;
  const powers = [0];
  for (const step of steps.slice(1).reverse()) {
    product = matmul(product, step);
    powers.push(Math.log10(Math.sqrt(sum(product.flat().map((x) => x * x)) / WIDTH)));
  }
  const power = powers.at(-1);
  return { powers, power, kept: 10 ** (power / (length - 1)),
    weight: softmax(range(length).map((i) => (i ? 0 : match)))[0] };
}

const raised = (n) => String(n).replace(/[-\d]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
// A positive number from its power of ten: 0.043, 3.1 · 10⁻⁷.
function small(power) {
  if (power > -2 && power < 3) return text(10 ** power, power > 0 ? 1 : 3);
  const [mantissa, exponent] = (10 ** (power - Math.floor(power))).toFixed(1) === "10.0" ? ["1.0", Math.floor(power) + 1]
    : [(10 ** (power - Math.floor(power))).toFixed(1), Math.floor(power)];
  return `${mantissa} · 10${raised(exponent)}`;
}

function plan(width) {
  return { x: linear([0, LONGEST], [54, width - 14]), y: linear([LOWEST, HIGHEST], [296, 12]), foot: 320 };
}

function render({ model, el }) {
  return figure({
    model, el,
    title: "A chain of steps loses the first position; one lookup does not",
    legend: [["query", "position n: drag it"], ["key", "positions before it"], ["weight", "through one lookup"]],
    controls: [
      slider("gain", { label: "Gain g", min: 0.5, max: 2, step: 0.05 }),
      slider("gate", { label: "Gate z", min: 0, max: 0.99, step: 0.01 }),
    ],
    more: [
      slider("match", { label: "Score of what is looked for", min: 0, max: 10, step: 0.5, digits: 1 }),
      toggle("squash", { label: "tanh in each step" }),
    ],
    readouts: [
      { name: "power", label: "left of position 1, by steps:", show: small },
      { name: "weight", label: "by one lookup:", digits: 3, role: "weight" },
      { name: "kept", label: "a step keeps", digits: 3 },
    ],
    height: 370,
    compute,
    draw: ({ state, numbers, layer, width, narrow }) => {
      const { x, y, foot } = plan(width);
      const n = state.length;
      const grid = svg("g", { class: "ab-axis" });
      for (const power of [-9, -6, -3, 0, 3, 6]) {
        grid.append(svg("path", { d: `M${x(0)},${y(power)}H${x(LONGEST)}`, style: "stroke: var(--ab-rule)" }),
          label(x(0) - 7, y(power) + 4, power ? `10${raised(power)}` : "1", { "text-anchor": "end" }));
      }
      grid.append(label(0, 0, narrow ? "signal" : "signal that arrives at n", { class: "ab-name", "text-anchor": "middle",
        transform: `translate(12,${(y(LOWEST) + y(HIGHEST)) / 2}) rotate(-90)` }));
      layer.append(grid, axis(x, { at: foot + 8, values: [1, 10, 20, 30, 40, 50, 60], name: "position" }));
      range(n - 1).forEach((i) => layer.append(marker("key", x(i + 1), foot, narrow ? 2 : 3)));
      // The line ends where it leaves the stage: half a step past its last point within.
      const inside = numbers.powers.findIndex((power) => power < LOWEST || power > HIGHEST);
      const shown = inside < 0 ? numbers.powers : numbers.powers.slice(0, inside);
      const at = y(Math.log10(numbers.weight));
      const [left, height] = [x(n - shown.length + 1), y(shown.at(-1))];
      layer.append(svg("path", { d: `M${x(1)},${at}H${x(n)}`, class: "ab-weight-line", "stroke-width": 2.5 }),
        line(shown.map((power, k) => [x(n - k), y(power)])), marker("weight", x(1), at, 5));
      const steps = `through ${n - 1} step${n > 2 ? "s" : ""}`;
      const up = shown.at(-1) > 0.5;
      if (inside < 0) layer.append(svg("circle", { cx: left, cy: height, r: 4, style: "fill: var(--ab-ink)" }));
      layer.append(label(x(1) + 10, at + (up ? 20 : -9), "through one lookup", { class: "ab-weight-text" }),
        inside < 0 ? label(left + 12, clamp(height + (up ? -10 : 20), 24, 292), steps)
          : label(left + (left > width / 2 ? -14 : up ? 70 : 14), up ? 24 : 288, `${steps}: off the scale`, { "text-anchor": left > width / 2 ? "end" : "start" }));
    },
    handles: ({ state, width, set }) => {
      const { x, foot } = plan(width);
      return [{ id: "length", role: "query", label: "Length n: how far position 1 lies back", at: [x(state.length), foot], range: [2, LONGEST],
        now: state.length, value: `n = ${state.length}`, step: [x(1) - x(0), 0],
        move: (px) => set({ length: clamp(Math.round(x.invert(px)), 2, LONGEST) }) }];
    },
  });
}
export default { render };
