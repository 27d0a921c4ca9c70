// A grid of any number of cards, of which those in sight are there.
const WIDTH = 210, HEIGHT = 232, GAP = 16;

export class Grid {
  // `scroll` scrolls, `cards` holds them; `make(key)` makes a card and `fill(card, key)` fills it anew.
  constructor(scroll, cards, make, fill) {
    Object.assign(this, {scroll, cards, make, fill, keys: [], there: new Map()});
    scroll.addEventListener("scroll", () => this.draw(), {passive: true});
    new ResizeObserver(() => this.draw()).observe(scroll);
  }

  show(keys) {
    this.keys = keys;
    this.draw(true);
  }

  draw(anew = false) {
    const room = this.cards.clientWidth;
    if (!room) return;
    const columns = Math.max(2, Math.floor((room + GAP) / (WIDTH + GAP)));
    const width = (room - GAP * (columns - 1)) / columns, height = Math.min(HEIGHT, width * .75 + 74), step = height + GAP;
    this.cards.style.height = Math.ceil(this.keys.length / columns) * step + "px";
    const top = this.scroll.scrollTop, first = Math.max(0, Math.floor(top / step) - 1) * columns;
    const last = Math.min(this.keys.length, Math.ceil((top + this.scroll.clientHeight) / step + 1) * columns);
    const wanted = new Set(this.keys.slice(first, last));
    for (const [key, card] of this.there) {
      if (!wanted.has(key)) {
        card.remove();
        this.there.delete(key);
      }
    }
    for (let place = first; place < last; place++) {
      const key = this.keys[place];
      let card = this.there.get(key);
      if (!card) {
        card = this.make(key);
        this.there.set(key, card);
        this.cards.append(card);
        this.fill(card, key);
      } else if (anew) {
        this.fill(card, key);
      }
      card.style.width = width + "px";
      card.style.height = height + "px";
      card.style.transform = `translate(${place % columns * (width + GAP)}px, ${Math.floor(place / columns) * step}px)`;
      card.setAttribute("aria-posinset", place + 1);
      card.setAttribute("aria-setsize", this.keys.length);
    }
  }
}
