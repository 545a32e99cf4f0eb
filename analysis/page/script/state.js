// What the reader has chosen; it stands in the address too, so that a place on the page can be sent to someone.

class State {
  constructor(study) {
    this.study = study;
    this.mask = study.data.start;
    this.class = null;
    this.first = null; // of the images of a class, those predicted as this one stand first
    this.pinned = null;
    this.filter = openFilter(study);
    this.listeners = { mask: [], class: [], filter: [], pin: [] };
    this.readAddress();
    window.addEventListener("hashchange", () => this.followAddress());
  }

  on(what, listener) {
    for (const one of [].concat(what)) this.listeners[one].push(listener);
  }

  tell(what) {
    for (const listener of this.listeners[what]) listener();
  }

  choose(mask) {
    if (!this.study.has(mask) || mask === this.mask) return;
    this.mask = mask;
    this.writeAddress();
    this.tell("mask");
  }

  /** Keep a subset to compare the chosen one with; null for none. */
  pin(mask) {
    this.pinned = mask;
    this.writeAddress();
    this.tell("pin");
  }

  chooseClass(c) {
    this.class = c;
    this.writeAddress();
    this.tell("class");
  }

  narrow(filter) {
    this.filter = { ...this.filter, ...filter };
    this.tell("filter");
  }

  /** Whether a subset passes the filter. */
  passes(mask, size) {
    const { must, not, low, high } = this.filter;
    return (mask & must) === must && !(mask & not) && size >= low && size <= high;
  }

  readAddress() {
    const found = new URLSearchParams(location.hash.slice(1));
    const mask = Number(found.get("subset"));
    if (Number.isInteger(mask) && this.study.has(mask)) this.mask = mask;
    const pinned = Number(found.get("pin"));
    this.pinned = Number.isInteger(pinned) && this.study.has(pinned) ? pinned : null;
    const c = this.study.data.classes.ids.indexOf(found.get("class"));
    if (c >= 0) this.class = c;
  }

  followAddress() {
    const before = [this.mask, this.class, this.pinned];
    this.readAddress();
    if (this.mask !== before[0]) this.tell("mask");
    if (this.class !== before[1]) this.tell("class");
    if (this.pinned !== before[2]) this.tell("pin");
  }

  writeAddress() {
    const parts = new URLSearchParams();
    parts.set("subset", this.mask);
    if (this.class !== null) parts.set("class", this.study.data.classes.ids[this.class]);
    if (this.pinned !== null) parts.set("pin", this.pinned);
    history.replaceState(null, "", `#${parts}`);
  }
}

function openFilter(study) {
  return { must: 0, not: 0, low: 1, high: study.members.length };
}
