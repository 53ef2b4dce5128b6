/** Brings the page to life. */

import { api, followJobs, onTokenNeeded } from "./api.js";
import { setUpAppearance } from "./appearance.js";
import { BandPanel } from "./bandpanel.js";
import { $ } from "./dom.js";
import { sweepDrafts } from "./drafts.js";
import { History, plainName } from "./history.js";
import { onLanguage, t } from "./i18n.js";
import { complain, notify } from "./notices.js";
import { setUpShortcuts } from "./shortcuts.js";
import { Start } from "./start.js";
import { Studio } from "./studio.js";
import { Transport } from "./transport.js";

const panel = new BandPanel();
const studio = new Studio(panel);
const transport = new Transport(studio);
const start = new Start((data) => studio.player.decode(data));
const history = new History();

let options = null;
let lost = false;

function show() {
  const open = studio.recording !== null;
  $("#start").hidden = open;
  $("#studio").hidden = !open;
  if (open) $("#song-name").textContent = plainName(studio.recording);
}

async function refreshHistory() {
  const recordings = await api.recordings();
  history.show(recordings, studio.recording?.id);
  sweepDrafts(recordings);
}

// At most every so often, and never put off by more news: a job that tells of its progress all the
// time must not keep a new song off the list.
let historyTimer = 0;
function refreshHistorySoon() {
  historyTimer ||= setTimeout(() => {
    historyTimer = 0;
    refreshHistory().catch(() => {});
  }, 300);
}

const songOfAddress = () => /^#song=([0-9a-f]{24})$/.exec(location.hash)?.[1];

async function openFromAddress() {
  const id = songOfAddress();
  if (!id) studio.close();
  else if (id !== studio.recording?.id) {
    try {
      const recording = await api.recording(id);
      // The address may name another song by now.
      if (id === songOfAddress()) await studio.open(recording);
    } catch (error) {
      if (id !== songOfAddress()) return;
      location.hash = "";
      complain(error);
    }
  }
}

start.addEventListener("recorded", ({ detail: { recording, wave } }) => {
  studio.open(recording, { wave, isNew: true }).catch(complain);
  location.hash = `song=${recording.id}`;
});
studio.addEventListener("opened", () => {
  show();
  refreshHistorySoon();
  $("#song-name").focus({ preventScroll: true });
  scrollTo({ top: 0 });
});
studio.addEventListener("closed", show);
studio.addEventListener("changed", refreshHistorySoon);
history.addEventListener("open", ({ detail }) => {
  $("#history").close?.();
  location.hash = `song=${detail.id}`;
});
history.addEventListener("forget", ({ detail }) => forget(detail).catch(complain));
$("#close-song").addEventListener("click", () => (location.hash = ""));
$("#open-history").addEventListener("click", () => $("#history").showModal());
$("#close-history").addEventListener("click", () => $("#history").close());
$("#open-help").addEventListener("click", () => $("#help").showModal());
$("#close-help").addEventListener("click", () => $("#help").close());
addEventListener("hashchange", () => openFromAddress());

async function forget(recording) {
  if (!confirm(t("delete_song_sure", { name: recording.name }))) return;
  await api.deleteRecording(recording.id);
  if (studio.recording?.id === recording.id) location.hash = "";
  await refreshHistory();
}

function askForToken() {
  return new Promise((resolve) => {
    const dialog = $("#token-dialog");
    const submit = async (event) => {
      event.preventDefault();
      try {
        await api.openSession($("#token").value);
      } catch (error) {
        complain(error);
        return;
      }
      $("#token-form").removeEventListener("submit", submit);
      dialog.close();
      resolve();
    };
    $("#token-form").addEventListener("submit", submit);
    if (!dialog.open) dialog.showModal();
  });
}

function followServer() {
  followJobs({
    onJob: (job) => {
      studio.take(job);
      if (job.recording_id !== studio.recording?.id) refreshHistorySoon();
    },
    onDeleted: (id) => studio.drop(id),
    onOpen: () => {
      if (lost) notify(t("connected_again"));
      lost = false;
      studio.refresh().catch(complain);
      refreshHistorySoon();
    },
    onLost: () => {
      if (!lost) notify(t("connection_lost"), "bad");
      lost = true;
    },
  });
}

function frame() {
  studio.tick();
  transport.tick();
  requestAnimationFrame(frame);
}

async function begin() {
  setUpAppearance(() => studio.timeline.recolour());
  setUpShortcuts(studio, transport);
  onTokenNeeded(askForToken);
  onLanguage(() => {
    document.title = t("title");
    if (options) start.show(options);
    studio.redraw();
    refreshHistorySoon();
  });
  requestAnimationFrame(frame);
  options = await api.options();
  panel.show(options);
  start.show(options);
  $("#version").textContent = `banso ${options.version} · ${options.bundle.name}`;
  followServer();
  await openFromAddress();
  await refreshHistory();
  document.body.dataset.ready = "true";
}

begin().catch(complain);
