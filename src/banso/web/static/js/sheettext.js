/** The lead sheet as text: for those who type faster than they click, and for the clipboard. */

import { api } from "./api.js";
import { $ } from "./dom.js";

/**
 * Let a sheet be edited as text.
 *
 * @returns {Promise<object | null>} the new sheet, or null if nothing is to change
 */
export async function editAsText(sheet) {
  const { text } = await api.convertSheet({ lead_sheet: sheet });
  const dialog = $("#text-dialog");
  const area = $("#sheet-text");
  area.value = text;
  tell("");
  dialog.showModal();
  return new Promise((resolve) => {
    const submit = async (event) => {
      event.preventDefault();
      try {
        const read = await api.convertSheet({ text: area.value });
        end(read.lead_sheet);
      } catch (error) {
        tell(error.message);
        place(error.message);
      }
    };
    const giveUp = () => end(null);
    function end(result) {
      $("#text-form").removeEventListener("submit", submit);
      dialog.removeEventListener("close", giveUp);
      if (dialog.open) dialog.close();
      resolve(result);
    }
    $("#text-form").addEventListener("submit", submit);
    dialog.addEventListener("close", giveUp);
    $("#text-cancel").onclick = () => dialog.close();
  });
}

function tell(message) {
  $("#text-error").textContent = message;
  $("#text-error").hidden = !message;
}

/** Put the cursor where the mistake is. */
function place(message) {
  const [, line, column] = /line (\d+), column (\d+)/.exec(message) ?? [];
  if (!line) return;
  const area = $("#sheet-text");
  const before = area.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(before + Number(column) - 1, before + Number(column) - 1);
}
