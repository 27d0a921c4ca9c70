// What the pages share: asking the server, and telling the user.
export const byId = id => document.getElementById(id);
export const pause = seconds => new Promise(done => setTimeout(done, 1000 * seconds));

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// The answer to a JSON object; an error has the status, 0 where there was no answer.
export async function ask(what, body) {
  let answer;
  try {
    answer = await fetch("api/" + what, {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    });
  } catch (error) {
    throw Object.assign(new Error("no answer"), {status: 0});
  }
  const found = await answer.json().catch(() => ({}));
  if (answer.ok) return found;
  throw Object.assign(new Error(found.error || `the server says ${answer.status}`), {status: answer.status});
}

// As `ask`, again and again until there is an answer; what the server refuses for good (4xx) is thrown.
export async function insist(what, body, kept = "It is tried again.") {
  let said = false;
  for (let wait = 0.3; ; wait = Math.min(3, wait * 1.6)) {
    try {
      const found = await ask(what, body);
      if (said) trouble("");
      return found;
    } catch (error) {
      if (error.status >= 400 && error.status < 500) throw error;
      said = true;
      trouble(error.status ? `${error.message} ${kept}` : `The server does not answer: it was stopped, or the network is gone. ${kept}`);
      await pause(wait);
    }
  }
}

export function trouble(text) {
  const place = byId("trouble");
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
}

let fading = 0;
export function toast(text) {
  const place = byId("toast"), home = document.querySelector("dialog[open]") ?? document.body;
  if (place.parentNode !== home) home.append(place);  // a dialog lies over all that is not in it
  place.textContent = text;
  place.classList.add("there");
  clearTimeout(fading);
  fading = setTimeout(() => place.classList.remove("there"), 2600);
}

// Storage that a browser may refuse.
export const remembered = (store, key) => { try { return store.getItem(key); } catch { return null; } };
export const allRemembered = (store, prefix) => {
  try { return Object.keys(store).filter(key => key.startsWith(prefix)).map(key => store.getItem(key)).filter(Boolean); } catch { return []; }
};
export const remember = (store, key, value) => {
  try { value === null ? store.removeItem(key) : store.setItem(key, value); } catch { /* then it is not remembered */ }
};
