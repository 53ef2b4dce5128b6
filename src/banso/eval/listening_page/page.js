"use strict";
/* A blind listening test that runs from a folder, without any server.

   The order of pages, and which clip is A, come from the listener's own random number. Answers are
   kept in this browser until they are saved as a file. */
(() => {
  const test = window.LISTENING_TEST, texts = window.LISTENING_TEXTS;
  const storageName = `banso-listening-${test.test_id}`;
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const byId = Object.fromEntries(test.trials.map((trial) => [trial.id, trial]));
  const place = { main: document.getElementById("main"), status: document.getElementById("status"),
    progress: document.getElementById("progress"),
    languages: document.getElementById("languages") };
  let state = load();
  let clips = [];

  // --- what is remembered -------------------------------------------------------------------

  function load() {
    let kept = null;
    try {
      kept = JSON.parse(localStorage.getItem(storageName));
    } catch {
      // A broken or forbidden store is an empty one.
    }
    const fresh = kept && kept.test_id === test.test_id ? kept : begin();
    // Once simulated, a run stays so.
    if (new URLSearchParams(location.search).has("simulated")) fresh.simulated = true;
    return fresh;
  }

  function begin() {
    const [seed, first, second] = crypto.getRandomValues(new Uint32Array(3));
    const hex = (value) => value.toString(16).padStart(8, "0");
    const random = generator(seed);
    const kinds = ["pair", "rating"].map((kind) =>
      shuffled(test.trials.filter((trial) => trial.kind === kind), random));
    return {
      test_id: test.test_id, listener: hex(first) + hex(second), order_seed: seed,
      simulated: false, language: navigator.language.startsWith("ja") ? "ja" : "en",
      started: new Date().toISOString(), finished: null, step: 0, about: {}, comment: "",
      order: kinds.flat().map((trial) => trial.id),
      shown: Object.fromEntries(test.trials.map((trial) =>
        [trial.id, shuffled(trial.clips, random)])),
      heard: {}, answers: {},
    };
  }

  function keep() {
    try {
      localStorage.setItem(storageName, JSON.stringify(state));
    } catch {
      // Without a store the test still works, only not across visits.
    }
  }

  /* Xorshift with 32 bits of state (Marsaglia 2003): enough to shuffle pages, and repeatable. */
  function generator(seed) {
    let bits = seed || 1;
    return () => {
      bits ^= bits << 13;
      bits ^= bits >>> 17;
      bits ^= bits << 5;
      return (bits >>> 0) / 2 ** 32;
    };
  }

  function shuffled(values, random) {
    const mixed = [...values];
    for (let k = mixed.length - 1; k > 0; k -= 1) {
      const other = Math.floor(random() * (k + 1));
      [mixed[k], mixed[other]] = [mixed[other], mixed[k]];
    }
    return mixed;
  }

  // --- building the page --------------------------------------------------------------------

  function say(name) {
    return texts[state.language][name];
  }

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  function show(message) {
    place.status.textContent = message;
  }

  function render() {
    clips.forEach((clip) => clip.audio.pause());
    clips = [];
    document.documentElement.lang = state.language;
    document.title = say("title");
    const simulated = document.getElementById("simulated");
    simulated.hidden = !state.simulated;
    simulated.textContent = say("simulated");
    place.languages.setAttribute("aria-label", say("languages"));
    place.languages.replaceChildren(...Object.keys(texts).map((code) => element("button", {
      type: "button", lang: code, "aria-pressed": String(code === state.language),
      onclick: () => { state.language = code; keep(); render(); },
    }, texts[code].name)));
    const last = state.order.length + 1;
    place.progress.replaceChildren();
    if (state.step > 0 && state.step < last) {
      const words = say("page")(state.step, state.order.length);
      place.progress.append(words, element("progress",
        { max: state.order.length, value: state.step - 1, "aria-label": words }));
    }
    show("");
    const heading = element("h1", { tabindex: "-1" });
    const parts = state.step === 0 ? welcome(heading) : state.step === last ? farewell(heading)
      : trialPage(byId[state.order[state.step - 1]], heading);
    place.main.replaceChildren(heading, ...parts);
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  function radios(name, legend, options, current, change, stacked = false) {
    const boxes = Object.entries(options).map(([value, words]) => element("label", {},
      element("input", { type: "radio", name, value, checked: current === value ? "" : null,
        onchange: () => change(value) }), ...words));
    const choices = element("div", { class: stacked ? "choices stacked" : "choices" }, ...boxes);
    return element("fieldset", { "data-name": name }, element("legend", {}, legend), choices);
  }

  function steps(forward, onforward) {
    const back = element("button", { type: "button", onclick: () => go(state.step - 1) },
      say("back"));
    const next = element("button", { type: "button", class: "main", id: "next",
      onclick: onforward }, forward);
    return element("div", { class: "steps" }, state.step > 0 ? back : null, next);
  }

  function go(step) {
    state.step = step;
    if (step === state.order.length + 1 && !state.finished) {
      state.finished = new Date().toISOString();
    }
    keep();
    render();
  }

  function welcome(heading) {
    heading.textContent = say("title");
    const seconds = test.trials.reduce((sum, trial) =>
      sum + trial.clips.length * (test.excerpt_seconds + 6), 0);
    const minutes = Math.max(1, Math.round(seconds / 60));
    const about = (name, options) => radios(name, say(name), Object.fromEntries(
      Object.entries(say(options)).map(([value, words]) => [value, [words]])), state.about[name],
    (value) => { state.about[name] = value; keep(); }, true);
    return [
      ...say("intro").map((words) => element("p", {}, words)),
      element("p", {}, say("pages")(state.order.length, minutes)),
      element("h2", {}, say("volume")), element("p", {}, say("volumeHelp")),
      clipCard("voice", say("voice"), "v", false),
      element("h2", {}, say("about")), about("device", "devices"), about("training", "trainings"),
      element("p", { class: "soft" }, say("keys")),
      steps(say("start"), () => {
        if (state.about.device && state.about.training) go(1); else show(say("missingAbout"));
      }),
    ];
  }

  function trialPage(trial, heading) {
    const names = state.shown[trial.id];
    const forward = () => {
      const waiting = clips.filter((clip) => !isHeard(clip.name)).map((clip) => clip.words);
      const open = missing(trial);
      if (waiting.length) show(say("missingHeard")(waiting.join(", ")));
      else if (open) show(say("missingAnswers")(open));
      else go(state.step + 1);
    };
    const body = trial.kind === "pair" ? pairPage(trial, names, heading)
      : ratingPage(trial, names, heading);
    return [...body, element("p", { class: "soft" }, say("keys")), steps(say("next"), forward)];
  }

  function pairPage(trial, names, heading) {
    heading.textContent = say("pairTitle");
    const cards = names.map((name, k) => clipCard(name, LETTERS[k], LETTERS[k].toLowerCase()));
    const options = Object.fromEntries(["A", "none", "B"].map((value) =>
      [value, [say("choices")[value]]]));
    const answer = state.answers[trial.id];
    const chosen = !answer ? null : answer.preferred === null ? "none"
      : LETTERS[names.indexOf(answer.preferred)];
    const question = radios("preference", say("preference"), options, chosen, (value) => {
      state.answers[trial.id] = {
        preferred: value === "none" ? null : names[LETTERS.indexOf(value)],
      };
      keep();
    });
    return [element("p", {}, say("pairHelp")), element("div", { class: "players" }, ...cards),
      question];
  }

  function ratingPage(trial, names, heading) {
    heading.textContent = say("ratingTitle");
    const answers = state.answers[trial.id] ?? {};
    const options = Object.fromEntries(say("scale").map((words, k) =>
      [String(k + 1), [String(k + 1), element("small", {}, words)]]));
    const copied = () => Object.fromEntries(Object.entries(options).map(([value, parts]) =>
      [value, parts.map((part) => part.cloneNode ? part.cloneNode(true) : part)]));
    const cards = names.map((name, k) => {
      const card = clipCard(name, say("band")(LETTERS[k]), LETTERS[k].toLowerCase());
      for (const scale of ["fit", "quality"]) {
        const current = answers[name]?.[scale];
        card.append(radios(`${scale}-${LETTERS[k]}`, say(scale), copied(),
          current ? String(current) : null, (value) => {
            const kept = state.answers[trial.id] ?? {};
            kept[name] = { ...kept[name], [scale]: Number(value) };
            state.answers[trial.id] = kept;
            keep();
          }));
      }
      return card;
    });
    return [element("p", {}, say("ratingHelp")), ...cards];
  }

  function missing(trial) {
    const answer = state.answers[trial.id];
    if (trial.kind === "pair") return answer ? 0 : 1;
    return trial.clips.flatMap((name) => ["fit", "quality"].map((scale) => answer?.[name]?.[scale]))
      .filter((value) => !value).length;
  }

  // --- sound --------------------------------------------------------------------------------

  function isHeard(name) {
    return (state.heard[name] ?? 0) >= test.least_heard_seconds;
  }

  function clipCard(name, words, key, isJudged = true) {
    const audio = element("audio", { preload: "auto", src: `clips/${name}.flac` });
    const button = element("button", { type: "button", class: "play", "aria-keyshortcuts": key });
    const fill = element("span");
    const note = element("p", { class: "heard" });
    const card = element("div", { class: "clip", "data-clip": key }, button,
      element("div", { class: "bar" }, fill), note, audio);
    const clip = { name, words, key, audio, before: 0 };
    const refresh = () => {
      const playing = !audio.paused && !audio.ended;
      button.textContent = say(playing ? "pause" : "play")(words);
      card.classList.toggle("playing", playing);
      fill.style.width = `${audio.duration ? (100 * audio.currentTime) / audio.duration : 0}%`;
      note.textContent = !isJudged ? "" : isHeard(name) ? `✓ ${say("heard")}`
        : say("hearMore")(test.least_heard_seconds);
    };
    const listened = () => {
      const gone = audio.currentTime - clip.before;
      clip.before = audio.currentTime;
      // A jump is not listening.
      if (gone > 0 && gone < 1) state.heard[name] = (state.heard[name] ?? 0) + gone;
      refresh();
    };
    button.addEventListener("click", () => toggle(clip));
    audio.addEventListener("timeupdate", listened);
    audio.addEventListener("play", () => { clip.before = audio.currentTime; refresh(); });
    audio.addEventListener("pause", () => { listened(); keep(); });
    audio.addEventListener("error", () => show(say("loadError")));
    clips.push(clip);
    refresh();
    return card;
  }

  /* All clips of a page are the same moment of a song, so another one goes on where this one is. */
  function toggle(clip) {
    if (!clip.audio.paused) {
      clip.audio.pause();
      return;
    }
    const other = clips.find((candidate) => !candidate.audio.paused);
    if (other) {
      clip.audio.currentTime = other.audio.currentTime;
      other.audio.pause();
    }
    clip.audio.play().catch(() => show(say("loadError")));
  }

  // --- the end ------------------------------------------------------------------------------

  function result() {
    const answers = state.order.map((id, k) => {
      const { kind } = byId[id], names = state.shown[id], answer = state.answers[id] ?? {};
      const heard = names.map((name) => Math.round(10 * (state.heard[name] ?? 0)) / 10);
      const common = { trial: id, kind, position: k + 1, shown: names, heard_seconds: heard };
      return kind === "pair" ? { ...common, preferred: answer.preferred ?? null }
        : { ...common, ratings: answer };
    });
    return {
      format: "banso-listening-result", format_version: test.format_version,
      test_id: state.test_id, listener: state.listener, order_seed: state.order_seed,
      simulated: state.simulated, language: state.language, started: state.started,
      finished: state.finished, about: state.about, comment: state.comment, answers,
    };
  }

  function farewell(heading) {
    heading.textContent = say("endTitle");
    const text = () => JSON.stringify(result(), null, 1);
    const area = element("textarea", { class: "result", readonly: "", rows: "8",
      "aria-label": say("show") });
    area.value = text();
    const comment = element("textarea", { id: "comment", rows: "3", oninput: () => {
      state.comment = comment.value;
      area.value = text();
      keep();
    } });
    comment.value = state.comment;
    const label = element("p", {}, element("label", { for: "comment" }, say("comment")));
    return [
      element("p", {}, say("endHelp")), label, comment,
      element("div", { class: "steps" }, element("button", { type: "button", class: "main",
        id: "save", onclick: save }, say("save"))),
      element("details", {}, element("summary", {}, say("show")), area),
      element("button", { type: "button", id: "again", onclick: startOver }, say("again")),
    ];
  }

  function save() {
    const name = `banso-listening-${state.test_id.slice(0, 8)}-${state.listener}.json`;
    const blob = new Blob([JSON.stringify(result(), null, 1)], { type: "application/json" });
    const link = element("a", { href: URL.createObjectURL(blob), download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    show(say("saved")(name));
  }

  function startOver() {
    if (!window.confirm(say("sure"))) return;
    localStorage.removeItem(storageName);
    state = load();
    keep();
    render();
  }

  // --- keys ---------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.tagName === "TEXTAREA") return;
    const clip = clips.find((candidate) => candidate.key === event.key.toLowerCase());
    if (clip) {
      event.preventDefault();
      if (!event.repeat) toggle(clip);
    } else if (/^[1-9]$/.test(event.key)) {
      answerByDigit(Number(event.key), target);
    } else if (event.key === "Enter" && !["BUTTON", "SUMMARY", "A"].includes(target.tagName)) {
      event.preventDefault();
      document.getElementById("next")?.click();
    }
  });

  /* A digit answers the question that has the focus, else the only one of the page. */
  function answerByDigit(digit, target) {
    const questions = place.main.querySelectorAll("fieldset");
    const question = target.closest?.("fieldset") ?? (questions.length === 1 ? questions[0] : null);
    const input = question?.querySelectorAll("input")[digit - 1];
    if (!input) return;
    input.checked = true;
    input.focus();
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  keep();
  render();
})();
