// Questions and votes: what is next is loaded ahead, and a vote is on the server's disk before the next one is shown.
import {allRemembered, insist, pause, remember, remembered, trouble} from "./common.js";
import {load} from "./viewer.js";

const KEPT = "It keeps your vote, at most this one could be lost, and sends it again.";

export class Asking {
  // `shows(question, images)` puts one on the screen, `ends()` says that all is done, `tells(state)` the progress, and
  // `side(photos)` gives the longer side in pixels that pictures need.
  constructor({rater, shows, ends, tells, side}) {
    Object.assign(this, {rater, shows, ends, tells, side, queue: [], current: null, last: null, times: []});
    this.busy = true;      // nothing can be answered now
    this.ended = false;    // as there is nothing left
    this.going = false;    // the next question is being put on the screen
    this.answered = new Set();  // an older answer of the server may still name them
    this.path = location.pathname;
    this.page = remembered(sessionStorage, "page") || crypto.getRandomValues(new Uint32Array(3)).join("-");
    remember(sessionStorage, "page", this.page);
  }

  // What a vote is kept under until the server has answered: each under its own, as several pages may keep one.
  kept(uid) { return `${this.path}vote ${uid}`; }

  who() { return {rater: this.rater, page: this.page}; }

  async begin() {
    for (const vote of allRemembered(localStorage, this.kept(""))) await this.send(JSON.parse(vote));  // of pages that were closed
    const state = await insist("next", this.who());
    this.last = state.last;
    this.take(state);
    await this.next();
  }

  // The questions that the server wants on this page; those that are known keep their pictures.
  take(state) {
    const known = new Map(this.queue.map(question => [question.uid, question]));
    const wanted = state.questions.filter(question => !this.answered.has(question.uid));
    this.queue = wanted.map(question => known.get(question.uid) || question);
    let before = Promise.resolve();
    for (const question of this.queue) {  // one after another: what comes first is loaded first
      question.ready ||= before.then(() => this.pictures(question));
      before = question.ready.catch(() => {});
    }
    this.tells(state);
  }

  async pictures(question) {
    const side = this.side(question.photos);
    for (let tries = 0; ; tries++) {
      try {
        return await Promise.all(question.photos.map(photo => load(`photo/${photo.n}/${side}${tries ? "?" + tries : ""}`)));
      } catch (error) {
        if (tries > 1 || question.gone) throw error;
        await pause(.3);
      }
    }
  }

  // The next question on the screen; what is called while one is being put there leaves it to that.
  async next() {
    if (this.going) return;
    this.going = true;
    try {
      await this.put();
    } finally {
      this.going = false;
    }
  }

  async put() {
    this.busy = true;
    this.ended = false;
    while (this.queue.length) {
      const question = this.queue[0];
      try {
        const images = await question.ready;
        if (question !== this.queue[0]) continue;
        this.current = question;
        this.shows(question, images);
        question.since = performance.now();
        this.busy = false;
        return;
      } catch (error) {  // a photo that is gone, or a server that is
        question.gone = true;
        this.queue = this.queue.filter(other => other !== question);
        this.take(await insist("next", {...this.who(), drop: [question.uid]}));
      }
    }
    this.current = null;
    this.ended = true;
    this.ends();
  }

  async refill(drop = []) {
    this.take(await insist("next", {...this.who(), drop}));
    if (!this.current) await this.next();
  }

  // Keep an answer and go on; false while another one is on its way.
  async vote(answer, since = performance.now()) {
    if (this.busy || !this.current) return false;
    this.busy = true;
    trouble("");
    const {uid, photos} = this.current, seconds = (performance.now() - this.current.since) / 1000;
    const vote = {rater: this.rater, uid, photos: photos.map(photo => photo.n), answer, seconds};
    remember(localStorage, this.kept(uid), JSON.stringify(vote));
    const counted = await this.send(vote);
    this.answered.add(uid);
    if (counted) this.times = [...this.times.slice(-30), seconds];
    this.queue = this.queue.filter(question => question.uid !== uid);
    this.current = null;
    const ahead = this.queue.length > 0;
    if (!ahead) await this.refill();
    else await this.next();
    requestAnimationFrame(() => setTimeout(() => performance.measure("key to next", {start: since, end: performance.now()})));
    if (ahead) this.refill();
    return true;
  }

  async send(vote) {
    try {
      const {counted, last} = await insist("vote", vote, KEPT);
      this.last = last;
      return counted;
    } catch (error) {  // it is none that the server can take, ever
      trouble(`A vote was refused: ${error.message}.`);
      return false;
    } finally {
      remember(localStorage, this.kept(vote.uid), null);
    }
  }

  // Take back the last vote, and ask it again; false where there is none.
  async undo() {
    if (this.busy && !this.ended || !this.last) return false;
    this.busy = true;
    this.ended = false;
    try {
      const state = await insist("undo", {...this.who(), uid: this.last});
      this.last = state.last;
      this.take(state);
    } catch (error) {
      trouble(`Nothing was taken back: ${error.message}.`);
    }
    await this.next();
    return true;
  }

  // Come back to this one later, without a vote.
  async later() {
    if (this.busy || !this.current) return;
    const {uid} = this.current;
    this.current = null;
    this.busy = true;
    this.queue = this.queue.filter(question => question.uid !== uid);
    await this.refill([uid]);
  }

  // The middle of what the last votes took, in seconds; null before there are some.
  pace() {
    if (this.times.length < 3) return null;
    return [...this.times].sort((a, b) => a - b)[this.times.length >> 1];
  }
}
