// The page of `rankiqa label`: a name, the questions of its mode, keys, and how far the study is.
import {Asking} from "./asking.js";
import {byId, element, insist, remember, remembered, toast} from "./common.js";
import {Large} from "./large.js";
import {Sorter} from "./sorting.js";
import {Viewer} from "./viewer.js";

const stage = byId("stage"), upright = matchMedia("(orientation: portrait)");
const PAN = 120;  // CSS pixels of a key
let asking, viewer, mode, about, actions = {}, ended = false, progress = {};

const TEXTS = {
  compare: ["Which photo is better?", "You will see two photos. Say which one looks better to you – sharper, cleaner, truer. There is no wrong answer: what counts is what you see."],
  rate: ["How good is this photo?", "You will see one photo at a time. Say how good it looks to you, in one of five words. There is no wrong answer: what counts is what you see."],
  sort: ["Put them in order, best first", "You will see a few photos. Drag them into the order in which they look good to you, the best one first."],
};

// The longer side in pixels that a picture of these photos needs here, of those that there are.
function side(photos) {
  const count = mode === "sort" ? 0 : photos.length, box = stage.getBoundingClientRect(), ratio = devicePixelRatio;
  const room = {w: upright.matches ? box.width : box.width / count, h: upright.matches ? box.height / count : box.height};
  const needs = photos.map(({w, h}) => Math.max(w, h) * Math.min(room.w / w, room.h / h, 1));
  const wanted = count ? ratio * Math.max(...needs) : 340 * ratio;
  return about.sides.find(one => one >= wanted) || about.sides.at(-1);
}

const key = (...names) => names.map(name => element("kbd", {}, name));
function button(text, name, keys, kind) {
  return element("button", {type: "button", class: kind, "data-answer": name, onclick: () => act(name)},
    element("span", {}, text), ...key(...keys));
}

// What can be done: keys, buttons and what they do, by the mode.
function build() {
  const answer = value => since => vote(value, since);
  const shared = {undo, help, pixels: () => viewer.togglePixels(), fit: () => { viewer.reset(); viewer.draw(); },
    nearer: () => viewer.zoomBy(1.4), farther: () => viewer.zoomBy(1 / 1.4)};
  const small = [button("Undo", "undo", ["Z"], "side")];
  const rows = [];
  if (mode === "compare") {
    const [left, right] = upright.matches ? ["Upper", "Lower"] : ["Left is better", "Right is better"];
    actions = {...shared, left: answer("left"), right: answer("right"), tie: answer("tie"), skip: answer("skip")};
    rows.push([button(left, "left", ["←"], "answer"), button("Same", "tie", ["↓"], "answer middle"), button(right, "right", ["→"], "answer")]);
    small.push(button("Skip", "skip", ["S"], "side"), button("1:1 pixels", "pixels", ["F"], "side"));
  } else if (mode === "rate") {
    actions = {...shared, later: () => asking.later()};
    const words = Object.entries(about.words).sort(([a], [b]) => a - b);
    for (const [score] of words) actions[score] = answer(Number(score));
    rows.push(words.map(([score, word]) => button(word[0].toUpperCase() + word.slice(1), score, [score], "answer")));
    small.push(button("Later", "later", ["S"], "side"), button("1:1 pixels", "pixels", ["F"], "side"));
  } else {
    actions = {undo, help, done: since => vote(viewer.order(), since), later: () => asking.later()};
    rows.push([button("This is my order", "done", ["Ctrl+Enter"], "answer main")]);
    small.push(button("Later", "later", ["S"], "side"));
  }
  byId("answers").replaceChildren(...rows.map(row => element("div", {class: "row"}, ...row)), element("div", {class: "row small"}, ...small));
}

const KEYS = {
  compare: {ArrowLeft: "left", ArrowRight: "right", ArrowDown: "tie", t: "tie", s: "skip"},
  rate: {1: "1", 2: "2", 3: "3", 4: "4", 5: "5", s: "later"},
  sort: {s: "later"},
};
const SHARED_KEYS = {z: "undo", Backspace: "undo", f: "pixels", 0: "fit", "+": "nearer", "=": "nearer", "-": "farther", "?": "help"};
const HELP = {
  compare: [["←", "→"], "the left or right photo (upright: upper or lower) is better", ["↓", "T"], "no difference to see", ["S"], "skip: no opinion"],
  rate: [["1", "…", "5"], "bad, poor, fair, good, excellent", ["S"], "show this one later"],
  sort: [["Space"], "take the photo that has the focus, or let go of it", ["←", "→"], "move what is taken, or the focus", ["F"], "show the photo that has the focus large, or a double click; Esc goes back", ["Ctrl+Enter"], "this is my order", ["S"], "show these later"],
};
const HELP_ZOOM = [["F"], "exact pixels (1:1), or a double click; again: the whole photo", ["+", "−", "0"], "nearer, farther, all of it; or the wheel, or two fingers", ["Shift+←↑→↓"], "move about; or drag. All photos move together"];
const HELP_LAST = [["Z"], "take back your last vote", ["?"], "this help"];

addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || !asking) return;
  if (event.shiftKey && event.key.startsWith("Arrow") && mode !== "sort") {
    const [x, y] = {ArrowLeft: [-PAN, 0], ArrowRight: [PAN, 0], ArrowUp: [0, -PAN], ArrowDown: [0, PAN]}[event.key];
    event.preventDefault();
    return viewer.panBy(x, y);
  }
  if (mode === "sort" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) return act("done");
  const undoing = event.key === "z" && (event.ctrlKey || event.metaKey);
  if (event.altKey || (event.ctrlKey || event.metaKey) && !undoing) return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = KEYS[mode][name] || SHARED_KEYS[name];
  if (!action || !actions[action]) return;
  event.preventDefault();
  if (!event.repeat || ["nearer", "farther"].includes(action)) act(action, event.timeStamp);
});

function act(name, since) {
  if (ended && name !== "undo" && name !== "help") return;
  actions[name]?.(since);
}

async function vote(answer, since = performance.now()) {
  const chosen = {left: [0], right: [1], tie: [0, 1]}[answer] || (mode === "rate" ? [0] : []);
  if (asking.busy) return;
  if (mode !== "sort") for (const k of chosen) viewer.panes[k]?.frame.classList.add("chosen");
  await asking.vote(answer, since);
}

async function undo() {
  if (await asking.undo()) toast("Taken back.");
  else if (!asking.last) toast("There is nothing to take back.");
}

function shows(question, images) {
  ended = false;
  stage.querySelector(".wait")?.remove();
  for (const button of byId("answers").querySelectorAll("button")) button.disabled = false;
  viewer.show(question.photos, images);
  const labels = upright.matches ? ["upper photo", "lower photo"] : ["left photo", "right photo"];
  viewer.panes?.forEach((pane, k) => {
    pane.frame.classList.remove("chosen");
    pane.frame.setAttribute("aria-label", question.photos.length > 1 ? labels[k] : "photo");
  });
}

// What this rater has answered, when there is nothing left.
function allOf({own, wanted}) {
  if (mode === "compare") return own ? "You have had all pairs that there are" : "There are no two photos to compare";
  return `You have ${mode === "rate" ? "rated" : "sorted"} all ${wanted} photos`;
}

function ends() {
  ended = true;
  stage.replaceChildren();
  if (viewer.panes) viewer.panes = [];
  byId("enough").hidden = true;
  const text = [element("p", {}, `${allOf(progress)}, and every vote is on the disk.`)];
  if (about.then && progress.given) text.push(element("p", {}, "This makes scores of the votes, in a terminal:"), element("p", {}, command()));
  text.push(element("p", {}, about.then ? "Another rater makes them surer." : "You may close this page, or let somebody else look."));
  stage.append(element("div", {class: "wait"}, element("h2", {}, "That is all, thank you!"), ...text,
    element("button", {type: "button", onclick: rename}, "Another rater")));
  for (const button of byId("answers").querySelectorAll("button")) button.disabled = button.dataset.answer !== "undo";
}

const command = () => element("code", {class: "command"}, about.then);

// There are votes enough: said until it was read, to who runs the study with what follows.
let read = false;
function tellsEnough(enough) {
  const place = byId("enough"), shown = enough && !read && !ended;
  if (shown && place.hidden) {
    byId("enough-text").replaceChildren("Thank you, this is enough! You may stop here, or go on: more votes make the order surer.",
      ...(about.then ? [" What follows, in a terminal: ", command()] : []));
  }
  place.hidden = !shown;
}

let before = null;
function tells(state) {
  progress = state.progress;
  const {given, wanted, sure, own, raters} = progress, out = state.left_out;
  const share = wanted ? given / wanted : 1, left = Math.max(0, wanted - given), pace = asking.pace();
  const minutes = pace && left ? Math.ceil(left * pace / 60 / Math.max(1, mode === "compare" ? raters : 1)) : 0;
  const words = [], certain = `order ${Math.floor(100 * sure)} % sure`;
  if (mode === "compare") {
    words.push(left ? `${given} of about ${wanted} votes` : `${given} votes: enough`);
    if (sure !== null && given) words.push(certain);
    if (raters > 1) words.push(`${own} of them yours, ${raters} people`);
  } else {
    words.push(`${given} of ${wanted} photos`);
    if (sure !== null) words.push(certain);
    if (raters > 1) words.push(`${raters} people`);
  }
  if (minutes) words.push(minutes > 90 ? `about ${Math.round(minutes / 60)} h left` : `about ${minutes} min left`);
  if (out) words.push(`${out} photo${out > 1 ? "s" : ""} could not be read and ${out > 1 ? "are" : "is"} left out`);
  if (mode === "compare") tellsEnough(!left);
  byId("bar").value = Math.min(1, share);
  byId("progress").textContent = words.join(" · ");
  if (before !== null && own > before && own % 50 === 0) toast(`${own} votes from you – thank you!`);
  before = own;
}

function help() {
  const rows = [...HELP[mode], ...(mode === "sort" ? [] : HELP_ZOOM), ...HELP_LAST], list = byId("keys");
  list.replaceChildren();
  for (let k = 0; k < rows.length; k += 2) list.append(element("dt", {}, ...key(...rows[k])), element("dd", {}, rows[k + 1]));
  byId("help-about").textContent = TEXTS[mode][1];
  byId("help-dialog").showModal();
  byId("help-dialog").scrollTop = 0;  // the button that has the focus is the last thing
}

// The name, from this browser or from whoever sits before it.
function name(fresh = false) {
  const kept = remembered(localStorage, "rater"), dialog = byId("name-dialog"), field = byId("name");
  if (kept && !fresh) return Promise.resolve(kept);
  field.value = kept || "";
  dialog.oncancel = event => { if (!kept) event.preventDefault(); };
  dialog.showModal();
  return new Promise(done => {
    dialog.onclose = () => done(remembered(localStorage, "rater") || field.value.trim());
    byId("name-form").onsubmit = event => {
      event.preventDefault();
      if (!field.value.trim()) return;
      remember(localStorage, "rater", field.value.trim());
      dialog.close();
    };
  });
}

async function begin() {
  about = await insist("about", {});
  mode = about.mode;
  document.title = `${TEXTS[mode][0]} – rankiqa`;
  byId("ask").textContent = TEXTS[mode][0];
  byId("name-about").textContent = TEXTS[mode][1];
  const rater = await name();
  byId("who").textContent = rater;
  byId("who").hidden = false;
  byId("who").setAttribute("aria-label", `${rater}: change your name`);
  const large = new Large(about);
  viewer = mode === "sort" ? new Sorter(stage, (photo, label) => large.show(photo, label)) : new Viewer(stage, about.tile);
  asking = new Asking({rater, shows, ends, tells, side});
  build();
  upright.addEventListener("change", build);
  await asking.begin();
}

byId("how").onclick = () => mode && help();
async function rename() {
  if (await name(true) !== asking.rater) location.reload();
}
byId("who").onclick = rename;
byId("enough-close").onclick = () => { read = true; tellsEnough(true); };
begin().catch(error => toast(error.message));
