// Wires a page: taps, forms, keys, and what htmx brings.
import { hand, listen, takeOver } from "./keys.js";
import { watch } from "./live.js";
import { listenPads } from "./pad.js";
import { run } from "./queue.js";
import { cart, clearSearch, closeEditors, command, ignore, paid, reloadCart, scanned, searchesNow, showTender, showTiles, typed } from "./sale.js";
import { shortcut } from "./shortcuts.js";
import { flash, toast } from "./toast.js";

const $ = (selector) => document.querySelector(selector);
const NOT_THERE = { tone: "red", title: "The till program does not answer.", text: "Try again in a moment." };

/** selector → what a tap on it does. */
const TAPS = {
  "button[data-do]": command,
  "#pay": showTender,
  "[data-back]": showTiles,
  "[data-sync]": sync,
  "[data-print]": (button) => print(button.dataset.print),
  "[data-print-page]": () => window.print(),
  "[data-ignore]": ignore,
  "[data-clear-search]": clearSearch,
};

function tap(event) {
  for (const details of document.querySelectorAll("details[open]")) {
    if (!details.contains(event.target)) details.removeAttribute("open");
  }
  for (const [selector, action] of Object.entries(TAPS)) {
    const found = event.target.closest(selector);
    if (found) return action(found);
  }
  const row = event.target.closest("tr[data-href]");
  if (row && !event.target.closest("a")) location.assign(row.dataset.href);
}

function submit(event) {
  const form = event.target;
  if (form.id === "find" && cart()) {
    event.preventDefault();
    typed($("#search"));
  } else if (form.dataset.do) {
    event.preventDefault();
    closeEditors();
    command(form);
  } else if (form.dataset.slow) {
    const button = form.querySelector("button:not([type=button])");
    setTimeout(() => ((button.disabled = true), (button.textContent = form.dataset.slow)));
  }
}

/** Send and fetch now. The button says what it waits for as soon as that takes a while. */
async function sync(button) {
  if (button.getAttribute("aria-busy") === "true") return;
  const words = button.querySelector("b") || button.querySelector("span");
  const before = words.textContent;
  button.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => (words.textContent = "Asking…"), 300);
  const headers = { Accept: "application/json" };
  const response = await fetch("/ui/sync", { method: "POST", headers }).catch(() => null);
  clearTimeout(slow);
  words.textContent = before;
  button.removeAttribute("aria-busy");
  toast(response?.ok ? await response.json().catch(() => NOT_THERE) : NOT_THERE);
}

/** A button that asks for a part of the page, the same way. */
function wait({ target: button }) {
  const words = button.dataset.slow && button.querySelector("span");
  if (!words) return;
  const before = words.textContent;
  button.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => (words.textContent = button.dataset.slow), 300);
  const done = () => {
    clearTimeout(slow);
    words.textContent = before;
    button.removeAttribute("aria-busy");
  };
  button.addEventListener("htmx:afterRequest", done, { once: true });
}

/** The paper in a frame of its own: the sale goes on while the printer works, or does not. */
function print(address) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = address;
  frame.onload = () => {
    frame.contentWindow.print();
    setTimeout(() => frame.remove(), 60000);
  };
  document.body.append(frame);
}

/** A second tap on a line closes it again; only one is open. */
function beforeRequest(event) {
  if (event.target.id === "search" && cart() && !searchesNow(event.target)) return event.preventDefault();
  const slot = event.target.closest(".cl > .open")?.nextElementSibling;
  if (!slot) return;
  if (slot.firstElementChild) event.preventDefault();
  closeEditors(slot.firstElementChild ? null : slot);
}

function afterSwap({ target }) {
  const tab = $("#tiles")?.dataset.tab;
  if (tab) $("#tab-now").value = tab;
  if (target.classList.contains("slot")) target.parentElement.classList.add("selected");
  const field = target.querySelector("[autofocus]") || target.querySelector("[data-kind]");
  field?.focus({ preventScroll: true });
  if (field) for (const part of [target.parentElement, target]) part.scrollIntoView({ block: "nearest" });
  else target.querySelector("[data-panel] [data-back]")?.focus(); // Tab goes on into the panel from there
}

function begin() {
  listenPads();
  listen(scanned, shortcut);
  document.addEventListener("click", tap);
  document.addEventListener("submit", submit, true);
  const body = document.body;
  body.addEventListener("htmx:configRequest", hand);
  body.addEventListener("htmx:beforeRequest", beforeRequest);
  body.addEventListener("htmx:beforeRequest", wait);
  body.addEventListener("htmx:afterSwap", afterSwap);
  body.addEventListener("htmx:sendError", () => toast(NOT_THERE));
  body.addEventListener("toast", (event) => toast(event.detail));
  body.addEventListener("till:cart", reloadCart);
  body.addEventListener("paid", paid);
  watch();
  flash();
  if (body.dataset.scan === "add") run(); // what was scanned before the page changed
  if (document.activeElement !== body) return;
  ($("[data-pin-form] [data-kind]") || $("form[data-count] [data-kind=money]") || $(".counting [data-kind]"))?.focus();
}

if (!$("[data-paper]")) begin();
document.addEventListener("DOMContentLoaded", () => takeOver(window.early)); // htmx and the rest are ready
