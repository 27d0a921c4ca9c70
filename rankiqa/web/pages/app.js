// The page of `rankiqa app`: photos that come, their scores, one or two from near, and a heat map.
import {ask, byId, element, insist, pause, toast, trouble} from "./common.js";
import {Grid} from "./grid.js";
import {load, Viewer} from "./viewer.js";

const names = [], scores = [];  // by the number of a photo; scores are those of the model that is chosen
const chosen = new Set(), collate = new Intl.Collator(undefined, {numeric: true});
let about, model, state = null, order = "best", drawn = "", asked = 0, wake = () => {};

// ---- scores as they come
async function follow() {
  for (;;) {
    const wanted = model, since = scores.length;
    const found = await insist("state", {model, since, named: names.length}, "It is asked again.");
    if (wanted !== model || since !== scores.length) continue;  // another model was chosen, and maybe this one again
    names.push(...found.names);
    scores.push(...found.results);
    state = found;
    show();
    const more = found.results.length >= 1000 || found.names.length >= 5000;
    if (!more) await Promise.race([pause(found.going || found.loading ? .4 : 2), new Promise(done => { wake = done; })]);
  }
}

function show() {
  const {total, done, going, loading, meaning} = state, failed = scores.filter(score => score.error).length;
  byId("empty").hidden = total > 0;
  byId("grid").hidden = total === 0;
  byId("far").hidden = total === 0;
  byId("bar").value = total ? done / total : 0;
  const words = [loading ? "loading the model" : `${done - failed} of ${total} scored`];
  if (failed) words.push(`${failed} without a score`);
  if (!loading && !going && done < total) words.push("cancelled");
  if (coming) words.push(`${coming} on their way`);
  byId("progress").textContent = words.join(" · ");
  byId("stop").textContent = going || loading ? "Cancel" : "Go on";
  byId("stop").hidden = !going && !loading && done >= total;
  byId("meaning").textContent = meaning;
  byId("scores-mean").hidden = !meaning;
  byId("csv").href = `scores.csv?model=${encodeURIComponent(model)}`;
  byId("csv").setAttribute("aria-disabled", String(!done));
  if (state.trouble) trouble(state.trouble);
  const now = [order, model, done, total].join();
  if (now !== drawn) grid.show(inOrder());
  drawn = now;
}

const value = n => scores[n]?.score ?? null;
function inOrder() {
  const all = [...names.keys()];
  const last = (a, b) => (value(a) === null) - (value(b) === null);
  if (order === "best") all.sort((a, b) => last(a, b) || value(b) - value(a) || a - b);
  if (order === "worst") all.sort((a, b) => last(a, b) || value(a) - value(b) || a - b);
  if (order === "name") all.sort((a, b) => collate.compare(names[a], names[b]) || a - b);
  return all;
}

// ---- cards
const number = (x, digits = 2) => x === null || x === undefined ? "–" : x.toFixed(digits);
const grid = new Grid(byId("grid"), byId("cards"), n => {
  const image = element("img", {alt: "", loading: "lazy", decoding: "async", src: `photo/${n}/320`});
  const open = element("button", {type: "button", class: "open", onclick: () => look([n])}, image);
  image.onerror = () => open.replaceChildren("no picture");
  const pick = element("input", {type: "checkbox", class: "pick", onchange: event => {
    event.target.checked ? chosen.add(n) : chosen.delete(n);
    while (chosen.size > 2) chosen.delete([...chosen][0]);
    grid.draw(true);
    showChosen();
  }});
  return element("div", {class: "card", role: "group"}, open, pick, element("div", {class: "line"}), element("div", {class: "name"}));
}, (card, n) => {
  const [open, pick, line, name] = card.children, score = scores[n], shown = score?.unit ?? score?.score;
  const meter = element("progress", {max: 1, value: Math.max(0, Math.min(1, score?.unit ?? 0)), "aria-hidden": true});
  const first = score?.error ? [element("span", {class: "soft", title: score.error}, "not scored")]
    : score ? [element("b", {}, number(shown)), element("span", {class: "meter"}, meter),
      element("span", {class: "soft", title: "percentile: better than so many of the model's known photos"}, score.percentile === null ? "" : `${number(score.percentile, 0)} %`)]
    : [element("span", {class: "soft"}, "…")];
  line.replaceChildren(...first);
  name.textContent = short(names[n]);
  name.title = names[n] + (score?.error ? `: ${score.error}` : "");
  open.setAttribute("aria-label", `${short(names[n])}, score ${number(shown)}: look at it`);
  pick.setAttribute("aria-label", `choose ${short(names[n])} to compare`);
  pick.checked = chosen.has(n);
  card.classList.toggle("chosen", chosen.has(n));
});

const short = name => name.split("/").pop();

function showChosen() {
  byId("chosen").hidden = !chosen.size;
  byId("chosen-text").textContent = chosen.size === 2 ? "Two are chosen." : "One is chosen: choose another one to compare it with.";
  byId("compare").disabled = chosen.size !== 2;
}

// ---- one photo, or two, from near
const dialog = byId("look"), stage = byId("look-stage");
let viewer = null, looking = [], heat = false;

async function look(numbers) {
  looking = numbers;
  const turn = ++asked;
  if (!dialog.open) dialog.showModal();
  byId("look-text").replaceChildren(...numbers.map(told));
  try {
    const photos = await Promise.all(numbers.map(n => ask("size", {n})));
    const room = stage.getBoundingClientRect(), wanted = devicePixelRatio * Math.max(room.width, room.height);
    const side = about.sides.find(one => one >= wanted) || about.sides.at(-1);
    const images = await Promise.all(numbers.map(n => load(`photo/${n}/${side}`)));
    if (turn !== asked) return;
    stage.querySelector(".wait")?.remove();
    viewer ||= new Viewer(stage, about.tile);
    viewer.show(photos, images);
    if (heat) showHeat();
  } catch (error) {
    if (turn === asked) byId("look-text").append(element("p", {}, `It cannot be shown: ${error.message}.`));
  }
}

function told(n) {
  const score = scores[n], place = inOrder().indexOf(n) + 1;
  const values = !score ? "not scored yet" : score.error ? score.error
    : [`score ${number(score.unit ?? score.score, 3)}`, score.percentile === null ? "" : `percentile ${number(score.percentile, 1)}`,
      `spread ${number(score.spread, 3)}`, score.note].filter(Boolean).join(" · ");
  const where = ["best", "worst"].includes(order) && score && !score.error ? ` · ${order === "best" ? "" : "from the worst, "}#${place} of ${names.length}` : "";
  return element("p", {}, element("span", {class: "name", title: names[n]}, short(names[n])), where, element("br"), element("b", {}, values));
}

async function showHeat() {
  const turn = asked;
  byId("look-heat").setAttribute("aria-pressed", String(heat));
  for (const pane of viewer?.panes ?? []) {
    pane.layer.classList.toggle("grey", heat);
    pane.layer.querySelector(".heat")?.remove();
  }
  if (!heat || !viewer) return;
  toast("Looking where quality is lost …");
  for (const pane of viewer.panes) {
    const address = `photo/${pane.photo.n}/heat?model=${encodeURIComponent(model)}`;
    try {
      const image = await load(address);
      if (turn !== asked || !heat) return;
      image.classList.add("heat");
      pane.layer.append(image);
      toast("Good places stay grey; yellow to dark red ones are worse and worse.");
    } catch {
      const why = await fetch(address).then(answer => answer.text()).catch(() => "");
      toast(`There is no map of it. ${why}`);
    }
  }
}

function step(by) {
  const keys = inOrder(), at = keys.indexOf(looking[0]) + by;
  if (looking.length === 1 && keys[at] !== undefined) look([keys[at]]);
}

dialog.addEventListener("keydown", event => {
  const keys = {h: () => byId("look-heat").click(), f: () => viewer?.togglePixels(), ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    "+": () => viewer?.zoomBy(1.4), "-": () => viewer?.zoomBy(1 / 1.4), 0: () => { viewer?.reset(); viewer?.draw(); }};
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (event.shiftKey && event.key.startsWith("Arrow")) viewer?.panBy(event.key === "ArrowLeft" ? -120 : 120, 0);
  else act();
});
byId("look-heat").onclick = () => { heat = !heat; showHeat(); };
byId("look-pixels").onclick = () => viewer?.togglePixels();
byId("look-close").onclick = () => dialog.close();
dialog.addEventListener("close", () => { asked++; });

// ---- photos that are dropped
let coming = 0;
async function add(files) {
  const all = [...files];
  coming += all.length;
  if (!all.length) return;
  if (state) show();
  const refused = [];
  const carry = async () => {
    for (let file; (file = all.shift());) {
      try {
        if (file.size > about.most) throw new Error(`more than ${about.most / 1e6} MB`);
        const answer = await fetch(`api/upload?name=${encodeURIComponent(file.webkitRelativePath || file.name)}`, {method: "POST", body: file});
        if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || `the server says ${answer.status}`);
      } catch (error) {
        refused.push(`${file.name}: ${error.message}`);
      }
      coming--;
      wake();
    }
  };
  await Promise.all([carry(), carry()]);
  if (refused.length) trouble(`${refused.length} left out. ${refused.slice(0, 3).join("; ")}${refused.length > 3 ? "; …" : ""}`);
}

// The files of what is dropped, those in folders too.
async function filesOf(transfer) {
  const files = [];
  const visit = async entry => {
    if (entry.isFile) {
      if (!entry.name.startsWith(".")) files.push(await new Promise((done, fail) => entry.file(done, fail)));
    } else if (entry.isDirectory) {
      const reader = entry.createReader();
      for (let some; (some = await new Promise((done, fail) => reader.readEntries(done, fail))).length;) for (const one of some) await visit(one);
    }
  };
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  for (const entry of entries) await visit(entry);
  return files;
}

let inside = 0;
addEventListener("dragenter", event => { event.preventDefault(); inside++; byId("over").hidden = false; });
addEventListener("dragleave", () => { if (--inside <= 0) { inside = 0; byId("over").hidden = true; } });
addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", async event => {
  event.preventDefault();
  inside = 0;
  byId("over").hidden = true;
  add(await filesOf(event.dataTransfer));
});
for (const id of ["add", "choose"]) byId(id).onclick = () => byId("files").click();
byId("files").onchange = event => { add(event.target.files); event.target.value = ""; };

// ---- the bar
byId("order").onchange = event => { order = event.target.value; byId("grid").scrollTop = 0; show(); };
byId("model").onchange = async event => {
  model = event.target.value;
  scores.length = 0;
  trouble("");
  await insist("score", {model});
  wake();
};
byId("stop").onclick = async () => {
  trouble("");
  await insist(state.going || state.loading ? "stop" : "score", {model});
  wake();
};
byId("compare").onclick = () => look([...chosen]);
byId("clear").onclick = () => { chosen.clear(); grid.draw(true); showChosen(); };

async function begin() {
  byId("scores-mean").open = matchMedia("(min-width: 721px) and (min-height: 461px)").matches;
  about = await insist("about", {});
  byId("model").replaceChildren(...about.models.map(name => element("option", {value: name}, name)));
  model = about.models[0];
  await insist("score", {model});
  await follow();
}
begin().catch(error => trouble(error.message));
