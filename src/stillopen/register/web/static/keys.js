// A scanner is a fast keyboard. Keys are held back until it is clear who typed them: a burst (keys at most
// GAP ms apart, ended by Enter or Tab) is a scan and reaches no field at all; anything else is handed to the
// field that has the focus, a moment after the key was pressed. Time stamps are the events' own, so a busy
// page does not stretch a burst; where keys were handed over too early all the same, they are taken back.
import { padField, type } from "./pad.js";

const GAP = 30; // ms between two keys of a scanner
const MEAN_GAP = 45; // ms from key to key in a burst that a busy machine tore apart
const LATE = 300; // ms: keys handed over this shortly before a burst were its beginning
const LATE_IN_BOX = 1000; // the same for the search box, where codes belong anyway
const SHORTEST = 3; // keys of a scan; people do hit two keys and Enter at once
const SHORTEST_FIGURE = 6; // in a PIN or money field, where people type short figures fast

const nothing = () => ({ text: "", at: 0, field: null, before: "" });
const CUT = "till-cut";
const now = () => performance.timeOrigin + performance.now();

let held = "";
let began = 0; // when the first held key came; all times in ms since 1970
let last = 0; // when the last one came, also after it was handed over
let run = { keys: 0, from: 0 }; // keys on end without a pause, and when the first came
let given = nothing(); // what was handed over last, and what the field held before
let timer = 0;
let onScan = () => {};
let onKey = () => false;

export function listen(scan, shortcut) {
  onScan = scan;
  onKey = shortcut;
  document.addEventListener("keydown", keydown, true);
  for (const end of ["pointerdown", "submit"]) document.addEventListener(end, hand, true);
  addEventListener("pagehide", () => held && sessionStorage.setItem(CUT, JSON.stringify({ held, began, last })));
}

/** What was keyed in and tapped before this page was ready, and the beginning of a burst that the page before had. */
export function takeOver({ acts, onKey: keepKey, onTap: keepTap }) {
  const cut = JSON.parse(sessionStorage.getItem(CUT) || "null");
  sessionStorage.removeItem(CUT);
  if (cut && now() - cut.last < LATE_IN_BOX) {
    ({ held, began, last } = cut);
    timer = setTimeout(hand, GAP + 5);
  }
  removeEventListener("keydown", keepKey, true);
  removeEventListener("click", keepTap, true);
  const rest = { early: true, preventDefault() {}, stopPropagation() {} };
  for (const { tapped, ...key } of acts) {
    if (!tapped) keydown({ ...key, ...rest, target: document.activeElement });
    else if (tapped.isConnected) tap(tapped);
  }
}

function tap(element) {
  hand(); // what was keyed in before
  element.click();
}

function keydown(event) {
  if (event.isComposing || event.ctrlKey || event.altKey || event.metaKey || event.key === "Shift") return;
  const at = performance.timeOrigin + event.timeStamp;
  const quick = at - last <= GAP;
  if (event.key.length === 1) character(event, at, quick);
  else if (/^(Enter|Tab)$/.test(event.key) && (quick || stretched(at)) && isScan()) finish(event);
  else {
    hand();
    given = nothing();
    if (onKey(event)) stop(event);
    else if (event.early && event.key === "Enter") event.target.form?.requestSubmit();
  }
}

function character(event, at, quick) {
  if (held && !quick) hand();
  if (!held && event.key === " " && !isText(event.target)) return; // presses the focused button
  if (!held && quick && given.text) takeBack();
  if (!held) began = at;
  held += event.key;
  run = event.repeat || at - last > LATE ? { keys: 1, from: at } : { ...run, keys: run.keys + 1 };
  last = event.repeat ? 0 : at; // a key held down is no scanner
  clearTimeout(timer);
  timer = setTimeout(hand, GAP + 5);
  stop(event);
}

/** A burst with gaps in it: still so many keys so fast as nobody types. */
function stretched(at) {
  return run.keys >= SHORTEST_FIGURE && (at - run.from) / run.keys <= MEAN_GAP;
}

function isScan() {
  if (given.text && (!held || goesOn())) takeBack();
  return held.length >= (target()?.dataset.kind ? SHORTEST_FIGURE : SHORTEST);
}

function finish(event) {
  stop(event);
  clearTimeout(timer);
  const code = held;
  held = "";
  last = 0;
  given = nothing();
  onScan(code);
}

function stop(event) {
  event.preventDefault();
  event.stopPropagation();
}

/** The held keys were typed by a person: hand them to the field, or to the page's own sink. */
export function hand() {
  clearTimeout(timer);
  if (!held) return;
  const text = held;
  held = "";
  const field = target();
  if (text === "/" && !isText(document.activeElement)) return document.querySelector("[data-sink]")?.focus();
  if (!field) return;
  given = given.field === field && goesOn()
    ? { ...given, text: given.text + text, at: last }
    : { text, at: last, field, before: field.value };
  if (field.dataset.kind) type(field, text);
  else insert(field, text);
}

function goesOn() {
  return began - given.at <= (given.field?.dataset.sink === undefined ? LATE : LATE_IN_BOX);
}

function insert(field, text) {
  if (document.activeElement !== field) {
    field.focus(); // typing anew begins anew
    field.value = "";
  }
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function takeBack() {
  held = given.text + held;
  if (given.field?.isConnected) {
    given.field.value = given.before;
    given.field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  given = nothing();
}

export function isText(element) {
  if (element instanceof HTMLTextAreaElement) return true;
  return element instanceof HTMLInputElement && !/^(radio|checkbox|button|submit)$/.test(element.type);
}

function target() {
  const active = document.activeElement;
  return isText(active) ? active : padField(active) || document.querySelector("[data-sink]");
}
