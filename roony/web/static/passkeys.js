// Passkeys: asks the browser for one, to sign in (on the sign-in page) or to be kept (on the account's page, where
// dashboard.js is loaded too), and sends on what it answers.
"use strict";

function bytesOf(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function textOf(bytes) {
  const plain = String.fromCharCode(...new Uint8Array(bytes));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// The options as the browser wants them: what is bytes comes as text in JSON.
function askedFor(options) {
  const asked = { ...options, challenge: bytesOf(options.challenge) };
  if (options.user) asked.user = { ...options.user, id: bytesOf(options.user.id) };
  for (const list of ["excludeCredentials", "allowCredentials"]) {
    if (options[list]) asked[list] = options[list].map((one) => ({ ...one, id: bytesOf(one.id) }));
  }
  return asked;
}

// What the browser answered as JSON.
function written(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = textOf(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return { id: credential.id, rawId: textOf(credential.rawId), type: credential.type, response };
}

function troubleWith(error, origin) {
  if (location.origin !== origin) return `Passkeys are good at ${origin} only. Open this page there.`;
  if (error.name === "InvalidStateError") return "This device has a passkey of yours already.";
  if (error.name === "NotAllowedError") return "The browser gave no passkey. Try again.";
  return error.name === "TypeError" ? "Roony cannot be reached. Try again in a moment." : error.message;
}

async function use(form) {
  const answer = await fetch("/sign-in/passkey/challenge", { method: "POST", credentials: "same-origin" });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error.message);
  const credential = await navigator.credentials.get({ publicKey: askedFor(json.public_key) });
  form.elements.credential.value = JSON.stringify(written(credential));
  form.submit();
}

async function add(form) {
  const { name, password } = bodyOf(form);
  const asked = await call("POST", "/api/v1/admin/me/passkeys/challenge", { password });
  if (asked === null) return;
  const credential = await navigator.credentials.create({ publicKey: askedFor(asked.public_key) });
  const body = { ticket: asked.ticket, name, credential: written(credential) };
  if ((await call("POST", "/api/v1/admin/me/passkeys", body)) !== null) location.reload();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !window.PublicKeyCredential;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    for (const old of form.querySelectorAll(".wrong, .trouble")) { old.hidden = true; old.textContent = ""; }
    const button = form.querySelector("button");
    button.disabled = true;
    try {
      await (form.dataset.passkey === "add" ? add : use)(form);
    } catch (error) {
      const field = error.field && form.querySelector(`[data-error-for="${CSS.escape(error.field)}"]`);
      const place = field || form.querySelector(".trouble");
      place.textContent = error.field ? error.message : troubleWith(error, form.dataset.origin);
      place.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}
