// The requests that the pages send, one function each. Another source of answers (for example WebAssembly in the page)
// replaces the server by exporting the same functions.

// What went wrong, as one line for the user. `status` is 0 if no answer came.
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const GONE = "The server does not answer. Is lenet-gpu still running?";

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new ApiError(GONE, 0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(answer.error ?? `The server answered with status ${response.status}.`, response.status);
  return answer;
}

const post = (path, body, type) => ask(path, { method: "POST", body, headers: type ? { "Content-Type": type } : {} });
const image = (blob) => blob.type || "application/octet-stream";

// {version, device, training, corrections, max_bytes, preprocessing,
// model: {id, name, path, dataset, classes, channels, test_accuracy, epochs, hash} or null}
export const status = () => ask("/api/status");

// [{id, name, started, dataset, epochs, test_accuracy, state, is_loaded}]
export const models = async () => (await ask("/api/models")).models;

// Loads a model of the list; resolves to the new status.
export const chooseModel = (id) => post("/api/model", JSON.stringify({ id }), "application/json");

// Classifies an image file: {number, readings, reason, is_sure, milliseconds, batch}.
export const predict = (blob) => post("/api/predict?detail=true", blob, image(blob));

// Saves an image under its true class; resolves to {path, images}.
export const saveCorrection = (blob, label) => post(`/api/corrections?label=${encodeURIComponent(label)}`, blob, image(blob));

// The run in progress: {name, device, state, epochs, progress, charts, filters, mistakes}.
export const run = () => ask("/api/run");

// Calls `onChange` with the changed parts of the run, and `onConnection` when the connection is lost (false) and is back
// (true). After the run's end nothing more comes.
export function subscribe(onChange, onConnection) {
  const source = new EventSource("/api/events");
  source.onopen = () => onConnection(true);
  source.onerror = () => onConnection(false, source.readyState === EventSource.CLOSED);
  for (const name of ["progress", "epoch", "end"]) {
    source.addEventListener(name, (event) => {
      if (name === "end") source.close();
      onChange(JSON.parse(event.data), name);
    });
  }
}

// Ends the run after its current step, like Ctrl-C.
export const stop = () => post("/api/stop");
