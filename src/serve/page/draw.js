// The page to draw on: sends what is on the sheet to the server, and shows the answer and what led to it.

import * as api from "./api.js";
import { $, count, make, percent, quoted, showProblem } from "./dom.js";
import { showInside } from "./inside.js";
import { openModels } from "./models.js";
import { Surface } from "./surface.js";

const PAUSE = 40; // milliseconds between two requests at least
const MOST_BARS = 10;
const BUSY = 503; // sent again

let status = null;
let answer = null;
let chosen = 0; // which of several readings is shown
const surface = new Surface($("surface"), changed);

// Reads the sheet. One request at a time is on its way; of changes in the meantime the newest counts.
let isReading = false;
let isStale = false;
async function read() {
  isStale = true;
  if (isReading) return;
  isReading = true;
  while (isStale) {
    isStale = false;
    let pause = PAUSE;
    const started = performance.now();
    const file = await surface.toFile();
    try {
      const result = file && status?.model ? await api.predict(file) : null;
      // An answer about another image would have its boxes in the wrong places.
      if (surface.isEmpty === !file && !(isStale && surface.isImage)) show(result);
      showProblem(null);
    } catch (error) {
      if (error.status === BUSY) {
        isStale = true;
        pause = 500;
      } else show(null);
      showProblem(error);
    }
    await new Promise((resolve) => setTimeout(resolve, started + pause - performance.now()));
  }
  isReading = false;
}

function changed() {
  $("hint").hidden = !surface.isEmpty;
  $("clear").disabled = surface.isEmpty;
  $("undo").disabled = !surface.canUndo;
  $("saved").replaceChildren();
  read();
}

function show(result) {
  answer = result;
  const readings = result?.readings ?? [];
  if (chosen >= readings.length) chosen = 0;
  surface.boxes = readings.length > 1 || surface.isImage ? readings.map(({ place }) => place).filter(Boolean) : [];
  showChosen();
  speak();
}

function showChosen() {
  const readings = answer?.readings ?? [];
  const reading = readings[chosen];
  const isSure = readings.length > 0 && answer.is_sure;
  surface.chosen = chosen;
  surface.redraw();

  $("answer").classList.toggle("unsure", readings.length > 0 && !isSure);
  $("number").classList.toggle("few", readings.length > 1);
  $("number").classList.toggle("long", readings.length > 4 || (reading?.class.length ?? 0) > 3);
  if (readings.length > 1) $("number").replaceChildren(...digits(readings));
  else $("number").textContent = reading?.class ?? "";
  $("says").textContent = says(readings, reading, isSure);
  $("why").textContent = why(readings, reading, isSure);
  showBars(reading);
  $("time").textContent = answer ? `${answer.milliseconds.toFixed(1)} ms on ${status.device}` : "";
  $("correction").hidden = !reading;
  $("inside").hidden = !reading;
  if (reading) showInside($("stages"), reading);
}

function says(readings, reading, isSure) {
  if (reading) return isSure ? `Probability ${percent(reading.probability, 2)}` : "Not sure";
  return surface.isEmpty ? "Waiting for a drawing" : "Nothing read";
}

function why(readings, reading, isSure) {
  if (!reading) return sentence(answer?.reason ?? "");
  const parts = [];
  if (readings.length > 1) parts.push(`Digit ${chosen + 1} of ${readings.length}: choose another for its details.`);
  if (!isSure) {
    parts.push(`Probability ${percent(reading.probability)}, confidence ${percent(reading.confidence, 0)}.`);
    if (readings.every((each) => each.is_sure)) parts.push("Something else may be another digit.");
  }
  return parts.join(" ");
}

const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}.`;

// The number as one button a digit.
function digits(readings) {
  return readings.flatMap((reading, index) => {
    const isNewLine = index > 0 && reading.place?.line !== readings[index - 1].place?.line;
    const button = make("button", { type: "button", textContent: reading.class, className: reading.is_sure ? "" : "doubtful" });
    button.setAttribute("aria-pressed", index === chosen);
    button.setAttribute("aria-label", `Show the details of digit ${index + 1}: ${reading.class}`);
    button.onclick = () => {
      chosen = index;
      showChosen();
      $("number").querySelectorAll("button")[index].focus();
    };
    return isNewLine ? [" ", button] : [button];
  });
}

// Bars stay in their places for up to ten classes; of more the most probable are shown, the best first.
function showBars(reading) {
  const classes = status?.model?.classes ?? [];
  const bars = $("bars");
  const rows = Math.min(classes.length, MOST_BARS);
  while (bars.childElementCount > rows) bars.lastChild.remove();
  while (bars.childElementCount < rows) {
    const track = make("span", { className: "track" }, make("span"));
    bars.append(make("li", {}, make("span", { className: "class" }), track, make("span", { className: "share" })));
  }
  bars.classList.toggle("words", classes.some((name) => name.length > 2));
  const order = [...classes.keys()];
  if (classes.length > MOST_BARS && reading) order.sort((a, b) => reading.probabilities[b] - reading.probabilities[a]);
  [...bars.children].forEach((row, index) => {
    const label = order[index];
    const share = reading?.probabilities[label];
    row.classList.toggle("best", label === reading?.label);
    row.querySelector(".class").textContent = classes[label];
    row.querySelector(".class").title = classes[label];
    row.querySelector(".track span").style.transform = `scaleX(${share ?? 0})`;
    row.querySelector(".share").textContent = share == null ? "" : percent(share);
  });
}

// Announces the answer to screen readers once the drawing pauses.
let resting = 0;
function speak() {
  clearTimeout(resting);
  resting = setTimeout(() => {
    const number = answer?.readings.length ? `${answer.number}. ` : "";
    $("spoken").textContent = surface.isEmpty ? "" : `${number}${$("says").textContent}. ${$("why").textContent}`.trim();
  }, 700);
}

function showStatus(news) {
  status = news;
  const { model, device, training } = status;
  $("device").textContent = device;
  $("pages").hidden = !training;
  $("model").disabled = training; // the model is that of the run
  const accuracy = model?.test_accuracy == null ? "" : ` · ${percent(model.test_accuracy, 2)}`;
  $("model-name").textContent = model ? `${model.name}${accuracy}` : "No model";
  const classes = model?.classes ?? [];
  surface.isColour = model?.channels === 3;
  const isDrawn = model && !surface.isColour && classes.every((name) => [...name].length === 1);
  const what = classes.every((name) => /^\d$/.test(name)) ? "a digit" : isDrawn ? "a character" : "";
  $("heading").textContent = $("hint-title").textContent = what ? `Draw ${what} here` : "Drop or paste an image";
  $("hint").classList.toggle("only", !what);
  document.title = `${what ? `Draw ${what}` : "Classify an image"} · lenet-gpu`;
  const names = `${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", …" : ""}`;
  $("notice").hidden = Boolean(isDrawn);
  $("notice").textContent = !model
    ? "No model is loaded. Choose a run above, or train one with: lenet-gpu train"
    : `This model reads ${surface.isColour ? "colour " : ""}images (${names}). Drop, paste or choose one; it was not trained on drawings.`;
  $("label").replaceChildren(make("option", { value: "", textContent: "…" }), ...classes.map((name) => make("option", { textContent: name })));
  showBars(null);
  read();
}

// A dropped, pasted, chosen or photographed image.
async function open(file) {
  if (!file) return;
  if (file.type && !file.type.startsWith("image/")) return showProblem(new Error(`${file.name || "This"} is not an image.`));
  await surface.open(file);
}

for (const id of ["file", "photo"]) {
  $(id).addEventListener("change", async () => {
    await open($(id).files[0]);
    $(id).value = ""; // so that the same file can be chosen again
  });
}
addEventListener("paste", (event) => open([...event.clipboardData.files][0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("sheet").classList.add("target");
});
addEventListener("dragleave", (event) => event.relatedTarget || $("sheet").classList.remove("target"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("sheet").classList.remove("target");
  open(event.dataTransfer.files[0]);
});

$("undo").onclick = () => surface.undo();
$("clear").onclick = () => surface.clear();
addEventListener("keydown", (event) => {
  if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  surface.undo();
});
$("pen").oninput = () => (surface.pen = $("pen").value / 100);
$("model").onclick = () => openModels(showStatus);

$("correction").onsubmit = async (event) => {
  event.preventDefault();
  const label = $("label").value;
  if (!label || !answer) return $("label").focus();
  const { place } = answer.readings[chosen];
  try {
    const file = place && answer.readings.length > 1 ? await surface.cropToFile(place) : await surface.toFile();
    const { images } = await api.saveCorrection(file, label);
    const folder = status.corrections;
    const options = `--data-dir ${quoted(folder)} --init-from ${quoted(status.model.path ?? status.model.name)}`;
    const command = make("code", { textContent: `lenet-gpu train ${options}` });
    const saved = `Saved: ${count(images, "image")} in ${folder}. Train on them with`;
    $("saved").replaceChildren(saved, " ", command);
    $("label").value = "";
    showProblem(null);
  } catch (error) {
    showProblem(error);
  }
};

try {
  showStatus(await api.status());
} catch (error) {
  showProblem(error);
}
