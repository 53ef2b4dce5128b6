/** The HTTP interface as the page uses it. */

const API = "/api/v1";

/** Something that the server refused; `code` is stable, `message` is English. */
export class ApiError extends Error {
  constructor(status, code, message, retrySeconds = 0) {
    super(message);
    Object.assign(this, { status, code, retrySeconds });
  }
}

let askForToken = null;

/** Say how to get a token when the server asks for one. */
export function onTokenNeeded(ask) {
  askForToken = ask;
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(API + path, {
      method,
      // The page may be about to close.
      keepalive: method === "DELETE",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, "unreachable", "the server cannot be reached");
  }
  if (response.status === 401 && path !== "/session" && askForToken) {
    await askForToken();
    return call(method, path, body);
  }
  if (!response.ok) throw problem(response.status, await response.text(), response.headers);
  return response.status === 204 ? null : response.json();
}

function problem(status, text, headers) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // A proxy in between may answer in HTML.
  }
  const retry = Number(headers?.get("Retry-After") ?? 0);
  return new ApiError(status, error.code ?? "failed", error.message ?? `HTTP ${status}`, retry);
}

export const api = {
  options: () => call("GET", "/options"),
  openSession: (token) => call("POST", "/session", { token }),
  recordings: () => call("GET", "/recordings?limit=1000").then((answer) => answer.recordings),
  recording: (id) => call("GET", `/recordings/${id}`),
  deleteRecording: (id) => call("DELETE", `/recordings/${id}`),
  analyze: (id) => call("POST", `/recordings/${id}/analyze`),
  jobs: (recordingId) =>
    call("GET", `/jobs?limit=500&recording_id=${recordingId}`).then((answer) => answer.jobs),
  job: (id) => call("GET", `/jobs/${id}`),
  createJobs: (body) => call("POST", "/jobs", body).then((answer) => answer.jobs),
  convertSheet: (body) => call("POST", "/lead-sheets", body),
  cancel: (id) => call("POST", `/jobs/${id}/cancel`),
  deleteJob: (id) => call("DELETE", `/jobs/${id}`),
};

/** Upload a recording; XMLHttpRequest, because fetch does not tell how much has been sent. */
export function upload(blob, name, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${API}/recordings?name=${encodeURIComponent(name)}`);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status === 201) resolve(JSON.parse(request.responseText));
      else reject(problem(request.status, request.responseText));
    };
    request.onerror = () => reject(new ApiError(0, "unreachable", "the upload was interrupted"));
    request.send(blob);
  });
}

/** Fetch a file of a result. */
export async function fetchFile(url) {
  const response = await fetch(url);
  if (!response.ok) throw problem(response.status, await response.text(), response.headers);
  return response.arrayBuffer();
}

/**
 * Follow all jobs: onJob(job) for each change, onDeleted(id), and onOpen() after each (re)connection,
 * when news may have been missed. A page that nobody sees does not listen: a browser has six
 * connections to a server, for all its tabs together.
 */
export function followJobs({ onJob, onDeleted, onOpen, onLost }) {
  const take = (event) => onJob(JSON.parse(event.data));
  let source = null;
  const follow = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      source = new EventSource(`${API}/events`);
      source.addEventListener("job", take);
      source.addEventListener("over", take);
      source.addEventListener("deleted", (event) => onDeleted(JSON.parse(event.data).id));
      source.onopen = onOpen;
      source.onerror = onLost;
    }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}
