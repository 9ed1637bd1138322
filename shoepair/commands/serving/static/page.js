"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId("form"), button = byId("compare"), speak = byId("speak");
  const names = { left: "the left shoe", right: "the right shoe" };
  const fields = Object.keys(names);
  const limit = Number(form.dataset.limit); // bytes of a photo
  const SMALL_BYTES = 400000, LONG_EDGE = 1600; // what is larger is reduced before it is sent, to this edge in pixels
  const ANSWER_MS = 20000, UPLOAD_MS = 150000; // to wait for an answer without an upload; with one, in all
  const question = "Are these two shoes a pair?";
  const waitingText = "The answer appears here after you choose both photos and press the button.";
  const busyText = "The server cannot be reached, or is too busy. Wait a few seconds, then try again.";
  const photos = {}; // side -> the promise of what is sent
  let round = 0, busy = false; // round: of photos; an answer to photos of an earlier one is dropped

  if ("speechSynthesis" in window) byId("speak-choice").hidden = false;
  if (window.matchMedia("(pointer: coarse)").matches) byId("stored-choice").hidden = false;
  byId("example").hidden = false;
  byId("stored").addEventListener("change", (event) => {
    for (const field of fields) {
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

  function clearError(field) {
    byId(field).removeAttribute("aria-invalid");
    byId(field).setAttribute("aria-describedby", "limits");
    byId(`${field}-error`).textContent = "";
  }

  function see(field, text, look) {
    byId(`${field}-seen`).textContent = text;
    byId(`${field}-seen`).className = `seen ${look}`;
  }

  function clearAnswer(waiting) {
    byId("error").replaceChildren();
    byId("answer").replaceChildren();
    byId("waiting").textContent = waiting || "";
    byId("again-place").hidden = true;
    document.title = question;
  }

  // An error of a photo is read with its field, which gets the focus; any other one is an alert. Each is said once.
  function showError(text, field) {
    clearAnswer(field in names ? waitingText : "");
    document.title = `No answer: ${question}`;
    if (field in names) {
      see(field, "", "");
      byId(`${field}-error`).textContent = text;
      byId(field).setAttribute("aria-invalid", "true");
      byId(field).setAttribute("aria-describedby", `${field}-error`);
      byId(field).focus();
    } else {
      byId("error").append(paragraph(text, "error"));
    }
    speakText(text);
  }

  function showAnswer(answer) {
    clearAnswer();
    const verdict = answer.verdict[0].toUpperCase() + answer.verdict.slice(1);
    const card = document.createElement("div");
    card.className = `card ${answer.look}`;
    card.append(paragraph(verdict, "verdict"), ...answer.advice.map((text) => paragraph(text, "advice")));
    card.append(...answer.reasons.map((text) => paragraph(text)), paragraph(answer.learning, "small"));
    byId("answer").append(card);
    byId("again-place").hidden = false;
    byId("result").scrollIntoView({ block: "nearest" });
    document.title = `${verdict}: ${question}`;
    speakText([verdict + ".", ...answer.advice, ...answer.reasons, answer.learning].join(" "));
  }

  // Scale a large photo down; what this browser cannot read, such as HEIC in most, is sent as it is.
  async function reduce(file) {
    if (file.size <= SMALL_BYTES || file.type.startsWith("video/")) return file;
    try {
      const whole = await createImageBitmap(file, { imageOrientation: "from-image" });
      const scale = Math.min(1, LONG_EDGE / Math.max(whole.width, whole.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.round(whole.width * scale);
      canvas.height = Math.round(whole.height * scale);
      const context = canvas.getContext("2d");
      context.fillStyle = "white"; // behind what is transparent, as the server has it
      context.fillRect(0, 0, canvas.width, canvas.height);
      context.imageSmoothingQuality = "high";
      context.drawImage(whole, 0, 0, canvas.width, canvas.height);
      whole.close();
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
      return blob && blob.size < file.size ? blob : file;
    } catch {
      return file;
    }
  }

  async function post(sides, sent) {
    const body = new FormData();
    sides.forEach((field, number) => body.append(field, sent[number], "photo"));
    if (sides.length === 1) body.append("look", sides[0]);
    const milliseconds = sent.some((blob) => blob.size > SMALL_BYTES) ? UPLOAD_MS : ANSWER_MS;
    const options = { method: "POST", body, headers: { Accept: "application/json" } };
    const response = await fetch("/", { ...options, signal: AbortSignal.timeout(milliseconds) });
    return [response.ok, await response.json()];
  }

  function showPreview(field, file) {
    const frame = document.querySelector(`.frame[data-for=${field}]`);
    const picture = frame.querySelector("img");
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
  }

  async function look(field) {
    const file = byId(field).files[0];
    round += 1;
    delete photos[field];
    clearAnswer(waitingText);
    clearError(field);
    see(field, file ? `Looking at the photo of ${names[field]} \u2026` : "", "");
    showPreview(field, file);
    if (!file) return;
    const sending = (photos[field] = reduce(file));
    let text = busyText, state = "bad";
    try {
      const blob = await sending;
      if (blob.size > limit) text = `The photo of ${names[field]} has more than ${limit / 2 ** 20} megabytes. Use a smaller one.`;
      else {
        const [ok, answer] = await post([field], [blob]);
        text = ok ? answer.sentence : answer.error;
        state = ok && answer.is_good ? "good" : "bad";
      }
    } catch {
      // The server cannot be reached.
    }
    if (photos[field] !== sending) return; // another photo was chosen meanwhile
    see(field, text, state);
    speakText(text);
  }

  function put(field, files) {
    const picture = [...files].find((file) => file.size);
    if (!picture) return;
    const transfer = new DataTransfer();
    transfer.items.add(picture);
    byId(field).files = transfer.files;
    look(field);
  }

  for (const field of fields) {
    const frame = document.querySelector(`.frame[data-for=${field}]`), step = frame.parentElement;
    byId(field).addEventListener("change", () => look(field));
    frame.addEventListener("click", () => byId(field).click());
    for (const name of ["dragenter", "dragover"]) {
      step.addEventListener(name, (event) => {
        event.preventDefault();
        frame.classList.add("over");
      });
    }
    step.addEventListener("dragleave", () => frame.classList.remove("over"));
    step.addEventListener("drop", (event) => {
      event.preventDefault();
      frame.classList.remove("over");
      put(field, event.dataTransfer.files);
    });
  }

  // A pasted photo goes to the step with the focus, else to the first that has none.
  document.addEventListener("paste", (event) => {
    const at = fields.find((field) => document.activeElement === byId(field));
    put(at || fields.find((field) => !byId(field).files.length) || "left", event.clipboardData.files);
  });

  byId("example").addEventListener("click", () => {
    for (const field of fields) {
      const bytes = Uint8Array.from(atob(byId(field).dataset.example), (letter) => letter.charCodeAt(0));
      put(field, [new File([bytes], `example ${field}.webp`, { type: "image/webp" })]);
    }
  });

  byId("again").addEventListener("click", (event) => {
    event.preventDefault();
    for (const field of fields) {
      byId(field).value = "";
      look(field);
    }
    byId("left").focus();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    for (const field of fields) {
      if (!byId(field).files.length) return showError(`The photo of ${names[field]} is missing. Take or choose one.`, field);
      photos[field] ||= reduce(byId(field).files[0]); // chosen before the script ran
    }
    busy = true;
    const asked = round;
    clearAnswer();
    fields.forEach(clearError);
    button.setAttribute("aria-disabled", "true");
    byId("answer").append(paragraph("Comparing the two photos \u2026"));
    try {
      const sent = await Promise.all(fields.map((field) => photos[field]));
      const large = fields.find((field, number) => sent[number].size > limit);
      if (large) showError(`The photo of ${names[large]} has more than ${limit / 2 ** 20} megabytes. Use a smaller one.`, large);
      else {
        const [ok, answer] = await post(fields, sent);
        if (asked === round) ok ? showAnswer(answer) : showError(answer.error, answer.field);
      }
    } catch {
      if (asked === round) showError(busyText, "");
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
    }
  });
})();
