// The page of a run in progress: shows the run as the server reports it, and can stop it.

import * as api from "./api.js";
import { $, bytes, count, make, paint, paintColour, paintImage, palette, percent, quoted, showProblem } from "./dom.js";

const BADGES = { running: "accent", finished: "good", failed: "bad" };

const COLUMNS = [
  ["Epoch", ({ epoch }) => epoch],
  ["Accuracy: test", ({ test_accuracy }) => percent(test_accuracy, 2)],
  ["validation", ({ validation_accuracy }) => validation_accuracy == null ? null : percent(validation_accuracy, 2)],
  ["training", ({ train_accuracy }) => percent(train_accuracy, 2)],
  ["Loss: test", ({ test_loss }) => fixed(test_loss)],
  ["validation", ({ validation_loss }) => validation_loss === undefined ? null : fixed(validation_loss)],
  ["training", ({ train_loss }) => fixed(train_loss)],
  ["Images/s", ({ images_per_second }) => whole(images_per_second)],
];

let run = {};
let model = null; // as in the status
let hasEnded = false;

// Takes the changed parts of the run.
function change(news) {
  run = { ...run, ...news };
  hasEnded = Boolean(run.state) && run.state !== "running";
  if (news.charts) showCharts(news.charts);
  if (news.filters) showFilters(news.filters);
  if (news.mistakes) showMistakes(news.mistakes);
  if (news.epochs) showEpochs(news.epochs);
  showState();
}

function showState() {
  const { name, device, state, progress, epochs = [] } = run;
  $("name").textContent = name;
  $("device").textContent = device;
  $("state").textContent = state;
  $("state").className = `badge ${BADGES[state] ?? ""}`;
  $("stop").hidden = hasEnded;
  const share = progress ? progress.images / progress.total_images : 0;
  $("progress").value = state === "finished" ? 1 : share;
  document.title = `${hasEnded ? state : percent(share, 0)} · ${name}`;

  const best = epochs.reduce((a, b) => (a && a.test_accuracy >= b.test_accuracy ? a : b), null);
  const last = epochs.at(-1);
  const figures = [
    ["Epoch", progress ? `${progress.epoch} of ${progress.epochs}` : last?.epoch],
    ["Loss", progress ? fixed(progress.loss) : last && fixed(last.train_loss)],
    ["Training accuracy", progress?.accuracy == null ? last && percent(last.train_accuracy, 2) : percent(progress.accuracy, 2)],
    ["Best test accuracy", best && `${percent(best.test_accuracy, 2)}`, best && `epoch ${best.epoch}`],
    ["Images per second", progress?.images_per_second ? whole(progress.images_per_second) : last && whole(last.images_per_second)],
    hasEnded ? ["Training time", duration(epochs.reduce((sum, epoch) => sum + epoch.seconds, 0))]
             : ["Remaining", progress?.seconds_left == null ? null : duration(progress.seconds_left)],
  ];
  $("figures").replaceChildren(...figures.map(([title, value, note]) =>
    make("div", { className: "card tile" }, make("dt", { textContent: title }),
      make("dd", { textContent: value ?? "–" }), ...(note ? [make("dd", { className: "note", textContent: note })] : []))));

  $("end").hidden = !hasEnded;
  if (hasEnded && last) {
    const path = model?.path ?? name;
    const sentence = state === "finished" ? "Finished" : `Ended early (${state})`;
    $("end").replaceChildren(
      make("b", { textContent: `${sentence}: ${percent(last.test_accuracy, 2)}` }),
      ` of the test images after ${count(last.epoch, "epoch")}. Draw with the model: `,
      make("code", { textContent: `lenet-gpu serve ${quoted(path)}` }));
  } else if (hasEnded) {
    $("end").textContent = "Ended before the first epoch was complete.";
  }
}

// The charts are the server's own markup. A parsed document does not run scripts.
function showCharts(charts) {
  for (const name of ["loss", "accuracy"]) {
    const parsed = new DOMParser().parseFromString(charts[name], "text/html");
    $(name).replaceChildren(...parsed.body.childNodes);
  }
}

function showFilters({ shape: [filters, channels, height, width], min, max, values }) {
  const all = bytes(values);
  const parent = $("filters");
  while (parent.childElementCount < filters) parent.append(make("canvas"));
  parent.setAttribute("role", "img");
  parent.setAttribute("aria-label", `${filters} filters of ${height}×${width}, weights from ${min.toFixed(2)} to ${max.toFixed(2)}`);
  const area = height * width;
  [...parent.children].forEach((canvas, filter) => {
    const weights = all.subarray(filter * channels * area, (filter + 1) * channels * area);
    if (channels === 3) paintColour(canvas, width, height, weights);
    else paint(canvas, width, height, weights, palette(min, max));
  });
  $("filters-note").textContent = channels === 3
    ? "The weights of red, green and blue as colours."
    : `Weights from ${min.toFixed(2).replace("-", "−")} (blue) through 0 (black) to ${max.toFixed(2)} (orange).`;
}

function showMistakes(mistakes) {
  $("mistakes").replaceChildren(...mistakes.map((mistake) => {
    const [label, predicted] = [mistake.label, mistake.predicted].map((index) => model?.classes[index] ?? index);
    const canvas = make("canvas", { ariaHidden: true });
    paintImage(canvas, mistake);
    return make("figure", { title: `${label}, read as ${predicted} with probability ${percent(mistake.probability)}` }, canvas,
      make("figcaption", {}, make("b", { className: "correct", textContent: label }), " → ", make("b", { className: "wrong", textContent: predicted })));
  }));
  if (mistakes.length) $("mistakes-note").textContent = "True class → what the network reads, the surest mistakes first.";
  else if (run.epochs?.length) $("mistakes-note").textContent = "None.";
}

function showEpochs(epochs) {
  $("epochs").hidden = !epochs.length;
  const columns = COLUMNS.filter(([, value]) => epochs.some((epoch) => value(epoch) != null));
  $("epochs-head").replaceChildren(make("tr", {}, ...columns.map(([title]) => make("th", { scope: "col", textContent: title }))));
  const best = Math.max(...epochs.map((epoch) => epoch.test_accuracy));
  const rows = epochs.map((epoch) => make("tr", { className: epoch.test_accuracy === best ? "best" : "" },
    ...columns.map(([, value]) => make("td", { textContent: value(epoch) ?? "" }))));
  $("epochs-body").replaceChildren(...rows.reverse());
}

// A loss; null is one that is not a number, of a run that has diverged.
const fixed = (loss) => loss?.toFixed(4) ?? "NaN";
const whole = (number) => Math.round(number).toLocaleString("en");

function duration(seconds) {
  const rounded = Math.round(seconds);
  const [hours, minutes] = [Math.floor(rounded / 3600), Math.floor(rounded / 60) % 60];
  if (hours) return `${hours}\u00a0h ${minutes}\u00a0min`;
  return minutes ? `${minutes}\u00a0min ${rounded % 60}\u00a0s` : `${rounded}\u00a0s`;
}

$("stop").onclick = () => {
  $("confirm").returnValue = ""; // or Escape would repeat an earlier answer
  $("confirm").showModal();
};
$("confirm").onclose = async () => {
  if ($("confirm").returnValue !== "yes") return;
  $("stop").disabled = true;
  try {
    await api.stop();
    $("stop").textContent = "Stopping…";
  } catch (error) {
    $("stop").disabled = false;
    showProblem(error);
  }
};

function connection(isThere) {
  const lost = "The connection is lost: trying again. If the run has ended, its results are in its folder.";
  if (!hasEnded) showProblem(isThere ? null : new Error(lost));
}

try {
  model = (await api.status()).model;
  change(await api.run());
  if (!hasEnded) api.subscribe(change, connection); // which begins with the present state
} catch (error) {
  showProblem(error);
}
