// Runs before anything else of the page: keys and taps that come while it still loads are kept, and
// handed over by keys.js and main.js. Neither a scanner nor a quick hand waits until a page is ready.
window.early = { keys: [], taps: [] };

window.early.onKey = (event) => {
  const { keys } = window.early;
  const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
  if (!plain || !(event.key.length === 1 || (keys.length && /^(Enter|Tab|Backspace)$/.test(event.key)))) return;
  keys.push({ key: event.key, timeStamp: event.timeStamp, repeat: event.repeat });
  event.preventDefault();
  event.stopPropagation();
};

window.early.onTap = (event) => {
  window.early.taps.push(event.target);
  event.preventDefault();
  event.stopPropagation();
};

addEventListener("keydown", window.early.onKey, true);
addEventListener("click", window.early.onTap, true);
