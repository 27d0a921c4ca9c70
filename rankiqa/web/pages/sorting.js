// A few photos that are dragged into order, or moved by keys and buttons; each can be looked at from near.
import {element, toast} from "./common.js";

export class Sorter {
  // `stage` gets the list; `enlarge(photo, label)` shows one of them large.
  constructor(stage, enlarge) {
    this.enlarge = enlarge;
    this.list = element("ol", {class: "sorting", "aria-label": "photos, best first"});
    this.stage = stage;
  }

  show(photos, images) {
    this.held = null;
    this.list.replaceChildren(...photos.map((photo, k) => this.card(photo, images[k])));
    if (!this.list.isConnected) this.stage.append(this.list);
    this.count();
    this.list.scrollTop = 0;
  }

  order() { return [...this.list.children].map(card => Number(card.dataset.photo)); }

  card(photo, image) {
    const place = element("span", {class: "place"});
    const move = (by, text, sign) => element("button", {type: "button", "aria-label": text, onclick: event => {
      this.shift(card, by);
      event.currentTarget.focus();
    }}, sign);
    const large = () => this.enlarge(photo, card.getAttribute("aria-label"));
    const card = element("li", {tabindex: "0", "data-photo": photo.n, "aria-roledescription": "photo that can be moved"}, image, place,
      element("button", {type: "button", class: "enlarge", "aria-label": "show it large", onclick: large}, "⤢"),
      element("div", {class: "move"}, move(-1, "better: one place forward", "←"), move(1, "worse: one place back", "→")));
    card.addEventListener("keydown", event => {
      if (event.key.toLowerCase() !== "f" || event.ctrlKey || event.metaKey || event.altKey) return this.key(card, event);
      event.preventDefault();
      large();
    });
    card.addEventListener("dblclick", event => { if (!event.target.closest("button")) large(); });
    card.addEventListener("pointerdown", event => this.drag(card, event));
    return card;
  }

  count() {
    const cards = [...this.list.children];
    cards.forEach((card, k) => {
      card.querySelector(".place").textContent = k === 0 ? "1 best" : k === cards.length - 1 ? `${k + 1} worst` : k + 1;
      card.setAttribute("aria-label", `photo on place ${k + 1} of ${cards.length}`);
      const [forward, back] = card.querySelectorAll(".move button");
      forward.disabled = k === 0;
      back.disabled = k === cards.length - 1;
    });
  }

  shift(card, by) {
    const cards = [...this.list.children], from = cards.indexOf(card), to = Math.max(0, Math.min(cards.length - 1, from + by));
    if (to === from) return;
    if (to < from) cards[to].before(card);
    else cards[to].after(card);
    this.count();
    card.scrollIntoView({block: "nearest"});
  }

  key(card, event) {
    if (event.target !== card || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -1e3, End: 1e3}[event.key];
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      const taken = !card.classList.contains("held");
      for (const other of this.list.children) other.classList.remove("held");
      card.classList.toggle("held", taken);
      toast(taken ? "Taken: the arrow keys move it." : "Let go.");
    } else if (steps) {
      event.preventDefault();
      if (card.classList.contains("held")) {
        this.shift(card, steps);
        card.focus();
      } else {
        const cards = [...this.list.children];
        cards[Math.max(0, Math.min(cards.length - 1, cards.indexOf(card) + steps))].focus();
      }
    }
  }

  // With a mouse at once; a finger that moves sideways drags, one that moves up or down scrolls.
  drag(card, start) {
    if (start.button || start.target.closest("button")) return;
    const {list} = this, box = card.getBoundingClientRect();
    let ghost = null;
    const moved = event => {
      if (event.pointerId !== start.pointerId) return;
      if (!ghost && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) < 6) return;
      if (!ghost) {
        ghost = element("div", {class: "ghost"}, card.querySelector("img").cloneNode());
        Object.assign(ghost.style, {width: box.width + "px", height: box.height + "px"});
        document.body.append(ghost);
        card.classList.add("drag");
        list.setPointerCapture(event.pointerId);  // a card that changes its place would lose it
      }
      ghost.style.left = box.left + event.clientX - start.clientX + "px";
      ghost.style.top = box.top + event.clientY - start.clientY + "px";
      const under = document.elementsFromPoint(event.clientX, event.clientY).find(node => node.parentNode === this.list);
      if (under && under !== card) {
        const cards = [...this.list.children];
        this.shift(card, cards.indexOf(under) - cards.indexOf(card));
      }
      const view = this.list.getBoundingClientRect();
      if (event.clientY < view.top + 40) this.list.scrollTop -= 12;
      if (event.clientY > view.bottom - 40) this.list.scrollTop += 12;
    };
    const ended = event => {
      if (event.pointerId !== start.pointerId) return;
      ghost?.remove();
      card.classList.remove("drag");
      list.removeEventListener("pointermove", moved);
      for (const name of ["pointerup", "pointercancel"]) list.removeEventListener(name, ended);
    };
    list.addEventListener("pointermove", moved);
    for (const name of ["pointerup", "pointercancel"]) list.addEventListener(name, ended);
  }
}
