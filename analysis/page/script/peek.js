// An image of a class and its course in training beside its name, while the pointer or the focus is on it.

const PEEK = 132; // pixels that the image takes with its edge

function buildPeek(study, state) {
  if (!study.data.pictures && !study.data.curves) return;
  const box = byId("peek");
  const hide = () => { box.hidden = true; };
  const show = (event) => {
    const node = event.target instanceof Element ? event.target.closest("[data-peek]") : null;
    if (!node || event.pointerType === "touch") return hide();
    return peekAt(study, state, box, node);
  };
  document.addEventListener("pointerover", show);
  let closed = null; // what the reader wants to see no image of
  const follow = () => {
    const node = document.activeElement?.closest("[data-peek]:focus-visible");
    if (node && node !== closed) peekAt(study, state, box, node);
    else hide();
  };
  document.addEventListener("focusin", () => { closed = null; follow(); });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", follow, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { closed = document.activeElement; hide(); } });
}

/** Show image and curves of the class that a node names, above it or below, within the window. */
function peekAt(study, state, box, node) {
  const { pictures } = study.data;
  const c = Number(node.dataset.peek);
  const { left, top, bottom } = node.getBoundingClientRect(); // before anything is changed, so that nothing is laid out for it
  const room = window.innerWidth;
  const nth = pictures ? pictures.thumbnails[c] : -1;
  const drawn = smallCurves(study, state.mask, c);
  box.hidden = !(nth >= 0 || drawn);
  if (box.hidden) return;
  const image = box.firstElementChild;
  image.hidden = !(nth >= 0);
  if (nth >= 0) {
    image.src = pictures.files[pictures.file[nth]];
    image.classList.toggle("crisp", pictures.width < 48);
  }
  box.replaceChildren(image, ...(drawn ? [drawn] : []));
  const high = (nth >= 0 ? PEEK : 4) + (drawn ? 44 : 0);
  const x = Math.max(4, Math.min(left, room - PEEK - 4));
  const y = top > high + 6 ? top - high - 6 : bottom + 6;
  box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}
