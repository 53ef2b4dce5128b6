/** Keys for those who would rather not reach for the mouse. */

import { VOICE } from "./mixer.js";

const TYPING = "input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]";
const PRESSING = "button, summary, a, audio, [role=button]";

/** Listen for keys while a song is open. */
export function setUpShortcuts(studio, transport) {
  const actions = {
    " ": () => transport.toggle(),
    ArrowLeft: () => transport.seekBy(-1),
    ArrowRight: () => transport.seekBy(1),
    Home: () => studio.player.seek(0),
    l: () => transport.toggleLoop(),
    "[": () => transport.markHere("start"),
    "]": () => transport.markHere("end"),
    m: () => studio.mixer.toggleMute(VOICE),
    b: () => studio.generate(),
  };
  for (let digit = 1; digit <= 9; digit++) actions[digit] = () => studio.selectNumber(digit - 1);
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (!studio.recording || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (target.closest("dialog[open]") || target.matches(TYPING)) return;
    // These have keys of their own.
    if (event.key === " " && target.closest(PRESSING)) return;
    if (/^(Arrow|Home)/.test(event.key) && target.matches("input")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    Promise.resolve(action()).catch(() => {});
  });
}
