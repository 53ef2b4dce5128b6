/** Lead sheets that were edited but not played yet; they outlive a reload of the page. */

const PREFIX = "banso.draft.";

export function keepDraft(recordingId, sheet) {
  try {
    localStorage.setItem(PREFIX + recordingId, JSON.stringify(sheet));
  } catch {
    // No room; then it does not outlive a reload.
  }
}

/** The draft of a recording, or null. */
export function keptDraft(recordingId) {
  try {
    const sheet = JSON.parse(localStorage.getItem(PREFIX + recordingId));
    return Array.isArray(sheet?.beats) && Array.isArray(sheet.downbeats) && Array.isArray(sheet.chords) ? sheet : null;
  } catch {
    return null;
  }
}

export function forgetDraft(recordingId) {
  localStorage.removeItem(PREFIX + recordingId);
}

/** Forget the drafts of recordings that are not there any more. */
export function sweepDrafts(recordings) {
  const known = new Set(recordings.map(({ id }) => PREFIX + id));
  for (const key of Object.keys(localStorage)) {
    if (key.startsWith(PREFIX) && !known.has(key)) localStorage.removeItem(key);
  }
}
