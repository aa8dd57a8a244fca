// The number pad, the same everywhere. A field says what it holds: data-kind = pin | money | count |
// decimal. Money is typed as at a till, the last digit is a cent: 5 0 0 is 5.00; with a point it is as written.

/** The field that the pad near `from` types into: the focused one, else the form's first. */
export function padField(from) {
  const active = document.activeElement;
  if (active?.dataset?.kind) return active;
  const scope = from?.closest?.("form") || document;
  const chosen = scope.querySelector("[data-kind][data-chosen]");
  return chosen || scope.querySelector("form:has([data-pad]) [data-kind]");
}

export function type(field, keys) {
  for (const key of keys) press(field, key === "," ? "." : key);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

export function press(field, key) {
  const fresh = field.dataset.fresh !== "no"; // the first key replaces what stood there
  const old = fresh && key !== "Backspace" ? "" : field.value;
  field.dataset.fresh = "no";
  if (key === "C") field.value = "";
  else if (key === "Backspace") field.value = erase(field, old);
  else if (/^[0-9.]+$/.test(key)) field.value = append(field, old, key);
}

function append(field, old, key) {
  const { kind } = field.dataset;
  const digits = Number(field.dataset.digits || 0);
  if (kind === "pin" || kind === "count") return key === "." || old.length >= 12 ? old : old + key;
  if (kind === "decimal") {
    const next = (old + key).replace(/^0+(?=\d)/, "");
    return new RegExp(`^\\d{0,7}(\\.\\d{0,${digits}})?$`).test(next) ? next : old;
  }
  if (key === "." || field.dataset.point === "yes") return pointed(field, old, key, digits);
  const figures = (old.replace(/\D/g, "") + key).replace(/^0+/, "").slice(0, 11);
  return shift(figures, digits);
}

function pointed(field, old, key, digits) {
  if (key === ".") {
    if (field.dataset.point === "yes" || !digits) return old;
    field.dataset.point = "yes";
    return (old.replace(/\D/g, "").replace(/^0+/, "") || "0") + ".";
  }
  const next = old + key;
  return next.split(".")[1].length <= digits ? next : old;
}

function erase(field, old) {
  if (field.dataset.kind !== "money") return old.slice(0, -1);
  if (field.dataset.point === "yes") {
    if (old.endsWith(".")) field.dataset.point = "";
    return old.endsWith(".") ? shift(old.slice(0, -1), Number(field.dataset.digits)) : old.slice(0, -1);
  }
  return shift(old.replace(/\D/g, "").slice(0, -1).replace(/^0+/, ""), Number(field.dataset.digits));
}

function shift(figures, digits) {
  if (!figures) return "";
  if (!digits) return figures;
  const padded = figures.padStart(digits + 1, "0");
  return `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}

export function value(field) {
  return Number(field.value || 0);
}

export function listenPads() {
  document.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]");
    const field = key && padField(key);
    if (!field) return;
    for (const k of key.dataset.key === "00" ? ["0", "0"] : [key.dataset.key]) press(field, k);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-key]")) event.preventDefault(); // the field keeps the focus
  });
  document.addEventListener("focusin", (event) => {
    const field = event.target;
    if (!field.dataset?.kind) return;
    field.form?.querySelectorAll("[data-chosen]").forEach((other) => delete other.dataset.chosen);
    field.dataset.chosen = "yes";
    field.dataset.fresh = "yes";
    field.dataset.point = "";
    field.select();
  });
  document.addEventListener("click", (event) => {
    const step = event.target.closest("[data-step]");
    if (!step) return;
    const field = step.form.querySelector("[data-kind]");
    field.value = Math.max(1, value(field) + Number(step.dataset.step));
  });
  document.addEventListener("input", recount);
}

/** The count by denomination fills the amount; typing the amount itself empties the counts. */
function recount(event) {
  const form = event.target.closest?.("form[data-count]");
  if (!form || !event.target.dataset.kind) return;
  const sums = [...form.querySelectorAll("[data-sum]")];
  const fields = sums.map((sum) => form.elements[`d${sum.dataset.sum}`]);
  const amount = form.elements[form.dataset.count];
  if (event.target === amount) fields.forEach((field) => (field.value = ""));
  const digits = Number(amount.dataset.digits);
  let total = 0;
  sums.forEach((sum, i) => {
    const part = Number(sum.dataset.sum) * Number(fields[i].value || 0);
    total += part;
    sum.textContent = part ? shift(String(part), digits) : "";
  });
  if (event.target !== amount) amount.value = shift(String(total), digits) || "";
}
