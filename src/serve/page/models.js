// The dialog to choose a model from.

import * as api from "./api.js";
import { $, count, make, percent, showProblem } from "./dom.js";

// Opens the dialog; calls `chosen` with the new status if another model was loaded.
export async function openModels(chosen) {
  const list = $("models-list");
  list.replaceChildren(make("p", { className: "muted small", textContent: "Reading the runs…" }));
  $("models").showModal();
  try {
    const models = await api.models();
    list.replaceChildren(...models.map((model) => row(model, chosen)));
    if (!models.length) list.append(make("p", {}, "No runs yet. Train a model with ", make("code", { textContent: "lenet-gpu train" })));
    list.querySelector("[aria-current]")?.focus();
  } catch (error) {
    list.replaceChildren(make("p", { className: "notice bad", textContent: error.message }));
  }
}

function row(model, chosen) {
  const accuracy = model.test_accuracy;
  const epochs = model.epochs == null ? null : count(model.epochs, "epoch");
  const state = model.state === "finished" ? null : model.state;
  const details = [model.dataset, epochs, state, model.started && date(model.started)].filter(Boolean).join(" · ");
  const button = make("button", { type: "button", className: "choice" },
    make("b", { textContent: model.name }),
    make("span", { className: "rate", textContent: accuracy == null ? "–" : percent(accuracy, 2) }),
    make("span", { className: "muted small", textContent: details }));
  if (model.is_loaded) button.setAttribute("aria-current", "true");
  button.onclick = async () => {
    button.disabled = true;
    try {
      if (!model.is_loaded) chosen(await api.chooseModel(model.id));
      showProblem(null);
    } catch (error) {
      showProblem(error);
    }
    $("models").close();
  };
  return button;
}

function date(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : time.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

$("models-close").onclick = () => $("models").close();
// A click beside the dialog closes it.
$("models").addEventListener("click", (event) => event.target === $("models") && $("models").close());
