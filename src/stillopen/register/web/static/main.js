// The order screen's hands: taps and keys become commands of the queue, answers become the cart.
import { listen } from "./keys.js";
import { connect, watch } from "./live.js";
import { listenPads } from "./pad.js";
import { idle, onAnswer, put, run } from "./queue.js";
import { beep, buzz } from "./sound.js";

const $ = (selector) => document.querySelector(selector);
const cart = () => document.getElementById("cart");

// -- toasts ------------------------------------------------------------------------------------
const ICONS = { green: "check-circle", yellow: "warn", red: "warn" };

function toast({ tone = "green", title, text = "" }) {
  const box = $("#toasts");
  const node = $("template#toast").content.cloneNode(true).firstElementChild;
  node.classList.add(tone);
  node.querySelector("use").setAttribute("href", `/static/design/icons.svg#${ICONS[tone] || "info"}`);
  node.querySelector("b").textContent = title;
  node.querySelector("span").textContent = text;
  while (box.children.length > 2) box.firstChild.remove();
  box.append(node);
  setTimeout(() => node.remove(), tone === "green" ? 5000 : 9000);
}

function flash() {
  const name = `till_flash_${location.port || 80}=`;
  const found = document.cookie.split("; ").find((c) => c.startsWith(name));
  if (!found) return;
  document.cookie = `${name}; max-age=0; path=/`;
  const bytes = found.slice(name.length).match(/../g).map((h) => parseInt(h, 16));
  toast(JSON.parse(new TextDecoder().decode(new Uint8Array(bytes))));
}

// -- the cart ----------------------------------------------------------------------------------
onAnswer((answer) => {
  if (answer.go) return location.assign(answer.go);
  if (cart() && answer.cart) showCart(answer.cart);
  for (const result of answer.results) result.ok ? done(result) : failed(result);
});

function done(result) {
  if (result.line) {
    beep();
    const line = document.getElementById(`l-${result.line}`);
    line?.classList.add("flash");
    line?.scrollIntoView({ block: "nearest" });
    if (!cart()) toast({ title: result.name, text: "added to the open sale" });
  }
  if (result.do === "resume" || result.do === "discard" || result.do === "park") toTiles();
}

function failed(result) {
  buzz();
  const box = $("#unknown");
  if (result.code === "unknown_code" && box) {
    const first = $(".tile");
    if ($("#search")?.value && first) return first.focus();
    box.innerHTML = result.html;
    return;
  }
  toast({ tone: "red", title: result.message });
}

/** A line that is being edited stays open, with what was typed into it. */
function showCart(html) {
  const open = cart().querySelector("[data-editor]");
  const focus = open?.contains(document.activeElement) ? document.activeElement : null;
  const lines = $("#lines");
  const scrolled = lines ? lines.scrollTop : 0;
  cart().innerHTML = html;
  window.htmx.process(cart());
  const slot = open && document.getElementById(`e-${open.dataset.editor}`);
  if (slot) {
    slot.append(open);
    slot.parentElement.classList.add("selected");
    focus?.focus({ preventScroll: true });
  }
  if ($("#lines")) $("#lines").scrollTop = scrolled;
}

async function reloadCart() {
  const response = await fetch("/ui/cart").catch(() => null);
  if (response?.ok && cart()) showCart(await response.text());
}
document.body.addEventListener("till:cart", reloadCart);

function closeEditors(except) {
  cart()?.querySelectorAll(".slot").forEach((slot) => {
    if (slot === except) return;
    slot.replaceChildren();
    slot.parentElement.classList.remove("selected");
  });
}

// -- scans -------------------------------------------------------------------------------------
function scanned(code) {
  const here = $("[data-scan-here]");
  const refusal = $("[data-refuse-scan]")?.dataset.refuseScan;
  if (here) {
    here.value = code;
    here.form.requestSubmit();
  } else if (refusal || document.body.dataset.scan !== "add") {
    buzz();
    toast({ tone: "yellow", title: refusal || document.body.dataset.scanMessage });
  } else send(code);
}

/** Put a code; `3*` standing in the box before it is the quantity. */
function send(code) {
  const box = $("#search[hx-get]");
  const times = box?.value.match(/^(\d+(?:[.,]\d+)?)\*$/);
  $("#unknown")?.replaceChildren();
  put({ do: "scan", code, quantity: times ? times[1].replace(",", ".") : "1" });
  if (times) box.value = "";
}

function enterCode(box) {
  const text = box.value.trim();
  const [, times, code] = text.match(/^(\d+(?:[.,]\d+)?)\*(.+)$/) || [null, "1", text];
  if (!code || /\*$/.test(code)) return;
  put({ do: "scan", code, quantity: times.replace(",", ".") });
  idle().then(() => {
    if (document.activeElement === box || /^\d+$/.test(code)) clearSearch();
  });
}

function clearSearch() {
  const box = $("#search");
  if (!box?.value) return;
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

// -- taps --------------------------------------------------------------------------------------
function command(element, extra = {}) {
  const { do: verb, kindOf, then, ...rest } = element.dataset;
  const fields = element instanceof HTMLFormElement ? Object.fromEntries(new FormData(element)) : {};
  if (kindOf) fields.kind = kindOf;
  put({ do: verb, ...rest, ...fields, ...extra });
  if (then === "back") idle().then(toTiles);
}

function toTiles() {
  if (cart()) window.htmx.ajax("GET", "/ui/tiles", "#work");
}

async function toTender() {
  if ($("#pay:disabled") || !$("#pay")) return;
  await idle(); // what was scanned before Pay belongs to this sale
  window.htmx.ajax("GET", "/ui/tender", "#work");
}

function printPaper(address) {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.src = address;
  frame.onload = () => {
    frame.contentWindow.print();
    setTimeout(() => frame.remove(), 60000);
  };
  document.body.append(frame);
}

async function sync(button) {
  if (button.getAttribute("aria-busy") === "true") return;
  const words = button.querySelector("span");
  const before = words?.textContent;
  button.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => words && (words.textContent = "Asking the Back Office…"), 300);
  const response = await fetch("/ui/sync", { method: "POST", headers: { Accept: "application/json" } }).catch(() => null);
  clearTimeout(slow);
  if (words) words.textContent = before;
  button.removeAttribute("aria-busy");
  toast(response ? await response.json() : { tone: "red", title: "The till program does not answer." });
}

document.addEventListener("click", (event) => {
  const on = (selector) => event.target.closest(selector);
  document.querySelectorAll("details[open]").forEach((d) => d.contains(event.target) && !on(".drop") ? 0 : d.removeAttribute("open"));
  const chosen = on("button[data-do]");
  if (chosen) {
    $("#unknown")?.replaceChildren();
    const times = chosen.dataset.do === "add" && takeTimes();
    command(chosen, times ? { quantity: times } : {});
  } else if (on("#pay")) toTender();
  else if (on("[data-back]")) toTiles();
  else if (on("[data-sync]")) sync(on("[data-sync]"));
  else if (on("[data-print]")) printPaper(on("[data-print]").dataset.print);
  else if (on("[data-print-page]")) window.print();
  else if (on("[data-ignore]")) $("#unknown").replaceChildren();
  else if (on("[data-clear-search]")) clearSearch();
  else if (on("tr[data-href]") && !on("a")) location.assign(on("tr[data-href]").dataset.href);
});

function takeTimes() {
  const times = $("#search")?.value.match(/^(\d+(?:[.,]\d+)?)\*$/);
  if (times) $("#search").value = "";
  return times && times[1].replace(",", ".");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id === "find" && cart()) {
    event.preventDefault();
    enterCode($("#search"));
  } else if (form.dataset.do) {
    event.preventDefault();
    closeEditors();
    command(form);
  } else if (form.dataset.slow) {
    const button = form.querySelector("button:not([type=button])");
    setTimeout(() => ((button.disabled = true), (button.textContent = form.dataset.slow)), 0);
  }
}, true);

// -- keys --------------------------------------------------------------------------------------
listen(scanned, (event) => {
  const { key, target } = event;
  const typing = target.matches?.("input:not([type=radio]), textarea");
  if (key === "Backspace" && target.dataset?.kind === undefined && !typing) {
    const field = document.querySelector("form:has([data-pad]) [data-kind]");
    if (field) return pressPad(field, key);
    if (cart()) return put({ do: "back" }), true;
  }
  if (key === "Backspace" && target.dataset?.kind) return pressPad(target, key);
  if (key === "Backspace" && target.id === "search" && !target.value && cart() && !event.repeat) return put({ do: "back" }), true;
  if (key === "Enter" && target.dataset?.kind && target.form?.dataset.tender !== undefined) return target.form.requestSubmit($("[data-default]")), true;
  if (key === "F2" && cart()) return $("[data-tender]") ? $("[data-exact]").focus() : toTender(), true;
  if (key === "F4" && $(".acts [data-do=park]:enabled")) return $(".acts [data-do=park]").click(), true;
  if (key === "Escape") return back();
  if (key.startsWith("Arrow")) return move(event);
  return false;
});

function pressPad(field, key) {
  const button = (field.form || document).querySelector(`[data-key="${key}"]`);
  field.focus();
  button?.click();
  return Boolean(button);
}

function back() {
  if ($("#unknown")?.firstElementChild) return $("#unknown").replaceChildren(), true;
  if ($("details[open]")) return $("details[open]").removeAttribute("open"), true;
  if (cart()?.querySelector("[data-editor]")) return closeEditors(), true;
  if ($("[data-panel] [data-back]")) return toTiles(), true;
  if ($("#search")?.value) return clearSearch(), true;
  if ($("[data-esc]")) return location.assign($("[data-esc]").href), true;
  document.activeElement?.blur();
  return false;
}

/** Arrows walk over tiles, lines and people, wherever they stand. */
function move(event) {
  const active = document.activeElement;
  if (active?.matches("input:not(#search), textarea")) return false;
  if (active?.id === "search" && event.key !== "ArrowDown") return false;
  const all = [...document.querySelectorAll(".tile, .cl > .open, .op")];
  if (!all.includes(active)) {
    if (event.key === "ArrowDown" && all[0]) return all[0].focus(), true;
    return false;
  }
  const from = active.getBoundingClientRect();
  const side = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  let best = null;
  for (const other of all) {
    const to = other.getBoundingClientRect();
    const dx = to.left + to.width / 2 - from.left - from.width / 2;
    const dy = to.top + to.height / 2 - from.top - from.height / 2;
    const ahead = dx * side[0] + dy * side[1];
    const aside = Math.abs(dx * side[1] + dy * side[0]);
    if (ahead > 4 && (!best || ahead + 3 * aside < best.far)) best = { other, far: ahead + 3 * aside };
  }
  best?.other.focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.target.matches("input, textarea")) $("[data-sink]")?.focus();
});

// -- htmx --------------------------------------------------------------------------------------
document.body.addEventListener("htmx:beforeRequest", (event) => {
  const open = event.target.closest(".cl > .open");
  const slot = open?.nextElementSibling;
  if (slot) closeEditors(slot);
  if (slot?.firstElementChild) {
    event.preventDefault(); // a second tap closes the line again
    closeEditors();
  }
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  const slot = event.target;
  if (slot.classList?.contains("slot")) slot.parentElement.classList.add("selected");
  slot.querySelector?.("[autofocus]")?.focus();
  const field = slot.querySelector?.("[data-kind]");
  if (field && !slot.querySelector("[autofocus]")) field.focus({ preventScroll: true });
  slot.scrollIntoView?.({ block: "nearest" });
});
document.body.addEventListener("htmx:sendError", () => toast({ tone: "red", title: "The till program does not answer.", text: "Try again in a moment." }));
document.body.addEventListener("toast", (event) => toast(event.detail));
document.body.addEventListener("paid", () => window.scrollTo(0, 0));

// -- begin -------------------------------------------------------------------------------------
if (!$("[data-paper]")) {
  listenPads();
  watch();
  flash();
  if (document.body.dataset.scan === "add") run();
  $("[data-pin-form] [data-kind]")?.focus();
  $("form[data-count] input[data-kind=money]")?.focus();
}
export { connect };
