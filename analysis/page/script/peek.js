// An image of a class beside its name, while the pointer or the focus is on it.

const PEEK = 132; // pixels that the image takes with its edge

function buildPeek(study) {
  if (!study.data.pictures) return;
  const box = byId("peek");
  const hide = () => { box.hidden = true; };
  const show = (event) => {
    const node = event.target instanceof Element ? event.target.closest("[data-peek]") : null;
    if (!node || event.pointerType === "touch") return hide();
    return peekAt(study, box, node);
  };
  document.addEventListener("pointerover", show);
  let closed = null; // what the reader wants to see no image of
  const follow = () => {
    const node = document.activeElement?.closest("[data-peek]:focus-visible");
    if (node && node !== closed) peekAt(study, box, node);
    else hide();
  };
  document.addEventListener("focusin", () => { closed = null; follow(); });
  document.addEventListener("focusout", hide);
  document.addEventListener("scroll", follow, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") { closed = document.activeElement; hide(); } });
}

/** Show the image of the class that a node names, above it or below, within the window. */
function peekAt(study, box, node) {
  const { pictures } = study.data;
  const nth = pictures.thumbnails[Number(node.dataset.peek)];
  box.hidden = !(nth >= 0);
  if (box.hidden) return;
  const image = box.firstElementChild;
  image.src = pictures.files[pictures.file[nth]];
  image.classList.toggle("crisp", pictures.width < 48);
  const { left, top, bottom } = node.getBoundingClientRect();
  const x = Math.max(4, Math.min(left, window.innerWidth - PEEK - 4));
  const y = top > PEEK + 6 ? top - PEEK - 6 : bottom + 6;
  box.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
}
