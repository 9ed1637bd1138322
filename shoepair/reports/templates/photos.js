
const students = JSON.parse(document.getElementById("students").textContent);
const form = document.querySelector("form.filters"), list = document.querySelector("ul.sheets");
const count = document.getElementById("count"), more = document.getElementById("more");
const STEP = 48;  // students per part
const {compare} = new Intl.Collator("en", {numeric: true});
const byName = (a, b) => compare(a.batch, b.batch) || compare(a.student, b.student);
const last = value => value ?? Infinity;
const ORDERS = {
  issue: (a, b) => last(a.rank) - last(b.rank),
  student: byName,
  wrong: (a, b) => b.wrong - a.wrong || last(a.worst) - last(b.worst),
  score: (a, b) => last(a.worst) - last(b.worst),
};
let found = [], shown = 0;

function isWanted(student) {
  const {text, batch, split, flag, issue, answer, score} = Object.fromEntries(new FormData(form));
  const right = student.pairs > 0 && student.wrong === 0;
  return student.student.includes(text.trim().toLowerCase())
    && (!batch || student.batch === batch)
    && (!split || student.split === split)
    && (!flag || (flag === "any" ? student.flags.length > 0 : student.flags.includes(flag)))
    && (!issue || student.issue >= Number(issue))
    && (!score || (student.worst !== null && student.worst < Number(score)))
    && (!answer || (answer === "wrong" ? student.wrong > 0 : answer === "right" ? right : student.pairs === 0));
}

function percent(share) { return (100 * share).toFixed(1) + "%"; }

function add(parent, tag, text, className) {
  const child = document.createElement(tag);
  child.textContent = text;
  if (className) child.className = className;
  parent.append(child);
  return child;
}

function makeEntry(student) {
  const entry = document.createElement("li"), name = student.student;
  add(entry, "h3", name);
  const frame = add(entry, "div", "", "sheet"), photo = add(frame, "img", "", "photo");
  photo.loading = "lazy";
  photo.width = 672;
  photo.height = 448;
  photo.alt = `Six photos of student ${name}: pairs 1 to 3 from left to right, left shoes above right shoes.`;
  photo.src = `photos/${encodeURIComponent(student.batch)}/${encodeURIComponent(name)}.jpg`;
  makeEnlargeable(photo);
  const answers = student.pairs ? `${student.wrong} of ${student.pairs} pairs wrong; worst right answer ${percent(student.worst)}` : "No scores: trained on";
  add(entry, "p", `Batch ${student.batch}, ${student.split}. ` + answers + ".", student.wrong ? "wrong small" : "small");
  if (student.rank) {
    add(entry, "p", `Suspicion ${student.rank}, ${percent(student.issue)}: ${student.reason}.`, "small");
    for (const pair of student.issue >= 0.5 ? student.reason.match(/\b[1-3]\b/g) ?? [] : [])
      add(frame, "span", "", `framed pair-${pair}`);
  }
  if (student.flags.length) add(entry, "p", `Flags: ${student.flags.join(", ")}.`, "small");
  return entry;
}

function showMore() {
  const next = found.slice(shown, shown + STEP);
  list.append(...next.map(makeEntry));
  shown += next.length;
  more.hidden = shown >= found.length;
  more.textContent = `Show ${Math.min(STEP, found.length - shown)} more`;
  count.textContent = `${found.length} of ${students.length} students, ${shown} shown`;
  return next.length;
}

function update() {
  found = students.filter(isWanted).sort((a, b) => ORDERS[form.elements.order.value](a, b) || byName(a, b));
  list.replaceChildren();
  shown = 0;
  showMore();
}

function findNamed() {
  if (location.hash.length > 1) form.elements.text.value = decodeURIComponent(location.hash.slice(1));
  update();
}

form.addEventListener("input", update);
form.addEventListener("submit", event => event.preventDefault());
more.addEventListener("click", () => {
  const first = shown;
  showMore();
  list.children[first].querySelector("button").focus({preventScroll: true});
});
window.addEventListener("hashchange", findNamed);
findNamed();
