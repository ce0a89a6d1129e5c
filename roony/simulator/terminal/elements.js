// Small tools of the terminal: asking the simulator, making elements, writing money and time, keeping lists steady.

const BASE = "/_simulator/terminal/";
let digits = {};

export function know(currencies) {
  digits = currencies;
}

// Returns the answer, or throws an Error with the simulator's own sentence.
export async function ask(path, wish) {
  const headers = { "Content-Type": "application/json" };
  const options = wish === undefined ? {} : { method: "POST", body: JSON.stringify(wish), headers };
  let answer;
  try {
    answer = await fetch(path.startsWith("/") ? path : BASE + path, options);
  } catch {
    throw new Error("The simulator does not answer.");
  }
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error?.message ?? `The simulator answered with ${answer.status}.`);
  return body;
}

export function find(id) {
  return document.getElementById(id);
}

// Text is always put in as text, never as HTML: names come from outside.
export function make(name, kind, ...content) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...content.filter((part) => part !== null && part !== undefined));
  return made;
}

export function money(amount, currency) {
  const places = digits[currency] ?? 2;
  const sign = amount < 0 ? "\u2212" : "";
  const figures = String(Math.abs(amount)).padStart(places + 1, "0");
  const whole = figures.slice(0, figures.length - places).replace(/\B(?=(\d{3})+$)/g, ",");
  const part = places ? "." + figures.slice(-places) : "";
  return `${sign}${whole}${part} ${currency.toUpperCase()}`;
}

export function moment(seconds, withDay = false) {
  const text = new Date(seconds * 1000).toISOString();
  return withDay ? `${text.slice(0, 10)} ${text.slice(11, 19)} UTC` : text.slice(11, 19);
}

export function words(name) {
  return name.replaceAll("_", " ");
}

// Replaces the options of a select if they changed, and keeps the choice.
export function choices(select, options) {
  const print = JSON.stringify(options);
  if (select.dataset.print === print) return;
  const chosen = select.value;
  select.dataset.print = print;
  select.replaceChildren(...options.map(({ value, text }) => new Option(text, value)));
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}

// Shows entries in order and makes anew only what changed, so that an open or focused entry stays as it is.
export function steady(list, entries, key, draw) {
  const old = new Map([...list.children].map((child) => [child.dataset.key, child]));
  let place = list.firstElementChild;
  for (const entry of entries) {
    const name = String(key(entry));
    const print = JSON.stringify(entry);
    let shown = old.get(name);
    old.delete(name);
    if (shown && shown.dataset.print === print) {
      if (shown === place) place = place.nextElementSibling;
      else list.insertBefore(shown, place);
      continue;
    }
    const made = draw(entry, shown);
    made.dataset.key = name;
    made.dataset.print = print;
    if (!shown) list.insertBefore(made, place);
    else {
      const focused = shown.contains(document.activeElement);
      if (shown === place) place = place.nextElementSibling;
      shown.replaceWith(made);
      if (focused) made.querySelector("summary, button")?.focus({ preventScroll: true });
    }
  }
  for (const gone of old.values()) {
    if (gone === place) place = place.nextElementSibling;
    gone.remove();
  }
}
