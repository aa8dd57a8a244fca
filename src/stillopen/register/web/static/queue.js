// Every change of the cart goes through this queue: in order, each with its own id, repeated until it
// is answered. The till answers a repeated id with what it did the first time, so nothing is doubled.
const STORE = "till-queue";
const BATCH = 20;
const PATIENCE = 8000; // ms until an unanswered request is repeated

let waiting = JSON.parse(sessionStorage.getItem(STORE) || "[]");
let running = false;
let listener = () => {};
let idlers = [];

export function onAnswer(callback) {
  listener = callback;
}

export function newId() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function put(command) {
  waiting.push({ id: newId(), ...command });
  save();
  run();
}

export function pending() {
  return waiting.length;
}

/** Resolves when everything put so far has been answered. */
export function idle() {
  return waiting.length ? new Promise((resolve) => idlers.push(resolve)) : Promise.resolve();
}

function save() {
  sessionStorage.setItem(STORE, JSON.stringify(waiting));
}

export async function run() {
  if (running) return;
  running = true;
  while (waiting.length) {
    const answer = await post(waiting.slice(0, BATCH));
    if (answer === "stop") break;
    if (answer === null) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      continue;
    }
    waiting = waiting.slice(answer.results.length);
    save();
    tell(answer);
  }
  running = false;
  if (!waiting.length) idlers.splice(0).forEach((resolve) => resolve());
}

/** A screen that cannot show an answer must not hold up the sale: the error is reported, the queue goes on. */
function tell(answer) {
  try {
    listener(answer);
  } catch (error) {
    reportError(error);
  }
}

/** Refused as a whole: asking again would not help. */
function refusal(commands, { code, message }) {
  return { results: commands.map(({ id }) => ({ id, ok: false, code, message })) };
}

/** The answer; null: not answered, ask again; "stop": nobody is signed in, keep everything for later. */
async function post(commands) {
  try {
    const response = await fetch("/ui/scan", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify({ commands }),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status === 401) {
      listener({ results: [], go: "/" });
      return "stop";
    }
    if (response.status === 422) return refusal(commands, await response.json());
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
