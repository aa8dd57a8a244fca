// A scanner is a fast keyboard. Keys are held back until it is clear whether a person typed them: a
// burst (keys at most GAP ms apart, ended by Enter or Tab) is a scan and reaches no field at all; anything
// else is handed to the field that has the focus, a moment later than the key was pressed.
import { type as typeIntoPad, padField } from "./pad.js";

const GAP = 30; // ms between two keys of a scanner
const LATE = 120; // a burst this soon after handed-over keys takes them back: a busy machine stretched it
const SHORTEST = 3; // keys; a person may well hit two keys and Enter at once

let held = "";
let last = 0; // time stamp of the last held key
let given = { text: "", at: 0, field: null, value: "" }; // what was handed over last
let timer = 0;
let onScan = () => {};
let onKey = () => false;

export function listen(scan, shortcut) {
  onScan = scan;
  onKey = shortcut;
  document.addEventListener("keydown", keydown, true);
}

function keydown(event) {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return;
  const quick = event.timeStamp - last <= GAP;
  if (event.key.length === 1 && !event.repeat) {
    if (held && !quick) hand();
    if (!held && !isText(event.target) && event.key === " ") return; // presses the focused button
    if (!held && quick && given.text) takeBack(); // handed over too early: the keys were a burst after all
    held += event.key;
    last = event.timeStamp;
    clearTimeout(timer);
    timer = setTimeout(hand, GAP + 5);
    event.preventDefault();
    event.stopPropagation();
    return;
  }
  if ((event.key === "Enter" || event.key === "Tab") && quick) {
    if (!held && given.text) takeBack();
    if (held.length >= SHORTEST) {
      finish(event);
      return;
    }
  }
  if (event.key === "Shift") return; // scanners press it for capitals
  hand();
  if (onKey(event)) {
    event.preventDefault();
    event.stopPropagation();
  }
}

function finish(event) {
  event.preventDefault();
  event.stopPropagation();
  clearTimeout(timer);
  const first = last - GAP * held.length;
  if (given.text && first - given.at <= LATE) takeBack();
  const code = held;
  held = "";
  last = 0;
  given = { text: "", at: 0, field: null, value: "" };
  onScan(code);
}

/** The held keys were typed by a person: hand them to the field, or to the page's own sink. */
function hand() {
  clearTimeout(timer);
  if (!held) return;
  const text = held;
  held = "";
  const field = target();
  const sofar = performance.now() - given.at <= LATE && field === given.field ? given : { text: "", value: field?.value };
  given = { text: sofar.text + text, at: last, field, value: sofar.value };
  if (!field) return;
  if (field.dataset.kind) typeIntoPad(field, text);
  else {
    if (document.activeElement !== field) {
      field.focus();
      field.setSelectionRange(field.value.length, field.value.length);
    }
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function takeBack() {
  held = given.text + held;
  if (given.field?.isConnected) {
    given.field.value = given.value;
    given.field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  given = { text: "", at: 0, field: null, value: "" };
}

function isText(element) {
  return element instanceof HTMLTextAreaElement || (element instanceof HTMLInputElement && !/radio|checkbox|button/.test(element.type));
}

function target() {
  const active = document.activeElement;
  if (isText(active)) return active;
  return padField(active) || document.querySelector("[data-sink]");
}
