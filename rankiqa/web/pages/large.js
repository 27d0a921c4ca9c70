// One photo as large as the window, over the page that it comes from; Escape goes back.
import {byId, toast} from "./common.js";
import {load, Viewer} from "./viewer.js";

export class Large {
  // `about` has the sides of pictures that there are, and that of a tile.
  constructor(about) {
    Object.assign(this, {about, dialog: byId("large"), stage: byId("large-stage"), viewer: null, turn: 0});
    const keys = {f: () => this.viewer?.togglePixels(), "+": () => this.viewer?.zoomBy(1.4), "=": () => this.viewer?.zoomBy(1.4),
      "-": () => this.viewer?.zoomBy(1 / 1.4), 0: () => { this.viewer?.reset(); this.viewer?.draw(); }};
    this.dialog.addEventListener("keydown", event => {
      const act = keys[event.key.toLowerCase()];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
    this.dialog.addEventListener("close", () => { this.turn++; });
    byId("large-pixels").onclick = keys.f;
    byId("large-close").onclick = () => this.dialog.close();
  }

  async show(photo, label) {
    const turn = ++this.turn;
    this.dialog.setAttribute("aria-label", label);
    if (!this.dialog.open) this.dialog.showModal();
    this.stage.classList.add("loading");
    const room = this.stage.getBoundingClientRect(), fit = Math.min(room.width / photo.w, room.height / photo.h, 1);
    const wanted = devicePixelRatio * fit * Math.max(photo.w, photo.h);
    const side = this.about.sides.find(one => one >= wanted) || this.about.sides.at(-1);
    try {
      const image = await load(`photo/${photo.n}/${side}`);
      if (turn !== this.turn) return;
      this.viewer ||= new Viewer(this.stage, this.about.tile);
      this.viewer.show([photo], [image]);
      this.stage.classList.remove("loading");
    } catch {
      if (turn !== this.turn) return;
      this.dialog.close();
      toast("The photo cannot be shown.");
    }
  }
}
