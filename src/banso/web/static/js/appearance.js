/** Light or dark, English or Japanese. */

import { $ } from "./dom.js";
import { currentLanguage, fillTexts, setLanguage, t } from "./i18n.js";

const KEY = "banso.theme";
const THEMES = ["auto", "light", "dark"];

/** Set both up; `onTheme` is called whenever colours change. */
export function setUpAppearance(onTheme) {
  let theme = THEMES.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    $("#theme").value = theme;
    onTheme();
  };
  $("#theme").addEventListener("change", () => {
    theme = $("#theme").value;
    localStorage.setItem(KEY, theme);
    apply();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onTheme);
  $("#language").value = currentLanguage();
  $("#language").addEventListener("change", () => setLanguage($("#language").value));
  fillTexts();
  document.title = t("title");
  apply();
}
