// Takes the card details out of the page after a minute, when asked to, and when the page is left.
"use strict";

const SECONDS = 60;
const end = performance.now() + SECONDS * 1000;

function hide() {
  document.getElementById("card")?.remove();
  document.getElementById("hiding")?.remove();
  document.getElementById("gone").classList.add("now");
  clearInterval(ticking);
}

function tick() {
  const left = Math.ceil((end - performance.now()) / 1000);
  if (left <= 0) hide();
  else document.getElementById("left").textContent = `Hidden in ${left} seconds.`;
}

const ticking = setInterval(tick, 1000);
document.getElementById("hiding").hidden = false;
document.getElementById("hide").addEventListener("click", () => { hide(); document.getElementById("gone").focus(); });
addEventListener("pagehide", hide);
tick();
