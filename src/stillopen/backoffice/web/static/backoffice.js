// What the pages need beyond HTML and htmx: keys, toasts that go by themselves, forms that send themselves.
(function () {
  "use strict";

  function closeToast(toast) {
    toast.remove();
  }

  function startToasts(root) {
    root.querySelectorAll(".toast:not([data-started])").forEach(function (toast) {
      toast.setAttribute("data-started", "");
      toast.querySelector("button").addEventListener("click", function () {
        closeToast(toast);
      });
      if (!toast.classList.contains("error")) {
        setTimeout(closeToast, 6000, toast);
      }
    });
  }

  document.addEventListener("change", function (event) {
    if (event.target.matches("[data-send]")) {
      event.target.form.requestSubmit();
    }
  });

  document.addEventListener("click", function (event) {
    if (event.target.closest("[data-print]")) {
      window.print();
    }
    var copy = event.target.closest("[data-copy]");
    if (copy) {
      navigator.clipboard.writeText(document.querySelector(copy.dataset.copy).textContent.trim());
      copy.querySelector("span").textContent = "Copied";
    }
  });

  document.addEventListener("keydown", function (event) {
    var typing = event.target.matches("input, textarea, select");
    if (event.key === "/" && !typing) {
      var search = document.querySelector("[data-search]");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    }
    if (event.key === "Escape" && event.target.matches("[data-undo]")) {
      event.target.value = event.target.defaultValue;
      event.target.blur();
    }
  });

  // A part that refreshes itself keeps the details open that a person opened, and the focus where it was.
  var open = [];
  var focused = null;

  /** What has the focus in such a part: a link by its address and which of them it is, or a summary. */
  function placeOf(element) {
    var address = element.getAttribute("href");
    var selector = address ? '#live a[href="' + CSS.escape(address) + '"]' : "#live summary";
    var at = Array.from(document.querySelectorAll(selector)).indexOf(element);
    return at < 0 ? null : { selector: selector, at: at };
  }

  document.addEventListener("htmx:beforeSwap", function () {
    open = Array.from(document.querySelectorAll("details[data-keep][open]"), function (d) {
      return d.id;
    });
    focused = placeOf(document.activeElement);
  });
  document.addEventListener("htmx:afterSwap", function () {
    open.forEach(function (id) {
      var details = document.getElementById(id);
      if (details) {
        details.open = true;
      }
    });
    var lost = focused && document.activeElement === document.body;
    var again = lost && document.querySelectorAll(focused.selector)[focused.at];
    if (again) {
      again.focus({ preventScroll: true });
    }
  });

  document.addEventListener("htmx:afterSettle", function () {
    startToasts(document);
  });
  startToasts(document);
})();
