"use strict";
// Photos enlarge by click or keyboard: each becomes a button that opens a dialog. Without scripts they are plain photos.
const dialog = document.querySelector("dialog");
function makeEnlargeable(photo) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  photo.replaceWith(button);
  button.append(photo);
  button.addEventListener("click", () => {
    const large = document.createElement("img");
    large.src = photo.src;
    large.alt = photo.alt;
    dialog.querySelector("figure").replaceChildren(large, Object.assign(document.createElement("figcaption"), {textContent: photo.alt}));
    dialog.showModal();
  });
}
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
document.querySelectorAll("img.photo").forEach(makeEnlargeable);
