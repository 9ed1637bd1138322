"use strict";
(() => {
  const get = (id) => document.getElementById(id);
  const form = get("form"), button = get("compare"), speak = get("speak");
  const names = { left: "the left shoe", right: "the right shoe" };
  const limit = Number(form.dataset.limit); // bytes of a photo
  const question = "Are these two shoes a pair?";
  let busy = false;

  form.noValidate = true; // the messages below are read aloud; a browser's own bubble is not always
  if ("speechSynthesis" in window) get("speak-choice").hidden = false;
  if (window.matchMedia("(pointer: coarse)").matches) get("stored-choice").hidden = false;
  get("stored").addEventListener("change", (event) => {
    for (const field of Object.keys(names)) {
      if (event.target.checked) get(field).removeAttribute("capture");
      else get(field).setAttribute("capture", "environment");
    }
  });
  speak.addEventListener("change", () => (speak.checked ? say("Answers are spoken.") : window.speechSynthesis.cancel()));

  function say(text) {
    if (!speak.checked) return;
    const words = new SpeechSynthesisUtterance(text);
    words.lang = "en";
    window.speechSynthesis.cancel();
    window.speechSynthesis.speak(words);
  }

  function line(text, look) {
    const p = document.createElement("p");
    p.textContent = text.replaceAll(" %", "\u00a0%");
    if (look) p.className = look;
    return p;
  }

  function clear() {
    get("error").replaceChildren();
    get("answer").replaceChildren();
    get("waiting").textContent = "";
    for (const field of Object.keys(names)) {
      get(field).removeAttribute("aria-invalid");
      get(field).setAttribute("aria-describedby", "how limits");
      get(`${field}-error`).textContent = "";
    }
  }

  function fail(text, field) {
    clear();
    get("error").append(line(text, "error"));
    document.title = `No answer: ${question}`;
    if (field in names) {
      get(field).setAttribute("aria-invalid", "true");
      get(field).setAttribute("aria-describedby", `how limits ${field}-error`);
      get(`${field}-error`).textContent = text;
      get(field).focus();
    }
    say(text);
  }

  function tell(answer) {
    clear();
    const verdict = answer.verdict[0].toUpperCase() + answer.verdict.slice(1);
    const card = document.createElement("div");
    card.className = `card ${answer.look}`;
    card.append(line(verdict, "verdict"), ...answer.reasons.map((text) => line(text)));
    card.append(...answer.advice.map((text) => line(text, "advice")));
    get("answer").append(card);
    get("result").scrollIntoView({ block: "nearest" });
    document.title = `${verdict}: ${question}`;
    say([verdict + ".", ...answer.reasons, ...answer.advice].join(" "));
  }

  for (const field of Object.keys(names)) {
    get(field).addEventListener("change", () => {
      const frame = get(field).parentElement.querySelector(".frame");
      const picture = frame.querySelector("img"), file = get(field).files[0];
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
      const file = get(field).files[0];
      if (!file) return fail(`The photo of ${names[field]} is missing. Take or choose one.`, field);
      if (file.size > limit) return fail(`The photo of ${names[field]} has more than ${limit / 2 ** 20} megabytes. Use a smaller one.`, field);
    }
    busy = true;
    clear();
    button.setAttribute("aria-disabled", "true");
    get("answer").append(line("Looking at the two photos …"));
    try {
      const options = { method: "POST", body: new FormData(form), headers: { Accept: "application/json" } };
      const response = await fetch("/", { ...options, signal: AbortSignal.timeout(20000) });
      const answer = await response.json();
      if (response.ok) tell(answer);
      else fail(answer.error, answer.field);
    } catch {
      fail("The server cannot be reached, or is too busy. Wait a few seconds, then try again.", "");
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
    }
  });
})();
