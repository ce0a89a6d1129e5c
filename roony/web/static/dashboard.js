// The dashboard's script: sends forms to Roony's own API and asks before what cannot be taken back. It writes text only as
// text. live.js draws a page again.
"use strict";

const token = document.querySelector('meta[name="csrf"]')?.content ?? "";
const SECONDS = { s: 1, m: 60, h: 3600, d: 86400 };
// Calls for one press of a button.
const MOST_PARTS = 10000;

function tell(text) {
  const told = document.getElementById("told");
  if (!told) return;
  told.textContent = text;
  setTimeout(() => { if (told.textContent === text) told.textContent = ""; }, 4000);
}

// "12.50" with exponent 2 is 1250, exactly; null for what is no plain decimal number. A comma is none: to some it groups
// thousands, to others it begins the cents.
function minorUnits(text, exponent) {
  const match = /^(\d{1,12})(?:\.(\d+))?$/.exec(text.replace(/\s/g, ""));
  if (!match) return null;
  const part = (match[2] ?? "").replace(/0+$/, "");
  if (part.length > exponent) return null;
  return Number(match[1] + part.padEnd(exponent, "0"));
}

// 123456, "usd", 2 is "1,234.56 USD", by its digits alone.
function amountText(amount, currency, places) {
  const digits = String(amount).padStart(places + 1, "0");
  const whole = digits.slice(0, digits.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${whole}${places ? `.${digits.slice(-places)}` : ""} ${currency.toUpperCase()}`;
}

class WrongField extends Error {
  constructor(field, message) { super(message); this.field = field; }
}

// What one field says, or undefined for one that is left out.
function valueOf(field) {
  const type = field.dataset.type ?? "text";
  if (type === "bool") return field.checked;
  // Values that a page sends along, such as true.
  if (type === "json") return JSON.parse(field.value);
  if (field.multiple) return [...field.selectedOptions].map((option) => option.value);
  const text = field.type === "password" ? field.value : field.value.trim();
  if (type === "list") {
    const parts = text.split(/[\n,]/).map((part) => part.trim()).filter(Boolean);
    return parts.length || field.dataset.empty !== "null" ? parts : null;
  }
  if (text === "") return { null: null, text: "" }[field.dataset.empty];
  if (type === "int") {
    if (!/^-?\d{1,15}$/.test(text)) throw new WrongField(field.name, "It must be a whole number.");
    return Number(text);
  }
  if (type === "duration") {
    const match = /^(\d{1,9})\s*([smhd]?)$/.exec(text);
    if (!match) throw new WrongField(field.name, "It must be a time such as 90s, 15m, 24h or 7d.");
    return Number(match[1]) * SECONDS[match[2] || "s"];
  }
  if (type === "money") {
    const amount = minorUnits(text, Number(field.dataset.exponent ?? 2));
    if (amount === null) throw new WrongField(field.name, "It must be an amount such as 49.99.");
    return amount;
  }
  return text;
}

// The fields of a form but those `left` out as the JSON of the API; `a.b` is b inside of a, `a.0` the first of a list a.
// Boxes of one name become a list.
function bodyOf(form, left = []) {
  const body = {};
  for (const field of form.elements) {
    if (left.includes(field.name) || !field.name || field.disabled || field.type === "submit" || field.type === "button") continue;
    const path = field.name.split(".");
    const last = path.pop();
    // What is left out leaves nothing of what it is inside of.
    if (field.dataset.type !== "choice" && valueOf(field) === undefined) continue;
    let into = body;
    path.forEach((part, at) => { into = into[part] ??= /^\d+$/.test(path[at + 1] ?? last) ? [] : {}; });
    if (field.type === "checkbox" && field.dataset.type === "choice") {
      into[last] ??= [];
      if (field.checked) into[last].push(field.value);
    } else {
      into[last] = valueOf(field);
    }
  }
  return body;
}

async function call(method, path, body) {
  const options = { method, headers: { "X-Roony-CSRF": token }, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  if (answer.status === 401) {
    location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
    return null;
  }
  const text = await answer.text();
  const json = text && (answer.headers.get("content-type") ?? "").includes("json") ? JSON.parse(text) : {};
  if (!answer.ok) {
    const error = json.error ?? { message: `Roony answered ${answer.status}.` };
    throw new WrongField(error.field ?? null, error.message);
  }
  return json;
}

const troubleText = (error) => error instanceof WrongField ? error.message : "Roony cannot be reached. Try again in a moment.";

// The API does long work a part with each call: calls on until it is through, and adds up what was counted.
async function callThrough(method, path, body) {
  const whole = {};
  for (let part = 0; part < MOST_PARTS; part += 1) {
    const answer = await call(method, path, body);
    if (answer === null) return null;
    for (const [name, value] of Object.entries(answer)) {
      whole[name] = typeof value === "number" && name in whole ? whole[name] + value : value;
    }
    if (!answer.next_cursor) break;
    body = { ...body, cursor: answer.next_cursor };
  }
  return whole;
}

function showTrouble(form, error) {
  const field = error.field ?? null;
  const place = field && form.querySelector(`[data-error-for="${CSS.escape(field)}"]`);
  const message = troubleText(error);
  const where = place ?? form.querySelector(".trouble");
  if (!where) { tell(message); return; }
  where.textContent = place || !field ? message : `${field}: ${message}`;
  where.hidden = false;
  form.querySelector(`[name="${CSS.escape(field ?? "")}"]`)?.focus();
}

function confirmed(text) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// An address with `{id}` and the like out of what the API answered.
function filled(address, answer) {
  return address.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(answer[name] ?? ""));
}

// `{a: 1, b: 2}` as words.
function listed(values) {
  return Object.entries(values).map(([name, value]) => `${name}: ${value}`).join(", ") || "none";
}

// Puts what the API answered where the page wants it shown: `data-answer="key"` inside of [data-result].
function showResult(form, answer) {
  const result = document.querySelector(form.dataset.result ?? "[data-result]");
  for (const place of result.querySelectorAll("[data-answer]")) {
    const value = place.dataset.answer.split(".").reduce((inside, name) => inside?.[name], answer);
    place.textContent = value && typeof value === "object" ? listed(value) : value ?? "";
    if (place.dataset.copyAnswer !== undefined) place.dataset.copy = value ?? "";
    if (place.tagName === "A") place.href = String(value ?? "").startsWith("http") || String(value ?? "").startsWith("/") ? value : "#";
  }
  for (const place of result.querySelectorAll("[data-href]")) place.href = filled(place.dataset.href, answer);
  result.hidden = false;
  form.hidden = true;
  result.focus?.();
}

// What comes after a form was taken; true if this page is left for another, or for itself anew.
function follow(form, answer) {
  const then = form.dataset.then ?? "reload";
  if (then === "result") { showResult(form, answer); return false; }
  if (then === "stay") { tell(form.dataset.done ?? "Saved."); return false; }
  if (then === "reload") location.reload();
  // An address that the API made, such as the start link of a connection; without one there is nothing to open.
  else if (then === "open") { if (answer.url) location.assign(answer.url); else location.reload(); }
  else location.assign(filled(then, answer));
  return true;
}

// Says on the page itself whether it is all there and no form is under way: a program that drives it waits for that.
const setReady = (ready) => document.documentElement.toggleAttribute("data-ready", ready);

// A page that the browser kept for its way back is old, and its stream is closed.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); else setReady(true); });

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.call) return;
  event.preventDefault();
  const button = event.submitter;
  for (const old of form.querySelectorAll(".wrong, .trouble")) { old.hidden = true; old.textContent = ""; }
  const [method, path] = (button?.dataset.call ?? form.dataset.call).split(" ");
  const question = button?.dataset.confirm ?? form.dataset.confirm;
  if (question && !(await confirmed(question))) return;
  const buttons = [...form.querySelectorAll("button")];
  let leaves = false;
  setReady(false);
  try {
    const body = method === "DELETE" || form.dataset.body === "none" ? undefined : bodyOf(form);
    buttons.forEach((one) => { one.disabled = true; });
    const answer = await (form.dataset.parts === undefined ? call : callThrough)(method, path, body);
    leaves = answer === null || follow(form, answer);
  } catch (error) {
    showTrouble(form, error);
  }
  // On a page that is being left, a second press would be done as well and be seen by nobody.
  if (leaves) return;
  buttons.forEach((one) => { one.disabled = false; });
  setReady(true);
});

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("[data-copy], [data-copy-from]");
  if (copy) {
    const text = copy.dataset.copy ?? document.querySelector(copy.dataset.copyFrom).textContent;
    try { await navigator.clipboard.writeText(text); tell("Copied."); } catch { tell("Select it and copy it by hand."); }
    return;
  }
  const button = event.target.closest(".menu-button");
  if (button) {
    const open = document.getElementById("menu").classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  }
});
