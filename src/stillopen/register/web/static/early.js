// Runs before anything else of the page: keys that come while it still loads are kept for keys.js.
// A scanner does not wait until a page is ready.
window.earlyKeys = [];
window.keepEarly = (event) => {
  const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.isComposing;
  const begun = window.earlyKeys.length > 0;
  if (!plain || !(event.key.length === 1 || (begun && /^(Enter|Tab|Backspace)$/.test(event.key)))) return;
  window.earlyKeys.push({ key: event.key, timeStamp: event.timeStamp, repeat: event.repeat });
  event.preventDefault();
  event.stopPropagation();
};
addEventListener("keydown", window.keepEarly, true);
