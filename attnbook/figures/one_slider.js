// One slider: the same lookup from one entry (T = 0) to the mean of all entries (T = ∞).
const CITIES = ["Oslo", "Rome", "Athens", "Madrid", "Reykjavík", "Cairo"];
// Thousands of kilometres east and north of Berlin, where the query stands.
const KEYS = [[-0.15, 0.83], [-0.08, -1.18], [0.91, -1.56], [-1.45, -1.18], [-1.65, 1.73], [1.75, -2.3]];
const VALUES = [18.8, 15.2, 14.8, 15.1, 21.1, 14.1];
const SCORES = KEYS.map((k) => -0.5 * dot(k, k));
const KILOMETRES = KEYS.map((k) => Math.round(100 * Math.sqrt(dot(k, k))) * 10);
// Both ends are exact; between them, twenty stops a decade.
const STOPS = [0, ...range(71).map((i) => Number((10 ** ((i - 30) / 20)).toPrecision(2))), Infinity];
const ROW = 25;
const degree = (t) => (Number.isFinite(t) ? `T = ${Number(t.toPrecision(2))}` : "T = ∞");

// The slider of the kit between its two ends, its words and its value in front.
const hardToEven = (context) => {
  const built = slider("temperature", { label: "Temperature", values: STOPS, show: degree })(context);
  const [words, input, shown] = built.node.children;
  input.style.width = "min(16rem, 37vw)";
  const end = (name, temperature) => html("button", { type: "button", style: "padding:0 0.5rem",
    "aria-label": `${name}: ${degree(temperature)}`, onclick: () => change(context.model, { temperature }) }, name);
  built.node.replaceChildren(end("hard", 0), input, end("even", Infinity));
  const node = document.createDocumentFragment();
  node.append(html("div", { class: "ab-control", style: "min-height:0" }, words, shown), built.node);
  return { node, refresh: built.refresh };
};

function render({ model, el }) {
  return figure({
    model, el,
    title: "One lookup, from one entry’s answer to the average of all",
    legend: [["query", "query: Berlin"], ["key", "keys: places"], ["value", "values: daylight"]],
    controls: [hardToEven],
    readouts: [
      { name: "output", label: "returned", digits: 2, unit: "h", role: "value" },
      { name: "entropy", label: "entropy of the weights", digits: 2, unit: "nats", role: "weight" },
    ],
    height: 234,
    compute: ({ temperature }) => {
      const weights = softmax(SCORES, temperature);
      return { weights, output: blend(weights, VALUES), entropy: entropy(weights) };
    },
    draw: ({ numbers, layer, width, narrow }) => {
      const left = narrow ? 138 : 184;
      const bar = linear([0, 1], [left, width - (narrow ? 116 : 140)]);
      layer.append(svg("g", { class: "ab-axis" }, label(18, 10, narrow ? "city, km from it" : "city, distance from Berlin"), label(left, 10, "weight"),
        label(width, 10, "on 21 June", { "text-anchor": "end" })));
      CITIES.forEach((city, i) => {
        const y = 18 + ROW * (i + 0.5);
        const weight = numbers.weights[i];
        layer.append(marker("key", 7, y, 5), label(18, y + 4, city),
          label(left - 14, y + 4, `${KILOMETRES[i]}${narrow ? "" : " km"}`, { class: "ab-muted-text", "text-anchor": "end" }),
          svg("path", { d: `M${bar(0)},${y}H${bar(1)}`, class: "ab-hair" }),
          svg("rect", { x: bar(0), y: y - 6, height: 12, width: bar(weight) - bar(0), class: "ab-weight" }),
          label(bar(1) + 8, y + 4, text(weight), { class: "ab-weight-text" }),
          marker("value", width - 50, y, 5), label(width, y + 4, `${text(VALUES[i], 1)} h`, { class: "ab-value-text", "text-anchor": "end" }));
      });
      // The values on a line, each as heavy as its weight: the returned value is where they balance.
      const y = 206;
      const x = linear([13.5, 21.5], [10, width - 10]);
      layer.append(axis(x, { at: y + 9, values: [14, 15, 16, 17, 18, 19, 20, 21] }));
      VALUES.forEach((value, i) => layer.append(marker("value", x(value), y, 2 + 7 * Math.sqrt(numbers.weights[i]), { opacity: 0.55 })));
      layer.append(svg("path", { d: `M${x(numbers.output)},${y - 17}V${y + 9}`, class: "ab-value-line", "stroke-width": 3 }),
        label(clamp(x(numbers.output), 70, width - 70), y - 22, `returned: ${text(numbers.output, 1)} hours`,
          { class: "ab-value-text", "text-anchor": "middle", style: "font-weight:600" }));
    },
  });
}
export default { render };
