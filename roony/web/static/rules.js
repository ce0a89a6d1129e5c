// The form of rules: what it changes, and what that would have changed of the past, is shown before it is kept.
"use strict";

const rulesForm = document.getElementById("rules");
const review = document.getElementById("review");
const SHOWN_ROWS = 10;
const VERDICTS = { approved: "approved", declined: "declined", needs_approval: "left to a person" };
// Where this level stands in the document of all rules: a task may be called anything, with dots or digits too.
const LEVEL = JSON.parse(rulesForm.dataset.level);
const DAY = { day: "numeric", month: "short", timeZone: rulesForm.dataset.zone };
// The document that was looked at, and the mark of what it would do.
let looked = null;

function make(tag, text, parent, className) {
  const made = document.createElement(tag);
  if (text !== null) made.textContent = text;
  if (className) made.className = className;
  parent?.append(made);
  return made;
}

const written = (amount, currency) => amountText(amount, currency, JSON.parse(rulesForm.dataset.places)[currency] ?? 2);

// One value as a person reads it; `input` is the field of the form that it belongs to.
function valueText(value, input) {
  if (value === null || value === undefined) return "not set";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  if (typeof value === "object") return `${value.days.join(", ")} from ${value.from} to ${value.to}`;
  if (input?.dataset.type === "money") return written(value, input.dataset.currency ?? rulesForm.dataset.currency);
  if (input?.dataset.type === "duration") {
    const [unit, size] = Object.entries(SECONDS).reverse().find(([, seconds]) => value % seconds === 0);
    return value ? `${value / size}${unit}` : "0";
  }
  if (input?.tagName === "SELECT") return [...input.options].find((option) => option.value === value)?.text ?? value;
  return String(value);
}

function tableOf(parent, columns) {
  const table = make("table", null, make("div", null, parent, "table"), "cards");
  const head = make("tr", null, make("thead", null, table));
  for (const column of columns) make("th", column, head).scope = "col";
  const body = make("tbody", null, table);
  return (cells) => {
    const row = make("tr", null, body);
    cells.forEach((cell, at) => { make("td", cell, row).dataset.label = columns[at]; });
    return row;
  };
}

function showChanges(changes) {
  const place = document.getElementById("review-changes");
  place.replaceChildren();
  if (!changes.length) { make("p", "Nothing: these are the rules of now.", place); return; }
  const row = tableOf(place, ["Rule", "Now", "Then"]);
  for (const change of changes) {
    const input = rulesForm.querySelector(`[name="${CSS.escape(change.field)}"]`);
    const label = input?.labels[0] ?? rulesForm.querySelector(`[data-object="${CSS.escape(change.field)}"] legend`);
    row([label?.textContent ?? change.field, valueText(change.before, input), valueText(change.after, input)]);
  }
}

function showReplay(answer) {
  const place = document.getElementById("review-replay");
  place.replaceChildren();
  const untold = Object.values(answer.cannot_be_told).reduce((sum, count) => sum + count, 0);
  const rest = untold ? ` About ${untold} it cannot be told.` : "";
  make("p", `Of ${answer.decisions} decisions, ${answer.changed} would have been others.${rest}`, place);
  const list = answer.sums.length ? make("ul", null, place, "plain") : null;
  for (const sum of answer.sums) {
    const amount = written(sum.amount, sum.currency);
    make("li", `${sum.decisions} ${VERDICTS[sum.before]} would have been ${VERDICTS[sum.after]}: ${amount}`, list);
  }
  if (!answer.changes.length) return;
  const names = Object.fromEntries(answer.agents.map((agent) => [agent.agent_id, agent.name]));
  const row = tableOf(place, ["Asked for", "Agent", "Merchant", "Amount", "Was", "Would have been", "Why"]);
  for (const change of answer.changes.slice(0, SHOWN_ROWS)) {
    const reasons = change.after.verdict === "approved" ? change.before.reasons : change.after.reasons;
    const cells = row([
      "", names[change.agent_id] ?? change.agent_id, change.merchant, written(change.amount, change.currency),
      VERDICTS[change.before.verdict], VERDICTS[change.after.verdict], reasons[0]?.message ?? "",
    ]).cells;
    make("a", new Date(change.at).toLocaleDateString("en-GB", DAY), cells[0]).href = `/purchases/${encodeURIComponent(change.purchase_id)}`;
  }
  const left = answer.changed - Math.min(answer.changes.length, SHOWN_ROWS);
  if (left) make("p", `And ${left} more.`, place, "soft");
}

// Decides the purchases of then again. The API sends a line after every page it read, and the answer as the last one.
async function tried(rules, told) {
  const answer = await fetch("/api/v1/admin/replay", {
    method: "POST",
    headers: { "X-Roony-CSRF": token, "Content-Type": "application/json", Accept: "application/x-ndjson" },
    body: JSON.stringify({ since: `${rulesForm.dataset.days}d`, rules }),
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", last = null;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      last = JSON.parse(line);
      if ("read" in last) told(last.read, last.of);
    }
  }
  if (rest) last = JSON.parse(rest);
  if (last.error) throw new WrongField(null, last.error.message);
  return last;
}

async function look() {
  const level = bodyOf(rulesForm);
  for (const part of rulesForm.querySelectorAll("[data-object]")) {
    // Hours of which nothing is said are not set.
    if ([...part.querySelectorAll("input:not([type=checkbox])")].some((input) => input.value.trim())) continue;
    const path = part.dataset.object.split(".");
    const last = path.pop();
    path.reduce((into, name) => into[name], level)[last] = null;
  }
  const rules = LEVEL.reduceRight((inside, name) => ({ [name]: inside }), level);
  const dry = await call("PUT", "/api/v1/admin/rules?dry_run=true", rules);
  if (dry === null) return;
  if (dry.stale.length) throw new WrongField(null, "Somebody else changed these rules. Load the page again to see them.");
  looked = { rules, plan: dry.plan };
  showChanges(dry.changes);
  const replay = document.getElementById("review-replay");
  replay.textContent = dry.changes.length ? "Deciding the purchases of then again …" : "Nothing.";
  const keep = document.getElementById("keep-rules");
  keep.disabled = true;
  review.hidden = false;
  review.focus();
  if (!dry.changes.length) return;
  try {
    showReplay(await tried(rules, (read, of) => { replay.textContent = `Deciding the purchases of then again: ${read} of ${of} …`; }));
  } catch (error) {
    replay.textContent = `It could not be tried: ${error instanceof WrongField ? error.message : "Roony cannot be reached."}`;
  }
  keep.disabled = false;
}

function leave() {
  looked = null;
  review.hidden = true;
}

async function busy(work, where) {
  const buttons = rulesForm.querySelectorAll("button");
  for (const old of document.querySelectorAll(".wrong, .trouble")) { old.hidden = true; old.textContent = ""; }
  buttons.forEach((one) => { one.disabled = true; });
  try { await work(); } catch (error) {
    if (error.field?.startsWith(`${LEVEL.join(".")}.`)) error.field = error.field.slice(LEVEL.join(".").length + 1);
    showTrouble(where, error);
  } finally { buttons.forEach((one) => { one.disabled = false; }); }
}

rulesForm.addEventListener("submit", (event) => { event.preventDefault(); busy(look, rulesForm); });
rulesForm.addEventListener("input", leave);
document.getElementById("leave-rules").addEventListener("click", () => { leave(); rulesForm.querySelector("input:not([type=hidden])").focus(); });
document.getElementById("keep-rules").addEventListener("click", () => busy(async () => {
  const answer = await call("PUT", `/api/v1/admin/rules?plan=${encodeURIComponent(looked.plan)}`, looked.rules);
  if (answer !== null) location.assign(location.pathname);
}, review));

// A category found by typing is put into its list.
function add(input) {
  const list = document.getElementById(input.dataset.addsTo);
  if (!input.value.trim()) return;
  list.value = [list.value.trim(), input.value.trim()].filter(Boolean).join("\n");
  input.value = "";
  leave();
}

for (const input of rulesForm.querySelectorAll("[data-adds-to]")) {
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(input); } });
  input.nextElementSibling.addEventListener("click", () => add(input));
}
