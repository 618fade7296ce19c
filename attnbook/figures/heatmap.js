// Heatmap: any matrix of weights; the cell under the pointer or the arrow keys is told in words.
function render({ model, el }) {
  return figure({
    model, el,
    title: model.get("title"),
    readouts: [{ name: "largest", label: "largest", role: "weight" }],
    height: 380,
    compute: ({ weights }) => ({ weights, largest: Math.max(...weights.flat()) }),
    draw: ({ state, layer, width, say, memory }) => {
      const letters = (labels) => Math.max(...labels.map((l) => l.length));
      const left = 30 + 7 * letters(state.row_labels);
      const size = Math.min(width - left - 60, 60 * state.col_labels.length);
      const tall = Math.min(290, 60 * state.row_labels.length);
      layer.append(heatmap({ x: left, y: 8, width: size, height: tall, matrix: state.weights, rowLabels: state.row_labels,
        colLabels: state.col_labels, rowName: state.row_name, colName: state.col_name, say, memory }),
      label(0, 0, state.row_name, { "text-anchor": "middle", transform: `translate(12,${8 + tall / 2}) rotate(-90)` }),
      label(left + size / 2, Math.min(374, tall + 50 + 3 * letters(state.col_labels)), state.col_name, { "text-anchor": "middle" }));
    },
  });
}
export default { render };
