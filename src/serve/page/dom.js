// Small helpers of both pages.

export const $ = (id) => document.getElementById(id);

// Makes an element. Children are elements or text, never markup.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// A share as a percentage, without places to break a line at. What is not quite 100 % or 0 % is not shown as such.
export function percent(share, digits = 1) {
  const smallest = 10 ** -digits;
  const shown = (100 * share).toFixed(digits);
  if (share < 1 && Number(shown) === 100) return `>\u00a0${(100 - smallest).toFixed(digits)}\u00a0%`;
  if (share > 0 && Number(shown) === 0) return `<\u00a0${smallest}\u00a0%`;
  return `${shown}\u00a0%`;
}

// Shows a problem as one line, or nothing.
export function showProblem(error) {
  const line = $("problem");
  line.hidden = !error;
  line.textContent = error ? error.message : "";
}

// "1 image", "2 images".
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

// A path as it is typed in a shell.
export const quoted = (path) => (/^[\w./\\:-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);

export const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

// Colours from 0 to 1, dark to bright, as feature maps are shown.
const RAMP = [[12, 14, 33], [44, 33, 105], [122, 39, 120], [205, 65, 96], [247, 138, 76], [252, 246, 190]];
// Colours from −1 to 1, for values with a sign: blue, nearly black, orange.
const SIGNED = [[190, 226, 255], [47, 125, 225], [18, 20, 30], [222, 96, 24], [255, 224, 176]];

function blend(stops, position) {
  const at = Math.min(Math.max(position, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((value, channel) => value + (stops[low + 1][channel] - value) * (at - low));
}

// The colours of the values 0 to 255, which represent `min` to `max`.
export function palette(min, max) {
  const limit = Math.max(-min, max, 1e-9);
  const colour = (value) => (min < 0 ? blend(SIGNED, (value / limit + 1) / 2) : blend(RAMP, value / limit));
  return Array.from({ length: 256 }, (_, level) => colour(min + ((max - min) * level) / 255));
}

export const GREY = Array.from({ length: 256 }, (_, level) => [level, level, level]);

// Draws values 0 to 255 into a canvas, one pixel each.
export function paint(canvas, width, height, values, colours) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pixels = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    pixels.data.set(colours[values[i]], 4 * i);
    pixels.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

// Draws values 0 to 255 of red, green and blue, each a plane of its own.
export function paintColour(canvas, width, height, planes) {
  const area = width * height;
  const colours = Array.from({ length: area }, (_, i) => [planes[i], planes[area + i], planes[2 * area + i]]);
  paint(canvas, width, height, colours.map((_, i) => i), colours);
}

// Draws an image of one channel or three.
export function paintImage(canvas, { channels, side, pixels }) {
  if (channels === 1) paint(canvas, side, side, bytes(pixels), GREY);
  else paintColour(canvas, side, side, bytes(pixels));
}
