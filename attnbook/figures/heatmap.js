// Heatmap: any matrix of weights; the cell under the pointer or the arrow keys is told in words.
const letters = (labels) => Math.max(...labels.map((l) => l.length));
// A cell is at most 60 px; heatmap.py knows this height too.
const tall = (state) => Math.min(290, 60 * state.row_labels.length);
const stage = (state) => tall(state) + 54 + Math.min(90, 7 * letters(state.col_labels));

function render({ model, el }) {
  return figure({
    model, el,
    title: model.get("title"),
    readouts: [{ name: "largest", label: "largest", role: "weight" }],
    height: stage({ row_labels: model.get("row_labels"), col_labels: model.get("col_labels") }),
    compute: ({ weights }) => ({ weights, largest: Math.max(...weights.flat()) }),
    draw: ({ state, layer, width, height, say, memory }) => {
      const left = 30 + 7 * letters(state.row_labels);
      const size = Math.min(width - left - 60, 60 * state.col_labels.length);
      layer.append(heatmap({ x: left, y: 8, width: size, height: tall(state), matrix: state.weights, rowLabels: state.row_labels,
        colLabels: state.col_labels, rowName: state.row_name, colName: state.col_name, say, memory }),
      label(0, 0, state.row_name, { "text-anchor": "middle", transform: `translate(12,${8 + tall(state) / 2}) rotate(-90)` }),
      label(left + size / 2, height - 4, state.col_name, { "text-anchor": "middle" }));
    },
  });
}
export default { render };
