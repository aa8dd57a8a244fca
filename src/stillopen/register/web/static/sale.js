// The sale on the screen: codes and taps become commands of the queue, its answers become the cart.
import { idle, onAnswer, put } from "./queue.js";
import { beep, buzz } from "./sound.js";
import { toast } from "./toast.js";

const TIMES = /^(\d+(?:[.,]\d+)?)\*/; // 3* before a code: three of it
const $ = (selector) => document.querySelector(selector);
export const cart = () => document.getElementById("cart");

// -- what the till answered ----------------------------------------------------------------------
onAnswer((answer) => {
  if (answer.go) return location.assign(answer.go);
  if (cart() && answer.cart) showCart(answer.cart);
  for (const result of answer.results) {
    if (result.ok) done(result);
    else refused(result);
  }
  if ($("#tender")) followSale(); // what is due has changed under the payment panel
});

function followSale() {
  if ($("#pay").disabled) showTiles();
  else showTender();
}

function done(result) {
  if (["resume", "discard", "park"].includes(result.do)) showTiles();
  if (!result.line) return;
  beep();
  if (!cart()) return toast({ title: result.name, text: "added to the open sale" });
  const line = document.getElementById(`l-${result.line}`);
  line?.classList.add("flash");
  line?.scrollIntoView({ block: "nearest" });
}

function refused(result) {
  buzz();
  const card = $("#unknown");
  if (result.code !== "unknown_code" || !card) return toast({ tone: "red", title: result.message });
  const found = $("#search")?.value && $(".tile");
  if (found) found.focus(); // typed words that are no code: the first thing they found
  else card.innerHTML = result.html;
}

/** A line that is being edited stays open, with what was typed into it. */
function showCart(html) {
  const editor = cart().querySelector("[data-editor]");
  const focus = editor?.contains(document.activeElement) ? document.activeElement : null;
  const scrolled = $("#lines")?.scrollTop || 0;
  cart().innerHTML = html;
  window.htmx.process(cart());
  const slot = editor && document.getElementById(`e-${editor.dataset.editor}`);
  if (slot) {
    slot.append(editor);
    slot.parentElement.classList.add("selected");
    const fresh = focus?.dataset.fresh;
    focus?.focus({ preventScroll: true });
    if (fresh !== undefined && focus) focus.dataset.fresh = fresh;
  }
  if ($("#lines")) $("#lines").scrollTop = scrolled;
}

export async function reloadCart() {
  const response = await fetch("/ui/cart").catch(() => null);
  const html = response?.ok ? await response.text().catch(() => null) : null;
  if (html !== null && cart()) showCart(html);
}

export function closeEditors(except) {
  for (const slot of cart()?.querySelectorAll(".slot") || []) {
    if (slot === except) continue;
    slot.replaceChildren();
    slot.parentElement.classList.remove("selected");
  }
}

// -- what the cashier wants ----------------------------------------------------------------------
/** A scan, on whichever screen: to the sale, to the field that waits for a card, or politely refused. */
export function scanned(code) {
  const field = $("[data-scan-here]");
  const refusal = $("[data-refuse-scan]")?.dataset.refuseScan;
  if (field) {
    field.value = code;
    field.form.requestSubmit();
  } else if (refusal || document.body.dataset.scan !== "add") {
    buzz();
    toast({ tone: "yellow", title: refusal || document.body.dataset.scanMessage });
  } else {
    ignore();
    putCode(code, takeTimes() || "1");
  }
}

function putCode(text, times) {
  const before = text.match(TIMES)?.[1];
  put({ do: "scan", code: text.replace(TIMES, ""), quantity: (before || times).replace(",", ".") });
}

/** A code typed into the box, then Enter. */
export function typed(box) {
  const text = box.value.trim();
  if (!text.replace(TIMES, "")) return;
  ignore();
  putCode(text, "1");
  if (/\d$/.test(text)) clearSearch(); // a code; words stay for what they have found
  else idle().then(() => document.activeElement === box && clearSearch());
}

/** Send what a button or form with data-do says, with the fields of the form. */
export function command(element) {
  const { do: verb, kindOf, then, ...rest } = element.dataset;
  const fields = element instanceof HTMLFormElement ? Object.fromEntries(new FormData(element)) : {};
  if (kindOf) fields.kind = kindOf;
  const times = verb === "add" && takeTimes();
  if (times) fields.quantity = times;
  ignore();
  put({ do: verb, ...rest, ...fields });
  if (then === "back") idle().then(showTiles);
}

/** `3*` standing alone in the box counts for the next item, and is used up by it. */
function takeTimes() {
  const box = $("#search[hx-get]");
  const times = box?.value.match(TIMES)?.[0] === box?.value && box?.value.slice(0, -1);
  if (times) clearSearch();
  return times && times.replace(",", ".");
}

export function clearSearch() {
  const box = $("#search");
  if (!box?.value) return;
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Load the middle of the order screen. What went wrong is said by htmx:sendError. */
function show(address) {
  window.htmx.ajax("GET", address, "#work").catch(() => {});
}

export function ignore() {
  $("#unknown")?.replaceChildren();
}

export function showTiles() {
  const tab = $("#tab-now")?.value || "";
  if (!cart()) return;
  $("#search").value = "";
  show(`/ui/tiles?tab=${encodeURIComponent(tab)}`);
}

/** The tiles are back with the sale paid: the search that led to it is over. */
export function paid() {
  $("#search").value = "";
}

/** Digits are most likely a code: the tiles stay until the cashier stops to think. */
let later = 0;
export function searchesNow(box) {
  clearTimeout(later);
  const listed = $("#tiles")?.dataset.tab;
  if (!box.value && $("[data-panel]")) return false;
  if (!listed || !/^[\d*.,]*$/.test(box.value)) return true;
  const text = box.value;
  later = setTimeout(() => {
    const address = `/ui/tiles?q=${encodeURIComponent(text)}`;
    if (/\d$/.test(text) && box.value === text) show(address);
  }, 500);
  return false;
}

export async function showTender() {
  ignore();
  await idle(); // what was scanned before Pay belongs to this sale; with its first item Pay wakes up
  if (!$("#pay") || $("#pay").disabled) return;
  closeEditors();
  show("/ui/tender");
}
