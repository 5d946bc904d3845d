// Shows what the network sees and computes: its input and the output of every layer.

import { bytes, make, paint, paintImage, palette } from "./dom.js";

const TITLES = {
  conv1: ["conv1", "5×5 convolution, ReLU"],
  pool1: ["pool1", "2×2 maximum"],
  conv2: ["conv2", "5×5 convolution, ReLU"],
  pool2: ["pool2", "2×2 maximum"],
  fc1: ["fc1", "fully connected"],
  fc2: ["fc2", "fully connected"],
};

// The figure of a stage, made once and painted again for every reading.
const stages = new Map();

function stage(parent, name, title, what) {
  if (!stages.has(name)) {
    const caption = make("figcaption", {}, make("b", { textContent: title }), " ", make("span", { className: "muted small", textContent: what }));
    const maps = make("div", { className: "maps" });
    const figure = make("figure", { className: `stage ${name}` }, caption, maps);
    stages.set(name, { figure, maps });
    parent.append(figure);
  }
  return stages.get(name).maps;
}

function canvases(maps, count, label) {
  while (maps.childElementCount > count) maps.lastChild.remove();
  while (maps.childElementCount < count) maps.append(make("canvas"));
  maps.setAttribute("role", "img");
  maps.setAttribute("aria-label", label);
  return [...maps.children];
}

// Shows a reading of the server. Readings without layers show the input only.
export function showInside(parent, reading) {
  const { input, layers = [] } = reading;
  const seen = stage(parent, "input", "input", `${input.side}×${input.side}, the network’s view`);
  paintImage(canvases(seen, 1, "The image as the network sees it")[0], input);
  for (const { layer, shape, min, max, values } of layers) {
    if (!(layer in TITLES)) continue;
    const [channels, height, width] = shape;
    const isDense = height * width === 1;
    const [title, what] = TITLES[layer];
    const size = isDense ? `${channels} units` : `${channels} × ${height}×${width}`;
    const maps = stage(parent, layer, title, `${size}, ${what}`);
    const all = bytes(values);
    const colours = palette(min, max);
    const label = `${layer}: ${isDense ? `${channels} activations` : `${channels} feature maps`}, ${min.toFixed(2)} to ${max.toFixed(2)}`;
    maps.parentElement.title = label;
    if (isDense) {
      paint(canvases(maps, 1, label)[0], channels, 1, all, colours);
    } else {
      const area = height * width;
      canvases(maps, channels, label).forEach((canvas, c) => paint(canvas, width, height, all.subarray(c * area, (c + 1) * area), colours));
    }
  }
  for (const [name, { figure }] of stages) figure.hidden = name !== "input" && !layers.some(({ layer }) => layer === name);
}
