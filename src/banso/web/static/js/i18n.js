/** The page in the reader's language. */

import en from "./strings/en.js";
import ja from "./strings/ja.js";

const STRINGS = { en, ja };
const KEY = "banso.language";

let language = chosen();
const listeners = new Set();

function chosen() {
  const kept = localStorage.getItem(KEY);
  if (kept in STRINGS) return kept;
  const wanted = navigator.languages ?? [navigator.language];
  const known = wanted.map((name) => name.slice(0, 2)).find((name) => name in STRINGS);
  return known ?? "en";
}

export const currentLanguage = () => language;

/** Text for a key; {name} inside it stands for a parameter. */
export function t(key, parameters = {}) {
  const text = STRINGS[language][key] ?? STRINGS.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => parameters[name] ?? whole);
}

/** Text for a key that may not exist, such as the name of a style from a bundle. */
export function tOr(key, otherwise) {
  return STRINGS[language][key] ?? STRINGS.en[key] ?? otherwise;
}

/** Fill in all elements that name a text: data-t for content, data-t-label for label and tip. */
export function fillTexts(root = document) {
  document.documentElement.lang = language;
  for (const element of root.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of root.querySelectorAll("[data-t-label]")) {
    element.setAttribute("aria-label", t(element.dataset.tLabel));
    element.title = t(element.dataset.tLabel);
  }
  for (const element of root.querySelectorAll("[data-t-placeholder]")) {
    element.placeholder = t(element.dataset.tPlaceholder);
  }
}

export function setLanguage(name) {
  language = name;
  localStorage.setItem(KEY, name);
  fillTexts();
  for (const listener of listeners) listener();
}

/** Call a function whenever the language changes. */
export function onLanguage(listener) {
  listeners.add(listener);
}
