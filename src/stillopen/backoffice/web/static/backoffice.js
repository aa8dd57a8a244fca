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

  // A part that refreshes itself keeps the details open that a person opened.
  var open = [];
  document.addEventListener("htmx:beforeSwap", function () {
    open = Array.from(document.querySelectorAll("details[data-keep][open]"), function (d) {
      return d.id;
    });
  });
  document.addEventListener("htmx:afterSwap", function () {
    open.forEach(function (id) {
      var details = document.getElementById(id);
      if (details) {
        details.open = true;
      }
    });
  });

  document.addEventListener("htmx:afterSettle", function () {
    startToasts(document);
  });
  startToasts(document);
})();
