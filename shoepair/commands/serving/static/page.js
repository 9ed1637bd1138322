"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId("form"), button = byId("compare"), speak = byId("speak");
  const names = { left: "the left shoe", right: "the right shoe" };
  const limit = Number(form.dataset.limit); // bytes of a photo
  const question = "Are these two shoes a pair?";
  let busy = false;

  form.noValidate = true; // screen readers read the messages below, but not every browser's own
  if ("speechSynthesis" in window) byId("speak-choice").hidden = false;
  if (window.matchMedia("(pointer: coarse)").matches) byId("stored-choice").hidden = false;
  byId("stored").addEventListener("change", (event) => {
    for (const field of Object.keys(names)) {
      if (event.target.checked) byId(field).removeAttribute("capture");
      else byId(field).setAttribute("capture", "environment");
    }
  });
  speak.addEventListener("change", () => (speak.checked ? speakText("Answers are spoken.") : window.speechSynthesis.cancel()));

  function speakText(text) {
    if (!speak.checked) return;
    const words = new SpeechSynthesisUtterance(text);
    words.lang = "en";
    window.speechSynthesis.cancel();
    window.speechSynthesis.speak(words);
  }

  function paragraph(text, cssClass) {
    const p = document.createElement("p");
    p.textContent = text.replaceAll(" %", "\u00a0%");
    if (cssClass) p.className = cssClass;
    return p;
  }

  function clear() {
    byId("error").replaceChildren();
    byId("answer").replaceChildren();
    byId("waiting").textContent = "";
    for (const field of Object.keys(names)) {
      byId(field).removeAttribute("aria-invalid");
      byId(field).setAttribute("aria-describedby", "how limits");
      byId(`${field}-error`).textContent = "";
    }
  }

  function showError(text, field) {
    clear();
    byId("error").append(paragraph(text, "error"));
    document.title = `No answer: ${question}`;
    if (field in names) {
      byId(field).setAttribute("aria-invalid", "true");
      byId(field).setAttribute("aria-describedby", `how limits ${field}-error`);
      byId(`${field}-error`).textContent = text;
      byId(field).focus();
    }
    speakText(text);
  }

  function showAnswer(answer) {
    clear();
    const verdict = answer.verdict[0].toUpperCase() + answer.verdict.slice(1);
    const card = document.createElement("div");
    card.className = `card ${answer.look}`;
    card.append(paragraph(verdict, "verdict"), ...answer.reasons.map((text) => paragraph(text)));
    card.append(...answer.advice.map((text) => paragraph(text, "advice")));
    byId("answer").append(card);
    byId("result").scrollIntoView({ block: "nearest" });
    document.title = `${verdict}: ${question}`;
    speakText([verdict + ".", ...answer.reasons, ...answer.advice].join(" "));
  }

  for (const field of Object.keys(names)) {
    byId(field).addEventListener("change", () => {
      const frame = byId(field).parentElement.querySelector(".frame");
      const picture = frame.querySelector("img"), file = byId(field).files[0];
      if (picture.src) URL.revokeObjectURL(picture.src);
      picture.hidden = true;
      frame.classList.remove("filled");
      frame.querySelector("span").hidden = false;
      frame.querySelector("span").textContent = file ? "Photo chosen" : "No photo yet";
      if (!file) return picture.removeAttribute("src");
      picture.onload = () => {
        picture.hidden = false;
        frame.classList.add("filled");
        frame.querySelector("span").hidden = true;
      };
      picture.src = URL.createObjectURL(file);
    });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    for (const field of Object.keys(names)) {
      const file = byId(field).files[0];
      if (!file) return showError(`The photo of ${names[field]} is missing. Take or choose one.`, field);
      if (file.size > limit) return showError(`The photo of ${names[field]} has more than ${limit / 2 ** 20} megabytes. Use a smaller one.`, field);
    }
    busy = true;
    clear();
    button.setAttribute("aria-disabled", "true");
    byId("answer").append(paragraph("Comparing the two photos …"));
    try {
      const options = { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } };
      const response = await fetch("/", { ...options, signal: AbortSignal.timeout(20000) });
      const answer = await response.json();
      if (response.ok) showAnswer(answer);
      else showError(answer.error, answer.field);
    } catch {
      showError("The server cannot be reached, or is too busy. Wait a few seconds, then try again.", "");
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
    }
  });
})();
