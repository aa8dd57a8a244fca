// Everything on the order screen can be done with the keys alone; the Help page lists them.
import { pending, put } from "./queue.js";
import { isText } from "./keys.js";
import { cart, clearSearch, closeEditors, ignore, showTender, showTiles } from "./sale.js";
import { padField, type } from "./pad.js";

const $ = (selector) => document.querySelector(selector);
const SIDES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Whether the key was one of ours. */
export function shortcut(event) {
  const action = { Backspace: backspace, Enter: enter, Escape: back, F2: pay, F4: park }[event.key];
  if (action) return action(event) !== false;
  return event.key in SIDES && walk(event.key);
}

function backspace(event) {
  const { target } = event;
  if (isText(target) && !target.dataset.kind) {
    if (target.id !== "search" || target.value || !cart() || event.repeat) return false;
    put({ do: "back" });
    return true;
  }
  const field = padField(target);
  if (field) type(field, ["Backspace"]);
  else if (cart() && !event.repeat) put({ do: "back" });
  else return false;
  return true;
}

function enter({ target }) {
  const form = target.dataset?.kind && target.form;
  if (!form) return false;
  if (form.id === "tender") form.requestSubmit($("[data-default]"));
  else if (target.dataset.kind === "count" && form.dataset.count) nextField(form, target);
  else return false;
  return true;
}

function nextField(form, field) {
  const fields = [...form.querySelectorAll("[data-kind]")];
  fields[fields.indexOf(field) + 1]?.focus();
}

function pay() {
  if (!cart()) return false;
  if ($("[data-exact]")) $("[data-exact]").focus();
  else showTender();
  return true;
}

function park() {
  if (!cart()) return false;
  // In its place among the scans: what was scanned before belongs to it, what comes after does not.
  if (pending() || $(".acts [data-do=park]:enabled")) put({ do: "park" });
  return true;
}

function back() {
  if ($("#unknown")?.firstElementChild) ignore();
  else if ($("details[open]")) closeMenu($("details[open]"));
  else if (cart()?.querySelector("[data-editor]")) closeEditors();
  else if ($("[data-panel] [data-back]")) showTiles();
  else if ($("#search")?.value) clearSearch();
  else if ($("[data-esc]")) location.assign($("[data-esc]").href);
  else {
    document.activeElement?.blur();
    return false;
  }
  return true;
}

/** Who went into it by keys stands on its button again. */
function closeMenu(details) {
  const inside = details.contains(document.activeElement);
  details.removeAttribute("open");
  if (inside) details.querySelector("summary").focus();
}

/** Arrows walk over tiles, lines of the sale and other large buttons, wherever they stand. */
function walk(key) {
  const active = document.activeElement;
  const box = active?.id === "search";
  if (isText(active) && !(box && key === "ArrowDown")) return false;
  const all = [...document.querySelectorAll(".tile, .cl > .open, .op, .cats .btn")];
  if (!all.includes(active)) {
    const first = $(".tile") || all[0];
    if (key === "ArrowDown") first?.focus();
    return key === "ArrowDown" && Boolean(first);
  }
  nearest(all, active, SIDES[key])?.focus();
  return true;
}

function nearest(all, active, [x, y]) {
  const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];
  const [fromX, fromY] = middle(active.getBoundingClientRect());
  let best = null;
  let least = Infinity;
  for (const other of all) {
    const [toX, toY] = middle(other.getBoundingClientRect());
    const ahead = (toX - fromX) * x + (toY - fromY) * y;
    const aside = Math.abs((toX - fromX) * y) + Math.abs((toY - fromY) * x);
    if (ahead > 4 && ahead + 3 * aside < least) [best, least] = [other, ahead + 3 * aside];
  }
  return best;
}
