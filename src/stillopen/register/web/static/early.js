// Runs before anything else of the page: keys and taps that come while it still loads are kept, and handed
// over in their order by keys.js. Neither a scanner nor a quick hand waits until a page is ready.
window.early = { acts: [] };

window.early.onKey = (event) => {
  const { acts } = window.early;
  const { key, timeStamp, repeat } = event;
  const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
  const ends = /^(Enter|Tab|Backspace)$/.test(key) && acts.some((act) => act.key);
  if (!plain || !(key.length === 1 || /^F[24]$/.test(key) || ends)) return;
  acts.push({ key, timeStamp, repeat });
  event.preventDefault();
  event.stopPropagation();
};

window.early.onTap = (event) => {
  window.early.acts.push({ tapped: event.target });
  event.preventDefault();
  event.stopPropagation();
};

addEventListener("keydown", window.early.onKey, true);
addEventListener("click", window.early.onTap, true);
