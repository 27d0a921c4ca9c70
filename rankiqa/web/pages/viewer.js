// Photos side by side under one zoom: the same place of each, as large in each; exact pixels, in tiles, where they are due.
import {element} from "./common.js";

const MOST = 8;  // device pixels for one of the photo

// A picture that is decoded, so that showing it takes no time.
export async function load(address) {
  const image = new Image();
  image.draggable = false;
  image.alt = "";
  image.src = address;
  await image.decode();
  return image;
}

export class Viewer {
  // `stage` gets a pane for each photo; `changed` is called when the zoom has changed.
  constructor(stage, tile, changed = () => {}) {
    Object.assign(this, {stage, tile, changed, panes: [], pointers: new Map()});
    this.reset();
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  // zoom: times the size that fits; pixels: device pixels for one of the photo, where it is not 0; x, y: middle, 0 to 1.
  reset() { this.view = {zoom: 1, pixels: 0, x: .5, y: .5}; }

  // Show photos ({n, w, h}) with their pictures, which are loaded.
  show(photos, images) {
    this.reset();
    while (this.panes.length > photos.length) this.panes.pop().frame.remove();
    while (this.panes.length < photos.length) this.panes.push(this.makePane(this.panes.length));
    photos.forEach((photo, k) => {
      const pane = this.panes[k];
      pane.photo = photo;
      pane.image = images[k];
      pane.tiles = new Map();
      pane.exact = element("div", {class: "tiles"});  // those of the photo before may still come
      images[k].classList.add("whole");
      pane.layer.replaceChildren(images[k], pane.exact);
      pane.layer.style.width = photo.w + "px";
      pane.layer.style.height = photo.h + "px";
      if (!pane.frame.isConnected) this.stage.append(pane.frame);
    });
    this.draw();
  }

  makePane(index) {
    const layer = element("div", {class: "photo"});
    const mark = element("span", {class: "mark", hidden: true});
    const frame = element("div", {class: "pane", role: "img", "aria-label": "photo"}, layer, mark);
    const pane = {frame, layer, exact: null, mark, index, photo: null, image: null, tiles: new Map()};
    frame.addEventListener("wheel", event => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? .05 : .002)), pane, event);
    }, {passive: false});
    frame.addEventListener("dblclick", event => this.togglePixels(pane, event));
    frame.addEventListener("pointerdown", event => {
      frame.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
    });
    frame.addEventListener("pointermove", event => this.moved(pane, event));
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, event => this.pointers.delete(event.pointerId));
    return pane;
  }

  moved(pane, event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    if (others.length) {
      const [other] = others, far = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) || 1;
      const now = {x: event.clientX, y: event.clientY};
      this.zoomBy(far(now, other) / far(before, other), pane, {clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2});
    } else {
      this.panBy(before.x - event.clientX, before.y - event.clientY, pane);
    }
    this.pointers.set(event.pointerId, {x: event.clientX, y: event.clientY});
  }

  // CSS pixels for one of the photo, when it fits its pane: never enlarged.
  fit(pane) {
    const {clientWidth, clientHeight} = pane.frame;
    return Math.min(clientWidth / pane.photo.w, clientHeight / pane.photo.h, 1);
  }

  scale(pane) {
    return this.view.pixels ? this.view.pixels / devicePixelRatio : this.fit(pane) * this.view.zoom;
  }

  panBy(dx, dy, pane = this.panes[0]) {
    const s = this.scale(pane);
    this.view.x += dx / (pane.photo.w * s);
    this.view.y += dy / (pane.photo.h * s);
    this.draw();
  }

  zoomBy(factor, pane = this.panes[0], at = null) {
    const s = this.scale(pane), fit = this.fit(pane);
    const place = at && this.placeAt(pane, at);
    const zoom = Math.max(1, Math.min(MOST / devicePixelRatio / fit, s / fit * factor));
    Object.assign(this.view, {zoom, pixels: 0});
    if (place) this.keep(place, pane, at);
    this.draw();
  }

  // One pixel of the photo for one of the screen, and back to the whole photo.
  togglePixels(pane = this.panes[0], at = null) {
    const near = this.view.pixels || this.view.zoom > 1.001, place = at && this.placeAt(pane, at);
    this.reset();
    if (!near) {
      this.view.pixels = 1;
      if (place) this.keep(place, pane, at);
    }
    this.draw();
  }

  // Which part of the photo, 0 to 1, lies under a pointer.
  placeAt(pane, at) {
    const box = pane.layer.getBoundingClientRect();
    return {x: (at.clientX - box.left) / box.width, y: (at.clientY - box.top) / box.height};
  }

  keep(place, pane, at) {
    const box = pane.frame.getBoundingClientRect(), s = this.scale(pane);
    this.view.x = place.x - (at.clientX - box.left - box.width / 2) / (pane.photo.w * s);
    this.view.y = place.y - (at.clientY - box.top - box.height / 2) / (pane.photo.h * s);
  }

  draw() {
    const {view} = this;
    // What is seen must lie in the photo, in all of them: the largest one says how far one may go.
    for (const axis of ["x", "y"]) {
      const halves = this.panes.map(pane => this.half(pane, axis));
      const half = Math.min(.5, ...halves);
      view[axis] = Math.max(half, Math.min(1 - half, view[axis]));
    }
    const near = view.pixels > 0 || view.zoom > 1.001;
    for (const pane of this.panes) this.drawPane(pane, near);
    this.changed(near, view);
  }

  half(pane, axis) {
    const s = this.scale(pane);
    return axis === "x" ? pane.frame.clientWidth / 2 / (pane.photo.w * s) : pane.frame.clientHeight / 2 / (pane.photo.h * s);
  }

  drawPane(pane, near) {
    const {photo, frame, layer, image} = pane, s = this.scale(pane), ratio = devicePixelRatio;
    const box = frame.getBoundingClientRect();
    const place = (length, room, middle, start) => {
      const free = length * s <= room ? (room - length * s) / 2 : Math.min(0, Math.max(room - length * s, room / 2 - middle * length * s));
      return Math.round((start + free) * ratio) / ratio - start;  // on the screen's pixels
    };
    const left = place(photo.w, box.width, this.view.x, box.left), top = place(photo.h, box.height, this.view.y, box.top);
    layer.style.transform = `translate(${left}px, ${top}px) scale(${s})`;
    frame.classList.toggle("near", near);
    layer.classList.toggle("pixels", s * ratio > .999 && near);
    const sharp = image.naturalWidth >= photo.w || s * ratio * photo.w <= image.naturalWidth * 1.02;
    pane.exact.hidden = !near || sharp;
    if (near && !sharp) this.addTiles(pane, left, top, s, box);
    pane.mark.hidden = !near;
    if (near) pane.mark.textContent = this.view.pixels ? "1:1 pixels" : `${Math.round(100 * s * ratio)} %`;
  }

  addTiles(pane, left, top, s, box) {
    const {tile} = this, {photo, exact, tiles} = pane;
    const from = (free) => Math.max(0, Math.floor(-free / s / tile));
    const until = (free, room, length) => Math.min(Math.ceil(length / tile), Math.ceil((room - free) / s / tile));
    for (let row = from(top); row < until(top, box.height, photo.h); row++) {
      for (let column = from(left); column < until(left, box.width, photo.w); column++) {
        const key = `${column}/${row}`;
        if (tiles.has(key)) continue;
        tiles.set(key, true);
        load(`photo/${photo.n}/tile/${key}`).then(image => {
          image.style.left = column * tile + "px";
          image.style.top = row * tile + "px";
          exact.append(image);
        }, () => tiles.delete(key));
      }
    }
  }
}
