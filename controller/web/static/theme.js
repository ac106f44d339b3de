// The theme before the first paint: what was chosen here, else what the system prefers. Classic script in <head>.
"use strict";
(function () {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage may be blocked: follow the system */ }

  function apply() {
    root.dataset.theme = chosen || (dark.matches ? "dark" : "light");
    for (const button of document.querySelectorAll("[data-theme-toggle]")) button.setAttribute("aria-pressed", root.dataset.theme === "dark");
    document.dispatchEvent(new Event("theme:changed"));
  }
  apply();
  dark.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", event => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", chosen); } catch { /* kept for this page only */ }
    apply();
  });
  // A menu closes when the click or the focus goes elsewhere, and on Escape.
  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(except)) menu.open = false;
  }
  document.addEventListener("click", event => closeMenus(event.target));
  document.addEventListener("focusin", event => closeMenus(event.target));
  document.addEventListener("keydown", event => {
    const menu = event.key === "Escape" && document.activeElement.closest("details.menu[open]");
    if (menu) { menu.open = false; menu.firstElementChild.focus(); }
  });
})();
