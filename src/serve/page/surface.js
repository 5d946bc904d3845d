// The sheet to draw on: a drawing or an image, which is sent as an image file, and every earlier state for undo.
// Positions are shares of the sheet's side.

const SENT = 280; // pixels of a drawing's side as it is sent
const LARGEST = 1200; // larger images are shrunk before they are sent
const EMPTY = { strokes: [], image: null };
const STEP = 0.03; // what an arrow key moves the pen by

export class Surface {
  pen = 8 / 100; // the width of new strokes
  isColour = false; // whether the model reads colour images
  boxes = []; // where digits were found, in pixels of the sent image, and which of them is chosen
  chosen = 0;
  #canvas;
  #changed;
  #state = EMPTY;
  #earlier = [];
  #stroke = null; // the stroke being drawn, part of the state
  #cursor = null; // the pen of the keyboard
  #held = new Set();
  #frame = 0;

  // `changed` is called after each change of what would be sent.
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#lift());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("keyup", (event) => this.#held.delete(event.key));
    canvas.addEventListener("blur", () => {
      this.#held.clear();
      this.#cursor = null;
      this.#lift();
      this.redraw();
    });
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  get isEmpty() {
    return !this.#state.image && !this.#state.strokes.length;
  }
  get isImage() {
    return Boolean(this.#state.image);
  }
  get canUndo() {
    return this.#earlier.length > 0;
  }
  // The sides of the image that is sent.
  get size() {
    return this.#state.image ?? { width: SENT, height: SENT };
  }

  undo() {
    this.#lift();
    if (this.canUndo) this.#show(this.#earlier.pop());
  }
  clear() {
    this.#lift();
    if (!this.isEmpty) this.#become(EMPTY);
  }

  // Shows an image file. A format that the browser cannot decode is sent as it is, without a preview.
  async open(file) {
    const bitmap = await createImageBitmap(file).catch(() => null);
    let image = { file, bitmap, width: bitmap?.width ?? 1, height: bitmap?.height ?? 1 };
    const scale = LARGEST / Math.max(image.width, image.height);
    if (bitmap && scale < 1) {
      const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
      const canvas = Object.assign(document.createElement("canvas"), { width, height });
      const context = canvas.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(bitmap, 0, 0, width, height);
      image = { file: await toBlob(canvas, "image/jpeg"), bitmap: canvas, width, height };
    }
    this.#lift();
    this.#become({ strokes: [], image });
  }

  // What is sent: an image file, or null for an empty sheet.
  async toFile() {
    if (this.isEmpty) return null;
    if (this.#state.image) return this.#state.image.file;
    return toBlob(this.#drawing(), "image/png");
  }

  // Only the region around a box, so that a correction says which digit it is about.
  async cropToFile({ left, top, right, bottom }) {
    const margin = Math.round(0.2 * Math.max(right - left, bottom - top));
    const source = this.#state.image?.bitmap ?? this.#drawing();
    const [x, y] = [Math.max(0, left - margin), Math.max(0, top - margin)];
    const width = Math.min(source.width, right + margin) - x;
    const height = Math.min(source.height, bottom + margin) - y;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    canvas.getContext("2d").drawImage(source, x, y, width, height, 0, 0, width, height);
    return toBlob(canvas, "image/png");
  }

  redraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#paint());
  }

  // White on black, as in MNIST; colour models are trained on photographs, so they get black on white.
  #drawing() {
    const canvas = Object.assign(document.createElement("canvas"), { width: SENT, height: SENT });
    const context = canvas.getContext("2d");
    const [paper, ink] = this.isColour ? ["#fff", "#000"] : ["#000", "#fff"];
    context.fillStyle = paper;
    context.fillRect(0, 0, SENT, SENT);
    inkStrokes(context, this.#state.strokes, SENT, ink);
    return canvas;
  }

  #become(state) {
    this.#earlier.push(this.#state);
    this.#show(state);
  }
  #show(state) {
    this.#state = state;
    this.boxes = [];
    this.redraw();
    this.#changed();
  }

  #begin(point) {
    this.#stroke = { width: this.pen, points: [point] };
    this.#become({ image: null, strokes: [...this.#state.strokes, this.#stroke] });
  }
  #extend(points) {
    this.#stroke.points.push(...points);
    this.redraw();
    this.#changed();
  }
  #lift() {
    this.#stroke = null;
  }

  #down(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#cursor = null;
    this.#begin(this.#point(event));
  }
  #move(event) {
    if (!this.#stroke || !event.isPrimary || this.#cursor) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.#extend((events.length ? events : [event]).map((each) => this.#point(each)));
  }
  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #key(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key === "Escape") this.#lift();
    else if (event.key === " " || event.key === "Enter") {
      if (event.repeat) return event.preventDefault();
      this.#cursor ??= [0.5, 0.25];
      if (this.#stroke) this.#lift();
      else this.#begin(this.#cursor);
    } else if (event.key in moves) {
      // Two arrow keys held together move the pen diagonally.
      this.#held.add(event.key);
      const [x, y] = this.#cursor ?? [0.5, 0.25];
      const sum = [0, 0];
      for (const key of this.#held) moves[key].forEach((value, axis) => (sum[axis] += value * STEP));
      this.#cursor = [x + sum[0], y + sum[1]].map((value) => Math.min(Math.max(value, 0), 1));
      if (this.#stroke) this.#extend([this.#cursor]);
    } else return;
    event.preventDefault();
    this.redraw();
  }

  #paint() {
    const canvas = this.#canvas;
    const side = Math.round(canvas.clientWidth * devicePixelRatio);
    if (!side) return;
    if (canvas.width !== side) Object.assign(canvas, { width: side, height: side });
    const colours = getComputedStyle(canvas);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    const { width, height } = this.size;
    const scale = side / Math.max(width, height);
    const [left, top] = [(side - width * scale) / 2, (side - height * scale) / 2];
    const bitmap = this.#state.image?.bitmap;
    if (bitmap) {
      context.imageSmoothingEnabled = scale < 4; // the pixels of small images stay visible
      context.drawImage(bitmap, left, top, width * scale, height * scale);
    }
    inkStrokes(context, this.#state.strokes, side, colours.color);
    const line = 2 * devicePixelRatio;
    this.boxes.forEach((box, index) => {
      const margin = 3 * line;
      context.lineWidth = index === this.chosen ? 1.5 * line : line;
      context.strokeStyle = index === this.chosen ? colours.getPropertyValue("--accent") : colours.getPropertyValue("--muted");
      context.beginPath();
      context.roundRect(left + box.left * scale - margin, top + box.top * scale - margin,
        (box.right - box.left) * scale + 2 * margin, (box.bottom - box.top) * scale + 2 * margin, 3 * line);
      context.stroke();
    });
    if (this.#cursor) {
      const [x, y] = this.#cursor.map((value) => value * side);
      context.lineWidth = line;
      context.strokeStyle = colours.getPropertyValue("--accent");
      context.fillStyle = context.strokeStyle;
      context.beginPath();
      context.arc(x, y, (this.pen * side) / 2, 0, 2 * Math.PI);
      if (this.#stroke) context.fill();
      context.stroke();
    }
  }
}

// Draws strokes as smooth curves: through the midpoints of neighbouring points, bent towards the points.
function inkStrokes(context, strokes, side, colour) {
  Object.assign(context, { strokeStyle: colour, fillStyle: colour, lineCap: "round", lineJoin: "round" });
  for (const { width, points } of strokes) {
    const at = points.map(([x, y]) => [x * side, y * side]);
    context.lineWidth = width * side;
    context.beginPath();
    context.moveTo(...at[0]);
    for (let i = 1; i < at.length - 1; i++) {
      context.quadraticCurveTo(...at[i], (at[i][0] + at[i + 1][0]) / 2, (at[i][1] + at[i + 1][1]) / 2);
    }
    context.lineTo(...at[at.length - 1]); // a single point becomes a dot
    context.stroke();
  }
}

const toBlob = (canvas, type) => new Promise((resolve) => canvas.toBlob(resolve, type, 0.92));
