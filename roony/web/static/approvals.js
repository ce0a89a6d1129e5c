// Approvals: says yes or no to one, or to all that are chosen one after the other, and tells how each ended. Runs after
// live.js, and calls the API as dashboard.js does.
"use strict";

const MOST_AT_ONCE = 50;
const content = document.getElementById("content");
let deciding = false;

function say(text) {
  const list = document.getElementById("outcomes");
  const line = document.createElement("li");
  line.textContent = text;
  list.prepend(line);
  while (list.children.length > MOST_AT_ONCE) list.lastChild.remove();
  list.hidden = false;
}

// One word on one approval. A field that is wrong is told where it is, if somebody looks at this form alone.
async function decide(form, word, alone) {
  for (const old of form.querySelectorAll(".wrong, .trouble")) { old.hidden = true; old.textContent = ""; }
  try {
    const body = bodyOf(form, word === "deny" ? ["amount"] : []);
    const answer = await call("POST", `/api/v1/admin/approvals/${form.dataset.approval}/${word}`, body);
    if (answer === null) return false;
    say(`${form.dataset.what}: ${answer.outcome.message}`);
  } catch (error) {
    if (alone && (error.field || !(error instanceof WrongField))) { showTrouble(form, error); return false; }
    say(`${form.dataset.what}: ${troubleText(error)}`);
  }
  return true;
}

// Nothing else is decided meanwhile: a second click is none.
async function busy(work) {
  if (deciding) return;
  deciding = true;
  const buttons = [...content.querySelectorAll(".decide button:enabled, #batch button")];
  buttons.forEach((one) => { one.disabled = true; });
  try {
    if (await work()) {
      document.getElementById("outcomes").focus();
      await draw(true);
    }
  } finally {
    deciding = false;
    buttons.forEach((one) => { one.disabled = false; });
  }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches(".decide")) return;
  event.preventDefault();
  if (!event.submitter) return;
  busy(() => decide(form, event.submitter.value, true));
});

// A note is ended by Enter as well, by somebody who wants to deny: only a button decides.
content.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches(".decide .field input")) event.preventDefault();
});

const chosenForms = () =>
  [...content.querySelectorAll(".choose input:checked:enabled")].slice(0, MOST_AT_ONCE).map((box) => box.form);

// "3 purchases, 120.00 USD in all": what a yes to them would be to; amounts that are none are refused by themselves.
function together(forms) {
  const sums = new Map();
  for (const form of forms) {
    const places = Number(form.elements.amount.dataset.exponent);
    const { sum } = sums.get(form.dataset.currency) ?? { sum: 0 };
    sums.set(form.dataset.currency, { sum: sum + (minorUnits(form.elements.amount.value, places) ?? 0), places });
  }
  const texts = [...sums].map(([currency, { sum, places }]) => amountText(sum, currency, places));
  return `${forms.length} ${forms.length === 1 ? "purchase" : "purchases"}, ${texts.join(" and ")} in all`;
}

function showChosen() {
  const place = document.getElementById("chosen");
  if (!place) return;
  const forms = chosenForms();
  place.textContent = forms.length ? together(forms) : "None chosen";
}

content.addEventListener("change", (event) => {
  if (event.target.id === "choose-all") {
    for (const box of content.querySelectorAll(".choose input:enabled")) box.checked = event.target.checked;
  }
  showChosen();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("#batch button");
  if (!button) return;
  const forms = chosenForms();
  if (!forms.length) { tell("Choose at least one first."); return; }
  if (!(await confirmed(`${button.value === "approve" ? "Approve" : "Deny"} ${together(forms)}?`))) return;
  await busy(async () => {
    for (const form of forms) await decide(form, button.value, false);
    for (const box of content.querySelectorAll(".choose input, #choose-all")) box.checked = false;
    return true;
  });
});

// How long each can still be decided, by the server's clock.
function countDown() {
  for (const place of content.querySelectorAll("[data-left]")) {
    place.dataset.end ??= performance.now() + Number(place.dataset.left) * 1000;
    const left = Math.ceil((Number(place.dataset.end) - performance.now()) / 1000);
    const [hours, minutes, seconds] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
    const parts = hours ? `${hours} h ${minutes} min left` : minutes ? `${minutes} min ${seconds} s left` : `${seconds} s left`;
    place.textContent = left > 0 ? parts : "its time is over";
  }
}

new MutationObserver(() => { countDown(); showChosen(); }).observe(content, { childList: true });
setInterval(countDown, 1000);
countDown();
