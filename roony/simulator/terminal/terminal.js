// The merchant terminal: reads the overview every second and a half, and sends what the buttons say.

import { ask, choices, find, know, make, moment, money, steady, words } from "./elements.js";

const POLL_MILLISECONDS = 1500;
const CARD_DIGITS = 16;
const said = new Map(); // what the last step on a purchase led to, by its id
let shops = [];
let reading = null;

function result(kind, verdict, why, more = []) {
  const box = find("result");
  box.className = `box result ${kind}`;
  const lines = more.map((line) => make("p", "quiet", line));
  box.replaceChildren(make("p", "verdict", verdict), make("p", "why", why), ...lines);
  if (kind) box.scrollIntoView({ block: "nearest" });
}

function merchant() {
  const country = find("country").value.toUpperCase();
  return { name: find("merchant-name").value, category: find("category").value, country };
}

function wish() {
  return {
    merchant: merchant(),
    amount: find("amount").value,
    currency: find("currency").value,
    card: find("card").value,
    number: find("number").value,
    expiry: find("expiry").value,
    cvc: find("cvc").value,
    way: document.querySelector("input[name=way]:checked").value,
    smaller: find("smaller").checked,
  };
}

async function charge(event) {
  event.preventDefault();
  const button = find("press");
  button.disabled = true;
  result("waiting", "Asking…", "Waiting for the decision.");
  try {
    const { purchase, milliseconds, webhook_milliseconds: asked } = await ask("charge", wish());
    const last = purchase.history.at(-1);
    const amount = money(last.amount, purchase.currency);
    const time = asked === null ? `Decided in ${milliseconds} ms; no webhook was asked.`
      : `Decided in ${milliseconds} ms, ${asked} ms of them for the webhook's answer.`;
    const [kind, word] = purchase.approved ? ["yes", "✓ Approved"] : ["no", "✕ Declined"];
    const who = `${purchase.merchant.name}, card ending ${purchase.card.last4} (${purchase.card.cardholder}).`;
    result(kind, `${word}: ${amount}`, last.sentence, [`${who} ${time}`]);
  } catch (error) {
    result("no", "Not charged", error.message);
  }
  button.disabled = false;
  button.focus({ preventScroll: true });
  await refresh();
}

async function unasked(verb, done) {
  if (!find("charge").reportValidity()) return;
  try {
    await ask(`unasked/${verb}`, wish());
    const amount = `${find("amount").value} ${find("currency").value.toUpperCase()}`;
    result("yes", done, `${amount}, booked without an authorization.`);
  } catch (error) {
    result("no", "Not booked", error.message);
  }
  await refresh();
}

async function step(purchase, verb, form) {
  const fields = form.elements;
  const of = verb === "refund" ? `transactions/${fields.transaction.value}` : `authorizations/${purchase.id}`;
  try {
    await ask(`${of}/${verb}`, { amount: fields.amount.value, keep_open: fields.keep_open.checked });
    said.set(purchase.id, { done: true, text: `Done: ${verb}.` });
    await refresh();
    const now = find("purchases").querySelector(`[data-key="${purchase.id}"] .said`);
    if (now) now.textContent = said.get(purchase.id).text;
  } catch (error) {
    form.querySelector(".said").textContent = error.message;
  }
}

function steps(purchase) {
  const form = find("steps").content.cloneNode(true).firstElementChild;
  const refundable = purchase.transactions.filter((one) => one.refundable > 0);
  const possible = [...purchase.actions, ...(refundable.length ? ["refund"] : [])];
  if (!possible.length) return null;
  for (const button of form.querySelectorAll("button")) {
    button.hidden = !possible.includes(button.dataset.verb);
    button.addEventListener("click", () => step(purchase, button.dataset.verb, form));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["check", "tip"]) form.querySelector(`.${kind}`).hidden = !possible.includes("capture");
  form.querySelector(".which").hidden = refundable.length < 2;
  const left = (one) => `${money(-one.amount, purchase.currency)}, ${money(one.refundable, purchase.currency)} left`;
  form.elements.transaction.replaceChildren(...refundable.map((one) => new Option(left(one), one.id)));
  form.querySelector(".said").textContent = said.get(purchase.id)?.text ?? "";
  return form;
}

function state(purchase) {
  if (!purchase.approved && purchase.history.length) return ["declined", "no"];
  if (purchase.transactions.length && purchase.status === "closed") return ["captured", "yes"];
  return [purchase.status, purchase.status === "pending" ? "open" : ""];
}

function drawPurchase(purchase, old) {
  const [word, kind] = state(purchase);
  const card = purchase.card;
  const summary = make(
    "summary",
    "",
    make("span", `pill ${kind}`, word),
    make("span", "name", purchase.merchant.name),
    make("span", "sum", money(purchase.amount, purchase.currency)),
    make("span", "quiet", `•••• ${card.last4} · ${card.account_name} · ${moment(purchase.created)}`),
  );
  const entry = make("details", "", summary);
  entry.open = old?.querySelector("details")?.open ?? false;
  const { category, country } = purchase.merchant;
  const facts = [`${words(category)}, ${country ?? "no country"}; ${card.cardholder}; ${purchase.id}`];
  if (purchase.merchant_currency !== purchase.currency) {
    facts.push(`The merchant asks for ${money(purchase.merchant_amount, purchase.merchant_currency)}.`);
  }
  const lines = purchase.history.map((one, place) => {
    const asked = `${place ? "Increment" : "Asked"}: ${money(one.amount, purchase.currency)}`;
    const text = `${asked} ${one.approved ? "approved" : "declined"}. ${one.sentence} `;
    return make("li", "", text, make("code", "", one.reason));
  });
  for (const one of purchase.transactions) {
    const text = `${words(one.type)}: ${money(Math.abs(one.amount), purchase.currency)}. `;
    lines.push(make("li", "capital", text, make("code", "", one.id)));
  }
  entry.append(...facts.map((line) => make("p", "quiet", line)), make("ul", "plain", ...lines));
  const form = steps(purchase);
  if (form) entry.append(form);
  return make("li", "", entry);
}

function drawSending(sending) {
  const status = Number(sending.outcome);
  const good = (status >= 200 && status < 300) || String(sending.outcome).startsWith("webhook_approved");
  const word = words(String(sending.outcome).split(":")[0]).replace("webhook ", "");
  const how = sending.asked ? "asked in real time" : `try ${sending.tries}`;
  const button = make(
    "button",
    "line",
    make("span", `pill ${good ? "yes" : "no"}`, word),
    make("span", "name", sending.type),
    make("span", "quiet", `${how} · ${sending.milliseconds} ms · ${moment(sending.at)}`),
    make("span", "quiet url", sending.url),
  );
  button.type = "button";
  button.addEventListener("click", () => read(sending));
  return make("li", "", button);
}

async function read(sending) {
  find("reader-title").textContent = sending.type;
  find("reader-about").textContent = `${sending.url} answered: ${words(String(sending.outcome))}.`;
  try {
    find("reader-text").textContent = JSON.stringify(await ask(`events/${sending.event}`), null, 2);
  } catch (error) {
    find("reader-text").textContent = error.message;
  }
  find("reader").showModal();
}

function drawAccount(account) {
  const sums = account.balance.map((one) => money(one.amount, one.currency)).join(", ");
  const asked = account.asked ? `asked in real time, ${account.timeout_action}s on timeout` : "no webhook is asked";
  const link = account.connected ? "connected" : account.installed ? "app installed" : "not connected";
  const kind = account.platform ? "platform" : link;
  const about = make("span", "quiet", `${kind}; ${asked}; ${account.id}`);
  return make("li", "", make("span", "name", account.name), make("span", "sum", sums), about);
}

async function overview() {
  const account = find("filter").value;
  const world = await ask(account ? `overview?account=${encodeURIComponent(account)}` : "overview");
  const names = world.accounts.map((one) => ({ value: one.id, text: one.name }));
  choices(find("filter"), [{ value: "", text: "All accounts" }, ...names]);
  choices(find("trying-account"), names);
  const cards = world.cards.map((one) => ({
    value: one.id,
    text: `•••• ${one.last4} · ${one.cardholder} · ${one.status} · ${one.account_name}`,
  }));
  choices(find("card"), cards.length ? cards : [{ value: "", text: "None yet: make one below" }]);
  steady(find("accounts"), world.accounts, (one) => one.id, drawAccount);
  steady(find("purchases"), world.purchases, (one) => one.id, drawPurchase);
  steady(find("sendings"), world.sendings, (one) => one.number, drawSending);
  find("no-purchases").hidden = world.purchases.length > 0;
  find("no-sendings").hidden = world.sendings.length > 0;
  const silent = world.endpoints ? "Nothing has been sent yet." : "No webhook endpoint is registered.";
  find("no-sendings").textContent = silent;
  find("clock").textContent = moment(world.now, true) + (world.offset ? "" : " (real time)");
}

// One reading at a time; a second caller waits for a fresh one after it.
async function refresh() {
  while (reading) await reading.catch(() => {});
  reading = overview();
  try {
    await reading;
    find("trouble").hidden = true;
  } catch (error) {
    find("trouble").textContent = error.message;
    find("trouble").hidden = false;
  } finally {
    reading = null;
  }
}

async function poll() {
  if (!document.hidden) await refresh();
  setTimeout(poll, POLL_MILLISECONDS);
}

function useShop() {
  const shop = shops[find("shop").value];
  if (!shop) return find("merchant-name").focus();
  find("merchant-name").value = shop.name;
  find("category").value = shop.category;
  find("country").value = shop.country;
}

async function lookUp() {
  const number = find("number").value.replace(/[\s-]/g, "");
  find("found").textContent = "";
  if (number.length !== CARD_DIGITS) return;
  try {
    const { card } = await ask("find_card", { number });
    find("found").textContent = `${card.cardholder}, ${card.status}, ${card.account_name}`;
    find("card").value = card.id;
  } catch (error) {
    find("found").textContent = error.message;
  }
}

function forgetTyped() {
  for (const id of ["number", "expiry", "cvc"]) find(id).value = "";
  find("found").textContent = "";
}

async function tryCard(event) {
  event.preventDefault();
  try {
    const made = await ask("cards", { account: find("trying-account").value, name: find("trying-name").value });
    await refresh();
    find("card").value = made.card.id;
    find("number").value = made.number.replace(/(.{4})(?=.)/g, "$1 ");
    find("expiry").value = made.expiry;
    find("cvc").value = made.cvc;
    find("currency").value = made.card.currency;
    find("found").textContent = "";
    find("tried").textContent = `Card ${find("number").value}, ${made.expiry}, ${made.cvc}: filled in above.`;
  } catch (error) {
    find("tried").textContent = error.message;
  }
}

async function advance(event) {
  event.preventDefault();
  try {
    const { now } = await ask("/_simulator/clock", { advance: Number(find("advance").value) });
    find("advanced").textContent = `It is now ${moment(now, true)}.`;
  } catch (error) {
    find("advanced").textContent = error.message;
  }
  await refresh();
}

async function begin() {
  const { categories, currencies, merchants } = await ask("setup");
  know(currencies);
  shops = merchants;
  find("categories").replaceChildren(...categories.map(({ name, code }) => new Option(`${code} ${words(name)}`, name)));
  const codes = Object.keys(currencies);
  choices(find("currency"), codes.map((code) => ({ value: code, text: code.toUpperCase() })));
  find("currency").value = "usd";
  const ready = shops.map((shop, place) => ({ value: String(place), text: `${shop.name}, ${shop.country}` }));
  choices(find("shop"), [...ready, { value: "", text: "Write my own" }]);
  find("shop").value = "0";
  useShop();
  find("shop").addEventListener("change", useShop);
  for (const id of ["merchant-name", "category", "country"]) {
    find(id).addEventListener("input", () => { find("shop").value = ""; });
  }
  find("number").addEventListener("input", lookUp);
  find("card").addEventListener("change", forgetTyped);
  find("filter").addEventListener("change", refresh);
  find("charge").addEventListener("submit", charge);
  find("force").addEventListener("click", () => unasked("create_force_capture", "✓ Captured by force"));
  find("unlinked").addEventListener("click", () => unasked("create_unlinked_refund", "✓ Refunded"));
  find("trying").addEventListener("submit", tryCard);
  find("advancing").addEventListener("submit", advance);
  await poll();
}

begin().catch((error) => result("no", "No answer", error.message));
