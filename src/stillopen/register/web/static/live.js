// What the till says by itself: state of the line, new prices, that it is gone, that it is back.
import { pending, run } from "./queue.js";
import { toast } from "./toast.js";

const SILENCE = 5000; // ms without a word (one comes every 2 s) until the till counts as gone
const UNDER_WAY = 3000; // ms that the next page may take before this one asks for it again
let heard = performance.now();
let source = null;
let alive = true;
let restoreLine = "";
let left = -Infinity; // when this page was last asked to make room for another
let goods = null; // mark of the goods as last heard

const meta = (name) => document.querySelector(`meta[name=${name}]`)?.content;

export function connect() {
  source?.close();
  source = new EventSource("/ui/events");
  source.addEventListener("line", (event) => said(JSON.parse(event.data)));
  source.addEventListener("beat", word);
  source.onerror = () => {
    gone();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 500);
  };
}

export function watch() {
  connect();
  setInterval(() => performance.now() - heard > SILENCE && (gone(), connect(), (heard = performance.now())), 1000);
  for (const way of ["click", "submit"]) document.addEventListener(way, stay, true);
  document.body.addEventListener("htmx:afterSettle", refreshTiles); // they may have been made before the last word
  addEventListener("beforeunload", () => (left = performance.now()));
  addEventListener("pageshow", (event) => event.persisted && location.reload());
}

/** While the till is gone no page can come: stay on this one instead of on the browser's own error. */
function stay(event) {
  const { target, type } = event;
  const leaves = type === "submit" ? !target.dataset.do && target.id !== "find" : target.closest("a[href]");
  if (alive || !leaves) return;
  event.preventDefault();
  event.stopPropagation();
  toast({ tone: "red", title: "The till program does not answer.", text: "It comes back by itself: wait a moment." });
}

function word() {
  heard = performance.now();
  if (alive) return;
  alive = true;
  document.body.classList.remove("dead");
  const line = document.getElementById("line");
  if (line) line.innerHTML = restoreLine;
  run(); // what was scanned meanwhile
}

function gone() {
  if (!alive) return;
  alive = false;
  const line = document.getElementById("line");
  if (!line) return;
  restoreLine = line.innerHTML;
  line.replaceChildren(document.getElementById("dead").content.cloneNode(true));
  document.body.classList.add("dead");
}

function said(data) {
  word();
  const elsewhere = data.boot !== meta("boot") || moved(data.stage); // started anew, or signed in or out
  if (elsewhere) return performance.now() - left > UNDER_WAY && location.assign("/");
  let changed = false;
  for (const [id, html] of Object.entries(data.parts)) {
    const place = document.getElementById(id);
    if (!place || place.dataset.shown === html) continue;
    if (place.querySelector("[aria-busy=true]")) continue;
    changed ||= place.dataset.shown !== undefined;
    place.dataset.shown = html;
    place.innerHTML = html;
  }
  const cart = document.querySelector("[data-cart]");
  if (cart && data.cart && !pending() && stale(cart, data.cart)) signal("till:cart");
  if (changed) signal("till:line");
  if (goods !== data.goods) signal("till:catalogue");
  goods = data.goods;
  refreshTiles();
}

const stale = (shown, now) => shown.dataset.cart !== now.id || Number(shown.dataset.version) < now.version;

/** Screens before the selling ones follow the till's stage; a page that someone works on stays. */
function moved(stage) {
  const mine = meta("stage");
  const before = ["activate", "readiness", "blocked", "login"];
  return stage !== mine && (before.includes(stage) || before.includes(mine));
}

function signal(name) {
  document.body.dispatchEvent(new CustomEvent(name));
}

/** New prices and names go into the tiles where they stand; only what differs is touched. */
async function refreshTiles() {
  const box = document.getElementById("tiles");
  if (!box || goods === null || box.dataset.goods === goods) return;
  const response = await fetch(box.dataset.refresh, { headers: { "HX-Request": "true" } }).catch(() => null);
  const text = response?.ok ? await response.text().catch(() => "") : "";
  const fresh = new DOMParser().parseFromString(text, "text/html");
  if (!fresh.getElementById("tiles")) return; // nobody is signed in any more, or the shift is closed
  if (!box.isConnected) return; // something else stands there by now
  const now = [...fresh.querySelectorAll(".tile")];
  const shown = [...box.querySelectorAll(".tile")];
  const same = now.length === shown.length && now.every((tile, i) => tile.id === shown[i].id);
  if (!same || fresh.getElementById("cats").outerHTML !== document.getElementById("cats").outerHTML) {
    const scrolled = box.scrollTop;
    const work = document.getElementById("work");
    work.innerHTML = fresh.body.innerHTML;
    window.htmx.process(work);
    document.getElementById("tiles").scrollTop = scrolled;
    return;
  }
  box.dataset.goods = fresh.getElementById("tiles").dataset.goods;
  now.forEach((tile, i) => {
    if (tile.innerHTML !== shown[i].innerHTML) shown[i].innerHTML = tile.innerHTML;
    if (tile.title !== shown[i].title) shown[i].title = tile.title;
    if (tile.className !== shown[i].className) shown[i].className = tile.className;
  });
}
