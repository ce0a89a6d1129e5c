// Draws a page again when something it shows has changed, and not under the hand of whoever is busy with it. Runs after
// dashboard.js.
"use strict";

// Many things happen at once: a page is drawn once for all of them.
const WAIT_FOR_MORE = 250;
const FIELDS = "input, textarea, select";
const TROUBLES = "form .wrong, form .trouble";
const PRESSED = `a, button, label, summary, ${FIELDS}`;
// A finger's click comes so long after it was lifted, at most.
const CLICK_FOLLOWS = 300;

// Whoever decides by this page must know that it is no longer as things are.
function sayStale(isStale = true) {
  document.getElementById("stale").hidden = !isStale;
}

const chosenIn = (select) => [...select.selectedOptions].map((option) => option.value);

// What the page offered at first: one option at least, unless none or several may be chosen.
function offeredIn(select) {
  const offered = [...select.options].filter((option) => option.defaultSelected);
  return (offered.length || select.multiple ? offered : [...select.options].slice(0, 1)).map((option) => option.value);
}

function isTouched(field) {
  if (field.tagName === "SELECT") return chosenIn(field).join("\n") !== offeredIn(field).join("\n");
  if (field.type === "checkbox") return field.checked !== field.defaultChecked;
  return field.value !== field.defaultValue;
}

// The same field on the page as it is drawn now: by its id, or by its form, its name, and which choice it is.
function placeOf(field) {
  if (field.id) return field.id;
  const choice = field.type === "checkbox" ? field.value : "";
  return [field.form?.dataset.call, field.form?.className, field.name, choice].join("\n");
}

// The same for what a form was told.
const placeOfTrouble = (one) =>
  [one.closest("[id]").id, one.closest("form").dataset.call, one.dataset.errorFor].join("\n");

// Enters again what somebody had entered; what can no longer be chosen is left as it is offered.
function enter(field, { value, checked, chosen }) {
  if (field.tagName === "SELECT") {
    const options = [...field.options];
    if (!chosen.every((one) => options.some((option) => option.value === one))) return;
    for (const option of options) option.selected = chosen.includes(option.value);
  } else if (field.type === "checkbox") field.checked = checked;
  else field.value = value;
}

// Rows with buttons keep their places while somebody points at one or is in one with the keyboard: nobody decides what has
// just slipped under their hand.
const heldRow = (main) => main.querySelector("[data-row]:hover, [data-row]:focus-within");
// The page is not as things are, and is drawn again once nobody's hand is on it.
let isBehind = false;
// A button is down: its press counts only if it is still there when it is let go.
let isPressing = false;

// True while somebody presses, answers a question, reads an answer shown once, types, or waits for a form that was sent.
function isBusy(main) {
  const isTyping = main.contains(document.activeElement) && document.activeElement.matches(FIELDS);
  const isReading = main.querySelector("[data-result]:not([hidden], form)") || document.querySelector("dialog[open]");
  return isPressing || isReading || (isTyping && !heldRow(main)) || !document.documentElement.hasAttribute("data-ready");
}

// What is over stays where it was, grey and without its buttons, and says what became of it; what is new is told beside.
async function drawInPlace(main, fresh) {
  isBehind = true;
  const rows = [...main.querySelectorAll("[data-row]")];
  for (const row of rows.filter((one) => !fresh.querySelector(`#${CSS.escape(one.id)}`) && !one.classList.contains("over"))) {
    row.classList.add("over");
    row.tabIndex = -1;
    if (row.contains(document.activeElement)) row.focus();
    for (const field of row.querySelectorAll("button, input, textarea")) field.disabled = true;
    row.querySelector("[data-became]").textContent = row.dataset.over ?? await becameOf(row);
  }
  const known = new Set(rows.map((one) => one.id));
  const count = [...fresh.querySelectorAll("[data-row]")].filter((one) => !known.has(one.id)).length;
  const news = document.getElementById("news");
  news.hidden = count === 0;
  news.querySelector("span").textContent = `${count} new`;
}

// What the page of one says became of it.
async function becameOf(row) {
  const answer = await fetch(row.dataset.row, { credentials: "same-origin", headers: { "X-Roony-By-Itself": "1" } });
  const page = answer.ok && !answer.redirected ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  const parts = page ? [...page.querySelectorAll("#content .heading .status, #content .decided dd")] : [];
  return parts.length ? parts.map((one) => one.textContent.trim()).join(" · ") : "This is over.";
}

// Draws the page again when something on it changed, later if somebody is busy with it. What was typed and chosen before
// stays, and so do what a form was told and what is marked as kept.
async function drawAgain(main, isAsked = false) {
  if (isBusy(main)) { isBehind = true; return; }
  isBehind = false;
  const answer = await fetch(location.href, { credentials: "same-origin", headers: { "X-Roony-By-Itself": "1" } });
  if (!answer.ok || answer.redirected) { sayStale(); return; }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  sayStale(stream.readyState === EventSource.CLOSED);
  // Somebody may have begun while the page was fetched.
  if (isBusy(main)) { isBehind = true; return; }
  if (!isAsked && heldRow(main)) { await drawInPlace(main, page.getElementById("content")); return; }
  document.getElementById("news").hidden = true;
  const opened = [...main.querySelectorAll("details[open][id]")].map((one) => one.id);
  const kept = [...main.querySelectorAll("[data-kept][id]")];
  const touched = new Map([...main.querySelectorAll(FIELDS)].filter(isTouched).map((field) => [
    placeOf(field), { value: field.value, checked: field.checked, chosen: field.options && chosenIn(field) },
  ]));
  const told = new Map([...main.querySelectorAll(TROUBLES)].filter((one) => !one.hidden).map((one) => [
    placeOfTrouble(one), one.textContent,
  ]));
  const focused = document.activeElement;
  const asItWas = focused?.outerHTML;
  for (const id of ["content", "menu"]) {
    const fresh = page.getElementById(id);
    const old = document.getElementById(id);
    if (fresh && fresh.innerHTML !== old.innerHTML) old.replaceChildren(...fresh.childNodes);
  }
  for (const one of kept) document.getElementById(one.id)?.replaceWith(one);
  for (const field of main.querySelectorAll(FIELDS)) {
    const entered = touched.get(placeOf(field));
    if (entered) enter(field, entered);
  }
  for (const one of main.querySelectorAll(TROUBLES)) {
    const text = told.get(placeOfTrouble(one));
    if (text) { one.textContent = text; one.hidden = false; }
  }
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  // Whoever was here with the keyboard stays here; what was kept and put back has lost it.
  if (focused === document.activeElement) return;
  if (focused?.isConnected) { focused.focus(); return; }
  const same = [...document.querySelectorAll("#content *, #menu *")].find((one) => one.outerHTML === asItWas);
  ((focused?.id && document.getElementById(focused.id)) || same)?.focus();
}

// Keeps `isPressing`, and calls back when a press is over. The click comes last: what it asks is open, or its form under
// way, before anything is drawn. No scroll bar is looked at, since browsers do not say when one is let go.
function followPresses(over) {
  let lifted = null;
  const press = (event) => {
    clearTimeout(lifted);
    isPressing = event.target.closest(PRESSED) !== null;
  };
  const release = () => {
    clearTimeout(lifted);
    isPressing = false;
    over();
  };
  const lift = () => {
    clearTimeout(lifted);
    if (isPressing) lifted = setTimeout(release, CLICK_FOLLOWS);
  };
  document.addEventListener("pointerdown", (event) => { if (event.button === 0) press(event); }, true);
  document.addEventListener("keydown", (event) => { if (event.key === " ") press(event); }, true);
  for (const type of ["pointerup", "keyup"]) document.addEventListener(type, lift, true);
  for (const type of ["click", "pointercancel", "contextmenu"]) document.addEventListener(type, release, true);
}

const live = document.querySelector("main[data-live]");
let waiting = null;
const stream = new EventSource("/api/v1/admin/stream");
// Nothing comes where Roony is away, or where a proxy whose own sign-in is over sends the page elsewhere.
const draw = (isAsked = false) => drawAgain(live, isAsked).catch(() => sayStale());
const changed = () => { waiting ??= setTimeout(() => { waiting = null; draw(); }, WAIT_FOR_MORE); };
for (const type of live.dataset.live.split(" ")) stream.addEventListener(type, changed);
document.querySelector("#news button").addEventListener("click", () => draw(true));
const catchUp = () => { if (isBehind && !heldRow(live) && !isBusy(live)) changed(); };
for (const type of ["pointerout", "focusout"]) live.addEventListener(type, () => setTimeout(catchUp));
document.getElementById("confirm").addEventListener("close", () => setTimeout(catchUp));
new MutationObserver(catchUp).observe(document.documentElement, { attributeFilter: ["data-ready"] });
followPresses(() => { if (isBehind) changed(); });
// What happened between drawing the page and this moment was told to nobody here.
stream.addEventListener("open", changed);
// A line that breaks is mended by the browser; it gives up where Roony refuses, such as after the end of the session.
stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) sayStale(); });
addEventListener("pagehide", () => stream.close());
