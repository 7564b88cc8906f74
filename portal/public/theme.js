// Sets the theme before the first paint, so that nobody who wants a dark page sees a light one flash.
(function () {
  var wanted = null;
  try {
    wanted = localStorage.getItem("litemaas.theme");
  } catch (refused) {
    wanted = null;
  }
  var dark = wanted === "dark" || (wanted !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("pf-v6-theme-dark", dark);
})();
