// The number pad, the same everywhere. A field says what it holds: data-kind = pin | money | count | decimal.
// Money is typed as at a till, the last digit is a cent: 5 0 0 is 5.00; with a point it is as written: 5. is 5.00.

/** The field that keys go to: the focused one, else the one chosen last in the form, else its first. */
export function padField(from) {
  const active = document.activeElement;
  if (active?.dataset?.kind) return active;
  const form = from?.closest?.("form") || document.querySelector("form:has([data-pad])");
  return form?.querySelector("[data-kind][data-chosen]") || form?.querySelector("[data-kind]") || null;
}

export function type(field, keys) {
  for (const key of keys) press(field, key === "," ? "." : key);
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function press(field, key) {
  const fresh = field.dataset.fresh === "yes"; // the first key replaces what stood there
  if (fresh) field.dataset.point = "";
  field.dataset.fresh = "";
  const old = fresh && key !== "Backspace" ? "" : field.value;
  if (key === "C") field.value = "";
  else if (key === "Backspace") field.value = fresh ? "" : erase(field, old);
  else if (/^[0-9.]$/.test(key)) field.value = append(field, old, key);
}

function append(field, old, key) {
  const { kind } = field.dataset;
  const digits = Number(field.dataset.digits || 0);
  if (kind === "pin" || kind === "count") return key === "." || old.length >= 12 ? old : old + key;
  if (kind === "money") return money(field, old, key, digits);
  const next = (old + key).replace(/^0+(?=\d)/, "");
  return new RegExp(`^\\d{0,7}(\\.\\d{0,${digits}})?$`).test(next) ? next : old;
}

function money(field, old, key, digits) {
  if (field.dataset.point) {
    const next = old + key;
    return key === "." || next.split(".")[1].length > digits ? old : next;
  }
  const figures = old.replace(/\D/g, "").replace(/^0+/, "");
  if (key !== ".") return shift((figures + key).replace(/^0+/, "").slice(0, 11), digits) || shift("0", digits);
  if (!digits) return old;
  field.dataset.point = "yes";
  return `${figures || "0"}.`;
}

function erase(field, old) {
  const digits = Number(field.dataset.digits || 0);
  if (field.dataset.kind !== "money") return old.slice(0, -1);
  if (field.dataset.point && !old.endsWith(".")) return old.slice(0, -1);
  field.dataset.point = "";
  const figures = old.replace(/\D/g, "").replace(/^0+/, "");
  return shift(old.endsWith(".") ? figures : figures.slice(0, -1), digits);
}

/** "500" → "5.00" */
function shift(figures, digits) {
  if (!figures || !digits) return figures;
  const padded = figures.padStart(digits + 1, "0");
  return `${padded.slice(0, -digits)}.${padded.slice(-digits)}`;
}

export function listenPads() {
  document.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]");
    const field = key && padField(key);
    if (field) type(field, key.dataset.key === "Backspace" ? ["Backspace"] : key.dataset.key);
    const step = event.target.closest("[data-step]");
    if (step) stepBy(step.form.querySelector("[data-kind]"), Number(step.dataset.step));
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-key]")) event.preventDefault(); // the field keeps the focus
  });
  document.addEventListener("focusin", (event) => choose(event.target));
  document.addEventListener("beforeinput", (event) => {
    if (!event.target.dataset?.kind || event.inputType !== "insertText") return;
    event.preventDefault(); // from a keyboard on the screen: the same rules
    type(event.target, event.data || "");
  });
  document.addEventListener("input", recount);
}

function choose(field) {
  if (!field.dataset?.kind) return;
  field.form?.querySelectorAll("[data-chosen]").forEach((other) => delete other.dataset.chosen);
  field.dataset.chosen = "yes";
  field.dataset.fresh = field.dataset.kind === "pin" ? "" : "yes";
  field.select();
}

function stepBy(field, difference) {
  field.value = String(Math.max(1, Number(field.value || 0) + difference));
}

/** The count by denomination fills the amount; typing the amount itself empties the counts. */
function recount({ target }) {
  const form = target.closest?.("form[data-count]");
  if (!form || !target.dataset.kind) return;
  const amount = form.elements[form.dataset.count];
  const digits = Number(amount.dataset.digits);
  let total = 0;
  for (const sum of form.querySelectorAll("[data-sum]")) {
    const field = form.elements[`d${sum.dataset.sum}`];
    if (target === amount) field.value = "";
    const part = Number(sum.dataset.sum) * Number(field.value || 0);
    total += part;
    sum.textContent = part ? shift(String(part), digits) : "";
  }
  if (target !== amount) amount.value = shift(String(total), digits);
}
