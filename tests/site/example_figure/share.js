// How much of the answer does the better of two entries get?
const share = (gap) => softmax([gap, 0])[0];

function render({ model, el }) {
  const scales = (width) => [linear([0, 6], [52, width - 10]), linear([0, 1], [180, 10])];
  return figure({
    model, el,
    title: "A gap of three is as good as hard",
    legend: [["weight", "weight of the better entry"]],
    controls: [slider("gap", { label: "Gap of the scores", max: 6 })],
    readouts: [{ name: "weight", label: "weight", role: "weight" }],
    height: 230,
    compute: ({ gap }) => ({ weight: share(gap) }),
    draw: ({ layer, width }) => {
      const [x, y] = scales(width);
      layer.append(axis(x, { at: 180, name: "gap of the scores" }), axis(y, { side: "left", at: 52, name: "weight" }),
        line(linspace(0, 6, 61).map((gap) => [x(gap), y(share(gap))]), { class: "ab-weight-line" }));
    },
    handles: ({ state, numbers, width, set }) => {
      const [x, y] = scales(width);
      return [{ id: "gap", role: "weight", label: "gap of the scores", at: [x(state.gap), y(numbers.weight)],
        step: [x(0.1) - x(0), 0], now: state.gap, range: [0, 6], value: `gap ${text(state.gap, 1)}`,
        move: (px) => set({ gap: Math.round(clamp(x.invert(px), 0, 6) * 10) / 10 }) }];
    },
  });
}
export default { render };
