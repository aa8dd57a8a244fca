// Short messages at the upper right: what was done, or what was not and why.
const ICONS = { green: "check-circle", yellow: "warn", red: "warn" };
const AT_ONCE = 3;

export function toast({ tone = "green", title, text = "" }) {
  const box = document.getElementById("toasts");
  const node = document.querySelector("template#toast").content.cloneNode(true).firstElementChild;
  node.classList.add(tone);
  const use = node.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").replace(/#.*/, `#${ICONS[tone] || "info"}`));
  node.querySelector("b").textContent = title;
  node.querySelector("span").textContent = text;
  while (box.children.length >= AT_ONCE) box.firstChild.remove();
  box.append(node);
  node.addEventListener("click", () => node.remove());
  setTimeout(() => node.remove(), tone === "green" ? 5000 : 9000);
}

/** The message that the page before left for this one, in a cookie of its own. */
export function flash() {
  const name = `till_flash_${location.port || 80}=`;
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(name));
  if (!found) return;
  document.cookie = `${name}; max-age=0; path=/`;
  const bytes = found.slice(name.length).match(/../g).map((hex) => parseInt(hex, 16));
  toast(JSON.parse(new TextDecoder().decode(new Uint8Array(bytes))));
}
