// Questions to the panel. What fails is an Error with the panel's own sentence.

let csrf = null;

export async function get(address) {
  return answered(await sent(address));
}

export async function change(method, address, body) {
  const headers = word();
  if (body !== undefined) headers["content-type"] = "application/json";
  return answered(await sent(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }));
}

/** A file that the panel makes, saved under the name that the panel gives it. */
export async function download(address) {
  const answer = await sent(address, { method: "POST", headers: word() });
  if (!answer.ok) await answered(answer);
  const name = /filename="([^"]+)"/.exec(answer.headers.get("content-disposition") ?? "")?.[1] ?? "bundle.edge.zip";
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return name;
}

/** Who is here: `state` is off, signed_out or signed_in; `may` lists what they may ask for; `ways` to sign in. */
export async function session() {
  return kept(await get("/v1/session"));
}

/** Sign in by `way`: "password" or "token". */
export async function signIn(name, way, secret) {
  return kept(await change("POST", "/v1/session", { name, [way]: secret }));
}

export async function signOut() {
  return kept(await change("DELETE", "/v1/session"));
}

/** The events of a streamed answer, each as an object. */
export async function* streamed(address, body, signal) {
  const answer = await sent(address, {
    method: "POST", headers: { ...word(), "content-type": "application/json" }, body: JSON.stringify(body), signal,
  });
  if (!answer.ok) await answered(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const data = event.replace(/^data: /gm, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function sent(address, options) {
  try {
    return await fetch(address, options);
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw Object.assign(new Error("unreachable"), { unreachable: true });
  }
}

async function answered(answer) {
  if (answer.status === 204) return null;
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  throw Object.assign(new Error(told.error?.message ?? `HTTP ${answer.status}`), { status: answer.status });
}

/** The session's own word, which no other site knows. */
function word() {
  return csrf ? { "x-edge-csrf": csrf } : {};
}

function kept(told) {
  csrf = told.csrf;
  return told;
}
